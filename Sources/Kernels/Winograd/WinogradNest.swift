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
    /// Whether samples are what is contiguous: then each element of a sample is in a line of its own.
    var isScattered: Bool { samples.count > 1 && !strides.contains(1) }
  }

  let context: Context
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
  /// Blocks of outputs at a time, by measurement: of one, wide layers took up to a fifth longer.
  static let blocksAtOnce = 8
  /// Elements of the taps of so many blocks.
  static let tapsAtOnce = 1_250_000
  /// Up to so many tiles in one group are few: then taps of so many inputs at a time, whose points stay in the
  /// second-level cache.
  static let fewTiles = 64
  static let fewInputsAtOnce = 128
  /// Of the blocks of one group, that threads take.
  static let mostParts = 8

  var workspaceCount: Int { layout.count }
  var rowCount: Int { sampleCount * rows.tiles }
  var hasOneGroup: Bool { groupRows >= rowCount }
  var points: Int { rows.points * columns.points }
  var outputBlocks: Int { Self.blocks(outputs) }

  /// Blocks of lanes, and the elements of them.
  static func blocks(_ channels: Int) -> Int { (channels + lanes - 1) / lanes }
  func padded(_ channels: Int) -> Int { Self.blocks(channels) * Self.lanes }

  /// Groups are divided into so many runs, each with a place of its own in the workspace, that threads
  /// take; within one group threads would meet too often.
  static func runs(groups: Int) -> Int { groups >= 8 ? 4 : groups >= 2 ? 2 : 1 }

  /// - Returns: `false` where the source without the data has what is not finite; nothing is written then.
  func run<Element: TensorElement>(
    into destination: UnsafeMutablePointer<Element>, _ p: UnsafePointer<Element>,
    _ q: UnsafePointer<Element>, workspace: UnsafeMutablePointer<Element>, adding: Bool
  ) -> Bool {
    let (x, other) = dataIsFirst ? (p, q) : (q, p)
    if writesTaps {
      return writeTaps(into: destination, x, other, workspace, adding: adding)
    }
    let taps = tapExponents(other)
    guard taps.largest < Element.infiniteExponent else { return false }
    writeResults(into: destination, x, other, workspace, taps, adding: adding)
    return true
  }

  private func writeResults<Element: TensorElement>(
    into y: UnsafeMutablePointer<Element>, _ x: UnsafePointer<Element>,
    _ w: UnsafePointer<Element>, _ workspace: UnsafeMutablePointer<Element>,
    _ tapExponents: TapExponents, adding: Bool
  ) {
    let outliers = unmarkedTiles()
    nonisolated(unsafe) let (x, y, w, workspace) = (x, y, w, workspace)
    if !hasOneGroup {
      packTaps(0..<outputBlocks, 0..<inputs, w, workspace)
      ThreadPool.run(count: outputBlocks) { transformTaps($0, 0..<inputs, workspace) }
    }
    eachGroup(workspace) {
      Scan(self, outliers, rows: $0, x, nil, tapExponents)
    } body: { group, own, _ in
      loadData(group, x, own)
      nonisolated(unsafe) let own = own
      eachBlocks(own) { blocks, part in
        nonisolated(unsafe) let part = part
        for first in stride(from: 0, to: inputs, by: layout.inputsAtOnce) {
          let some = first..<min(first + layout.inputsAtOnce, inputs)
          if hasOneGroup {
            packTaps(blocks, some, w, part)
            ThreadPool.run(count: blocks.count) {
              transformTaps(blocks.lowerBound + $0, some, part)
            }
          }
          let taps = hasOneGroup ? part : workspace
          multiply(
            columns: group.count * columns.tiles, depth: some.count,
            a: PointMatrices(
              start: taps + layout.taps + tapBlock(blocks.lowerBound), plane: layout.tapPlane,
              block: layout.tapBlock), aStep: Self.lanes,
            b: PointMatrices(
              start: own + layout.data + first, plane: layout.dataPlane, block: 0), bDepth: 1,
            bColumn: layout.dataTile,
            c: PointMatrices(
              start: part + layout.results, plane: layout.resultPlane, block: layout.resultBlock),
            blocks: blocks.count, adding: first > 0)
        }
        for block in blocks { untransformResults(group.count, block, part, copies: own) }
      }
      clearResults(outliers, group, own)
      storeResults(group, y, own, adding: adding)
    }
    addResults(of: outliers, to: y, x, w, workspace)
  }

  private func writeTaps<Element: TensorElement>(
    into w: UnsafeMutablePointer<Element>, _ x: UnsafePointer<Element>,
    _ y: UnsafePointer<Element>, _ workspace: UnsafeMutablePointer<Element>, adding: Bool
  ) -> Bool {
    let outliers = unmarkedTiles()
    nonisolated(unsafe) let (x, y, w, workspace) = (x, y, w, workspace)
    eachGroup(workspace) {
      Scan(self, outliers, rows: $0, x, y, nil)
    } body: { group, own, isFirst in
      loadData(group, x, own)
      loadResults(group, y, own)
      clearPoints(outliers, group, own)
      if isFirst, let low = layout.tapLow {
        (own + low).fillWithZeros(count: layout.tapBlock * outputBlocks)
      }
      nonisolated(unsafe) let own = own
      eachBlocks(own) { blocks, part in
        nonisolated(unsafe) let part = part
        for first in stride(from: 0, to: inputs, by: layout.inputsAtOnce) {
          let some = first..<min(first + layout.inputsAtOnce, inputs)
          multiply(
            columns: some.count, depth: group.count * columns.tiles,
            a: PointMatrices(
              start: own + layout.results + blocks.lowerBound * layout.resultBlock,
              plane: layout.resultPlane, block: layout.resultBlock), aStep: Self.lanes,
            b: PointMatrices(
              start: own + layout.data + first, plane: layout.dataPlane, block: 0),
            bDepth: layout.dataTile, bColumn: 1,
            c: PointMatrices(
              start: part + layout.taps + tapBlock(blocks.lowerBound), plane: layout.tapPlane,
              block: layout.tapBlock),
            low: layout.tapLow.map { ($0 - layout.taps) * MemoryLayout<Element>.stride } ?? 0,
            blocks: blocks.count, adding: !isFirst)
          if hasOneGroup {
            ThreadPool.run(count: blocks.count) {
              untransformTaps(blocks.lowerBound + $0, some, part)
            }
            addTaps(of: outliers, blocks, some, x, y, part)
            unpackTaps(blocks, some, w, part, adding: adding)
          }
        }
      }
    }
    guard outliers.isFinite else { return false }
    guard !hasOneGroup else { return true }
    ThreadPool.run(count: outputBlocks) { block in
      let taps = workspace + layout.taps + tapBlock(block)
      if let low = layout.tapLow {
        for run in 0..<layout.runs {
          let own = workspace + run * layout.runStep + tapBlock(block)
          Element.settle(own + layout.taps, low: own + low, count: layout.tapBlock)
        }
      }
      for run in 1..<max(1, layout.runs) {
        Element.add(
          extents: [layout.tapBlock], to: taps, [1],
          from: UnsafePointer(taps + run * layout.runStep), [1])
      }
      untransformTaps(block, 0..<inputs, workspace)
    }
    addTaps(of: outliers, 0..<outputBlocks, 0..<inputs, x, y, workspace)
    unpackTaps(0..<outputBlocks, 0..<inputs, w, workspace, adding: adding)
    return true
  }

  /// - Parameters:
  ///   - scan: is asked for what looks through a run, of these rows.
  ///   - body: is called with a group, the workspace of its run, and whether it is the run's first; no more in a run
  ///     that meets what is not finite and must be.
  private func eachGroup<Element: TensorElement>(
    _ workspace: UnsafeMutablePointer<Element>,
    scan: @Sendable (Range<Int>) -> Scan<Element>,
    body: @Sendable (Range<Int>, UnsafeMutablePointer<Element>, Bool) -> Void
  ) {
    nonisolated(unsafe) let workspace = workspace
    let groups = (rowCount + groupRows - 1) / groupRows
    @Sendable func run(_ run: Int) {
      let first = run * groups / layout.runs
      let end = (run + 1) * groups / layout.runs
      var scan = scan(first * groupRows..<min(end * groupRows, rowCount))
      for number in first..<end {
        let start = number * groupRows
        let group = start..<min(start + groupRows, rowCount)
        guard scan.reach(group) else { return }
        body(group, workspace + run * layout.runStep, number == first)
      }
    }
    if layout.runs == 1 { run(0) } else { ThreadPool.run(count: layout.runs, run) }
  }

  /// Where the taps' points of a block are, from those of the first.
  func tapBlock(_ block: Int) -> Int {
    (hasOneGroup ? block % layout.blocks : block) * layout.tapBlock
  }

  /// - Parameter body: is called with blocks of outputs, and the workspace of their part.
  private func eachBlocks<Element: TensorElement>(
    _ own: UnsafeMutablePointer<Element>,
    _ body: @Sendable (Range<Int>, UnsafeMutablePointer<Element>) -> Void
  ) {
    nonisolated(unsafe) let own = own
    let count = (outputBlocks + layout.blocks - 1) / layout.blocks
    @Sendable func run(_ part: Int) {
      for number in part * count / layout.parts..<(part + 1) * count / layout.parts {
        let first = number * layout.blocks
        body(
          first..<min(first + layout.blocks, outputBlocks), own + part * layout.partStep)
      }
    }
    // More threads than parts share the work of each.
    if ThreadPool.count <= layout.parts {
      ThreadPool.run(count: layout.parts, run)
    } else {
      for part in 0..<layout.parts { run(part) }
    }
  }
}
