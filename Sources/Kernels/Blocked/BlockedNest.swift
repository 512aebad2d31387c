import CKernels

/// A nest as batch-reduce GEMMs over tiles: `convoy_batch_reduce` is called for blocks of 16 indices
/// of one loop of the destination (*lanes*), all of another (*columns*), over one summed loop
/// (*depth*) and a list of the others, contracted modes and taps alike.
///
/// What a convolution reads outside its feature is made part of a padded copy, one tile at a time, so
/// that no tap is a special case; a change of layout rides along.
struct BlockedNest: Sendable {
  /// Where one of the tensors lies when the kernel runs.
  struct Place: Sendable {
    /// `nil`: where it is given.
    var pack: TilePack?
    /// In the workspace.
    var scratch: Int
    /// Elements from index 0 of all loops to the start.
    var base: Int
    /// From one index of the tile's loop to the next: 0 if it does not have it.
    var tileStride: Int
  }

  /// What runs the innermost loops.
  enum Kernel: Sendable {
    /// Lanes of one source with columns of the other.
    case batchReduce
    /// Lanes element by element, in rows.
    case laneProducts
  }

  let context: Context
  let sums: SumLength
  /// Where what additions round off is added up in the workspace, and of how many elements; `nil` where sums are
  /// short. The destination's are then in the order of what the kernel writes.
  let low: (start: Int, count: Int)?
  let kernel: Kernel
  /// Whether the second source has the lanes too.
  let otherHasLanes: Bool
  /// Of either source, whether a copy holds zeros that are no elements of it.
  let isPadded: [Bool]
  let reorderings: [Reordering]
  /// Which source has the lanes: 1 or 2.
  let lanesSource: Int
  /// Whether the blocks of lanes are walked inside the other levels, or around them.
  let lanesInside: Bool
  /// Destination and sources.
  let places: [Place]
  let laneLevel: LoopLevel
  let laneExtent: Int
  let levels: [LoopLevel]
  let columns: LoopLevel
  let depth: LoopLevel
  /// Offsets of the other summed loops in the two sources; those of the tile's loop, if it is
  /// summed, are the slowest.
  let aOffsets: [Int]
  let bOffsets: [Int]
  let tileExtent: Int
  let tileCount: Int
  let isTileSummed: Bool
  /// Elements of the list per index of the tile's loop; all where it is not summed.
  let listPerTile: Int
  let workspaceCount: Int
  /// Estimated.
  let nanoseconds: Double

  static let lanes = Int(CONVOY_LANES)

  /// Elements from row to row of a copy: with a gap where rows would lie half a page apart and want the same
  /// few lines of a cache.
  static func withGap(_ count: Int) -> Int { count % 512 == 0 ? count + lanes : count }

  func run<Element: TensorElement>(
    into destination: UnsafeMutablePointer<Element>, _ p: UnsafePointer<Element>,
    _ q: UnsafePointer<Element>, workspace: UnsafeMutablePointer<Element>, adding: Bool
  ) {
    var (p, q) = (p, q)
    var result: Reordering?
    for reordering in reorderings {
      guard reordering.tensor != 0 else {
        result = reordering
        continue
      }
      let copy = workspace + reordering.start
      reordering.load(from: reordering.tensor == 1 ? p : q, to: copy)
      if reordering.tensor == 1 { p = UnsafePointer(copy) } else { q = UnsafePointer(copy) }
    }
    guard let result else {
      return runTiles(into: destination, p, q, workspace: workspace, adding: adding)
    }
    let copy = workspace + result.start
    runTiles(into: copy, p, q, workspace: workspace, adding: false)
    result.store(from: UnsafePointer(copy), to: destination, adding: adding)
  }

  private func runTiles<Element: TensorElement>(
    into destination: UnsafeMutablePointer<Element>, _ p: UnsafePointer<Element>,
    _ q: UnsafePointer<Element>, workspace: UnsafeMutablePointer<Element>, adding: Bool
  ) {
    // Of a destination that is packed, one tile after the other, unless tiles are summed.
    let isPacked = places[0].pack != nil
    func clearLow() {
      if let low { Movement.fillWithZeros(workspace + low.start, count: low.count) }
    }
    func settle(_ d: UnsafeMutablePointer<Element>) {
      if let low { Element.settleAll(d, low: workspace + low.start, count: low.count) }
    }
    if !isPacked || isTileSummed { clearLow() }
    defer { if !isPacked { settle(destination) } }
    var first = true
    for start in stride(from: 0, to: tileExtent, by: tileCount) {
      let tile = start..<min(start + tileCount, tileExtent)
      func source(_ number: Int, _ given: UnsafePointer<Element>) -> UnsafePointer<Element> {
        let place = places[number]
        guard let pack = place.pack else {
          return given + place.base + tile.lowerBound * place.tileStride
        }
        // What does not depend on the tile is packed once.
        if first || place.tileStride != 0 {
          pack.load(tile, from: given, to: workspace + place.scratch)
        }
        return UnsafePointer(workspace + place.scratch + place.base)
      }
      let sources = [source(1, p), source(2, q)]
      let place = places[0]
      let d =
        place.pack == nil
        ? destination + place.base + tile.lowerBound * place.tileStride
        : workspace + place.scratch
      if isPacked && !isTileSummed { clearLow() }
      runTile(
        d, sources[lanesSource - 1], sources[2 - lanesSource], tile: tile.count,
        low: low.map {
          Element.distance(from: isPacked ? d : destination, to: workspace + $0.start)
        } ?? 0,
        adding: (adding && place.pack == nil) || (isTileSummed && !first))
      if let pack = place.pack, !isTileSummed || tile.upperBound == tileExtent {
        settle(d)
        pack.store(tile, from: UnsafePointer(d), to: destination, adding: adding)
      }
      first = false
    }
  }
}
