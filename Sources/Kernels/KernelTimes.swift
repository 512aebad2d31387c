/// What the estimates know of the processor: sizes of its registers and caches, and the times of the kernels.
/// They were fitted by measurement, for one machine with AVX-512 and one with AVX2 (both AMD EPYC); only their
/// ratios matter for a choice. They follow from the instruction set alone, so that all ranks of a job on equal
/// machines choose alike.
///
/// ```swift
/// context.times.blockColumns  // 28 with AVX-512, 6 with AVX2
/// ```
struct KernelTimes: Sendable {
  /// Columns whose sums of 16 lanes the batch-reduce kernel holds in registers.
  var blockColumns: Int
  /// Whether it takes blocks of lanes in pairs, with half as many columns.
  var hasPairs: Bool
  /// Elements that half of a second-level cache holds.
  var cacheElements: Int
  /// Multiply-adds from which on loops are cut for the caches: less is not worth the search.
  var leastCutProducts: Int

  /// Of the batch-reduce kernel, in nanoseconds: per block of columns, entry of the list, step of the summed
  /// loop for a block, column, and step and column.
  var block: Double
  var entry: Double
  var step: Double
  var column: Double
  var product: Double
  /// The time of a last block of at most half the lanes, as a share of a whole one's.
  var narrowBlock: Double
  /// Whether lanes on pages of their own cost as much for every block of columns as for the first.
  var readsLanesAgain: Bool
  /// Of lanes that are read where they lie, a multiple of half a page apart, for the second and every later block of
  /// columns: a step takes so much longer, and of long sums, or 64 KiB apart, whose lanes have left all near caches by
  /// then.
  var lanesApart: Double
  var lanesApartInLongSums: Double
  /// Of lanes that lie any other distance apart, the same for sums of more steps than a first-level cache holds lines of
  /// theirs, besides those of a block of columns, or than a processor has pages at hand, where each is on its own.
  var lanesOutOfReach: Double
  var linesAtHand: Double
  var pagesAtHand: Double
  /// Of columns that are contiguous while the summed loop is not: a step touches a line for a few columns.
  var columnsContiguous: Double

  /// Of element-wise products: per block of lanes and step, where rows have the second source in common and
  /// where they do not.
  var sharedLaneProduct: Double
  var laneProduct: Double

  /// Of copies, per element: of runs as they lie, and of others.
  var copiedElement: Double
  var transposedElement: Double
  /// Of a run of channels that minimal filtering copies.
  var copiedRun: Double

  /// Of elements that come from beyond the second-level cache: of products of matrices, element-wise ones, and
  /// dot products.
  var movedElement: Double
  var movedLane: Double
  var movedSummand: Double

  /// Rows and columns of dot products that registers hold the sums of.
  var dotRows: Int
  var dotColumns: Int
  /// Of dot products: per pair of rows and 16 summands, and what reading them costs such a block of pairs.
  var dotProduct: Double
  var dotBlock: Double

  /// Of a transform of minimal filtering, per point of 16 lanes, of data and results together.
  var transform: Double
  /// Of what a group of its tiles has moved between the caches, per element and element of the group, at most
  /// `mostFar`.
  var far: Double
  var mostFar: Double
  /// Blocks of outputs whose taps are made at a time in one group of tiles: of few tiles, and of more where results
  /// are written. Their points should not have left the second-level cache when they are multiplied.
  var tapBlocksOfFewTiles: Int
  var tapBlocks: Int
  /// From how many elements on the points of the taps begin to leave a third-level cache, and all have left; and
  /// their price per element and group of tiles where it holds them, and where it does not.
  var distantFrom: ClosedRange<Double>
  var cachedTap: Double
  var distantTap: Double

  /// Of OpenBLAS: multiply-adds per nanosecond, and nanoseconds per element of the sources and of the result.
  var libraryProducts: Double
  var librarySource: Double
  var libraryResult: Double

  /// How often lanes that no cache holds are moved, as whole lines that nothing foresees if they lie apart: for every
  /// block of columns, of which there are few where many fit into registers.
  func lanesAgain(columnBlocks: Double, apart: Int) -> Double {
    hasPairs ? 1 : columnBlocks * (abs(apart) > BlockedNest.lanes ? 2.5 : 1)
  }

  static let avx512 = KernelTimes(
    blockColumns: 28,
    hasPairs: true,
    cacheElements: 1 << 17,
    leastCutProducts: 1 << 24,
    block: 4,
    entry: 1.5,
    step: 0.3,
    column: 1,
    product: 0.133,
    narrowBlock: 1,
    readsLanesAgain: true,
    lanesApart: 0,
    lanesApartInLongSums: 0,
    lanesOutOfReach: 0,
    linesAtHand: .infinity,
    pagesAtHand: .infinity,
    columnsContiguous: 0,
    sharedLaneProduct: 0.2,
    laneProduct: 0.3,
    copiedElement: 0.1,
    transposedElement: 0.25,
    copiedRun: 0,
    movedElement: 0.08,
    movedLane: 0.15,
    movedSummand: 0.05,
    dotRows: 5,
    dotColumns: 5,
    dotProduct: 0.145,
    dotBlock: 0.6,
    transform: 0.95,
    far: 5e-8,
    mostFar: 0.06,
    tapBlocksOfFewTiles: 2,
    tapBlocks: 8,
    distantFrom: 4e6...4.0001e6,
    cachedTap: 0.0075,
    distantTap: 0.045,
    libraryProducts: 50,
    librarySource: 0.25,
    libraryResult: 0.2)

  static let avx2 = KernelTimes(
    blockColumns: 6,
    hasPairs: false,
    cacheElements: 1 << 16,
    leastCutProducts: 1 << 22,
    block: 12,
    entry: 2,
    step: 0.06,
    column: 0.5,
    product: 0.35,
    narrowBlock: 0.6,
    readsLanesAgain: false,
    lanesApart: 0.6,
    lanesApartInLongSums: 5,
    lanesOutOfReach: 1.2,
    linesAtHand: 370,
    pagesAtHand: 64,
    columnsContiguous: 0.7,
    sharedLaneProduct: 0.45,
    laneProduct: 0.6,
    copiedElement: 0.25,
    transposedElement: 0.4,
    copiedRun: 10,
    movedElement: 0.15,
    movedLane: 0.25,
    movedSummand: 0.22,
    dotRows: 4,
    dotColumns: 3,
    dotProduct: 0.38,
    dotBlock: 1,
    transform: 2,
    far: 2e-7,
    mostFar: 0.5,
    tapBlocksOfFewTiles: 1,
    tapBlocks: 1,
    distantFrom: 1.5e6...4e6,
    cachedTap: 0.08,
    distantTap: 0.6,
    libraryProducts: 42,
    librarySource: 0.4,
    libraryResult: 0.6)
}
