import CKernels

/// A correlation of three taps by minimal filtering: tiles of data and taps become points (`Winograd.h`),
/// at each point a product of matrices takes the place of nine (or three) of them, and its results are
/// turned back. For 4 × 4 results per tile that is a quarter of the multiplications.
///
/// Data, results and taps are copied with their channels innermost, one group of tiles at a time, so that
/// a group's points stay in the second-level cache.
struct WinogradNest: Sendable {
  /// One dimension of the tiles: 4 or 2 results of a correlation, or one index of a plain mode.
  struct Axis: Sendable {
    let results: Int
    /// The results' extent, and the number of tiles.
    let extent: Int
    let tiles: Int
    /// Of the data, the index that the first tile reads first.
    let start: Int
    let dataExtent: Int
    let isCircular: Bool
    let isReversed: Bool

    var taps: Int { results == 1 ? 1 : 3 }
    var points: Int { results + taps - 1 }
    /// Rows of tiles that are copied and transformed at a time.
    var tilesPerPart: Int { results == 1 ? 8 : 2 }
    /// Data indices of a run of tiles.
    func dataCount(_ tiles: Int) -> Int { results * tiles + taps - 1 }
  }

  /// How the channels of a tensor, and its rows and columns, are copied.
  struct Copy: Sendable {
    /// Rows, columns, then the modes that the channels are made of.
    let strides: [Int]
    let channels: [Int]
    /// Of the copy, all but rows and columns.
    let packedChannels: [Int]
    /// Where every sample starts.
    let samples: [Int]
  }

  let rows: Axis
  let columns: Axis
  /// Whether taps are written, from data and results.
  let writesTaps: Bool
  /// Whether the data are the first source.
  let dataIsFirst: Bool
  let data: Copy
  let results: Copy
  /// Row taps, column taps, inputs and outputs.
  let tapExtents: [Int]
  let tapStrides: [Int]
  let packedTapStrides: [Int]
  /// From tap to tap, and from input to input, in the packed taps.
  let packedTapStep: Int
  let packedInputStep: Int
  let sampleCount: Int
  /// Channels of the data and of the results.
  let inputs: Int
  let outputs: Int
  /// Rows of tiles that are worked on together, counted through all samples.
  let groupRows: Int
  let layout: Workspace
  /// Estimated.
  let nanoseconds: Double

  static let lanes = Int(CONVOY_LANES)

  var workspaceCount: Int { layout.count }
  var rowCount: Int { sampleCount * rows.tiles }
  var hasOneGroup: Bool { groupRows >= rowCount }
  var points: Int { rows.points * columns.points }
  var outputBlocks: Int { Self.blocks(outputs) }

  /// Blocks of lanes, and the elements of them.
  static func blocks(_ channels: Int) -> Int { (channels + lanes - 1) / lanes }
  func padded(_ channels: Int) -> Int { Self.blocks(channels) * Self.lanes }

  /// Where things lie in the workspace, in elements. A point's plane is not a multiple of a page, or all
  /// points of a tile would want the same lines of the first-level cache.
  struct Workspace: Sendable {
    /// Copies of data, and of results: one after the other, never together.
    var copies = 0
    /// Points of the data: [point][tile][input].
    var data = 0
    var dataPlane = 0
    /// Points of the results: [point][tile][lane], and for taps' gradients [block] around it.
    var results = 0
    var resultPlane = 0
    var resultBlock = 0
    /// Points of the taps, [block][point][input][lane]; one block if there is one group.
    var taps = 0
    var tapPlane = 0
    var tapBlock = 0
    /// Taps with the outputs innermost, [input][row][column][output] or [row][column][input][output].
    var packedTaps = 0
    var count = 0
  }

  func run<Element: TensorElement>(
    into destination: UnsafeMutablePointer<Element>, _ p: UnsafePointer<Element>,
    _ q: UnsafePointer<Element>, workspace: UnsafeMutablePointer<Element>, adding: Bool
  ) {
    let (x, other) = dataIsFirst ? (p, q) : (q, p)
    if writesTaps {
      writeTaps(into: destination, x, other, workspace, adding: adding)
    } else {
      writeResults(into: destination, x, other, workspace, adding: adding)
    }
  }

  private func writeResults<Element: TensorElement>(
    into y: UnsafeMutablePointer<Element>, _ x: UnsafePointer<Element>,
    _ w: UnsafePointer<Element>, _ workspace: UnsafeMutablePointer<Element>, adding: Bool
  ) {
    Movement.move(
      extents: tapExtents, to: workspace + layout.packedTaps, packedTapStrides, from: w,
      tapStrides)
    if !hasOneGroup {
      ThreadPool.run(count: outputBlocks) { transformTaps($0, workspace) }
    }
    for start in stride(from: 0, to: rowCount, by: groupRows) {
      let group = start..<min(start + groupRows, rowCount)
      loadData(group, x, workspace)
      for block in 0..<outputBlocks {
        if hasOneGroup { transformTaps(block, workspace) }
        let taps = workspace + layout.taps + tapBlock(block)
        multiply(
          columns: group.count * columns.tiles, depth: inputs, a: (taps, layout.tapPlane),
          aStep: Self.lanes, b: (workspace + layout.data, layout.dataPlane), bDepth: 1,
          bColumn: padded(inputs), c: (workspace + layout.results, layout.resultPlane),
          adding: false)
        untransformResults(group.count, block, workspace)
      }
      storeResults(group, y, workspace, adding: adding)
    }
  }

  private func writeTaps<Element: TensorElement>(
    into w: UnsafeMutablePointer<Element>, _ x: UnsafePointer<Element>,
    _ y: UnsafePointer<Element>, _ workspace: UnsafeMutablePointer<Element>, adding: Bool
  ) {
    for start in stride(from: 0, to: rowCount, by: groupRows) {
      let group = start..<min(start + groupRows, rowCount)
      loadData(group, x, workspace)
      loadResults(group, y, workspace)
      for block in 0..<outputBlocks {
        multiply(
          columns: inputs, depth: group.count * columns.tiles,
          a: (workspace + layout.results + block * layout.resultBlock, layout.resultPlane),
          aStep: Self.lanes, b: (workspace + layout.data, layout.dataPlane),
          bDepth: padded(inputs), bColumn: 1,
          c: (workspace + layout.taps + tapBlock(block), layout.tapPlane), adding: start > 0)
        if group.upperBound == rowCount { untransformTaps(block, workspace) }
      }
    }
    Movement.move(
      adding: adding, extents: tapExtents, to: w, tapStrides,
      from: UnsafePointer(workspace + layout.packedTaps), packedTapStrides)
  }

  func tapBlock(_ block: Int) -> Int { hasOneGroup ? 0 : block * layout.tapBlock }

  /// c[column, lane] = Σ_k a[k, lane]·b[k, column] at every point.
  private func multiply<Element: TensorElement>(
    columns: Int, depth: Int, a: (UnsafeMutablePointer<Element>, plane: Int), aStep: Int,
    b: (UnsafeMutablePointer<Element>, plane: Int), bDepth: Int, bColumn: Int,
    c: (UnsafeMutablePointer<Element>, plane: Int), adding: Bool
  ) {
    var zero = 0
    withUnsafePointer(to: &zero) { zero in
      let shape = ConvoyBatchReduce(
        lanes: Self.lanes, columns: columns, depth: depth, count: 1, a_offsets: zero,
        b_offsets: zero, a_k: aStep, b_k: bDepth, b_j: bColumn, c_j: Self.lanes,
        adding: adding ? 1 : 0, repeats: 1, a_r: 0, b_r: 0, c_r: 0)
      let nanoseconds = 0.1 * Double(points) * Double(columns) * Double(depth)
      ThreadPool.run(over: points, nanoseconds: nanoseconds) { points in
        for point in points {
          Element.batchReduce(
            shape, a.0 + point * a.plane, b.0 + point * b.plane, c.0 + point * c.plane)
        }
      }
    }
  }
}
