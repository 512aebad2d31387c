import CKernels

/// A nest as matrices of dot products: `convoy_dot_products` sums over one loop along which both sources
/// are contiguous as they are given, and over a list of the other summed loops.
///
/// So the gradient of a factor is formed of two features that have their pixels innermost: no copy of
/// either with its channels innermost is needed.
struct DotNest: Sendable {
  let context: Context
  /// Elements of the destination.
  let destinationCount: Int
  let sums: SumLength
  /// Which source the rows belong to: 1 or 2. It is the one with more of them.
  let rowSource: Int
  /// Of index 0 of all loops, in the rows' source and the columns'.
  let aBase: Int
  let bBase: Int
  let rows: LoopLevel
  let columns: LoopLevel
  /// Loops around the matrix.
  let levels: [LoopLevel]
  /// Of the contiguous loop; and how much of it is summed at a time.
  let depth: Int
  let depthPerPanel: Int
  /// Offsets of the other summed loops, and how many are summed at a time.
  let aOffsets: [Int]
  let bOffsets: [Int]
  let listPerPanel: Int
  /// Estimated.
  let nanoseconds: Double

  /// Summands of a row or column that are taken at a time: so many that five rows of them stay in the
  /// first-level cache, and `panelColumns` columns in the second.
  static let panelDepth = 1024
  /// Whole blocks of the kernel's on every instruction set.
  static let panelColumns = 60

  /// Whether what additions of panels round off is added up.
  private var keepsLow: Bool { sums.keepsLow(termsAtOnce: Double(Self.panelDepth)) }
  var workspaceCount: Int { keepsLow ? destinationCount : 0 }

  func run<Element: TensorElement>(
    into destination: UnsafeMutablePointer<Element>, _ p: UnsafePointer<Element>,
    _ q: UnsafePointer<Element>, workspace: UnsafeMutablePointer<Element>, adding: Bool
  ) {
    guard keepsLow else { return runParts(into: destination, p, q, low: 0, adding: adding) }
    Movement.fillWithZeros(workspace, count: destinationCount)
    runParts(
      into: destination, p, q, low: Element.distance(from: destination, to: workspace),
      adding: adding)
    Element.settleAll(destination, low: workspace, count: destinationCount)
  }

  private func runParts<Element: TensorElement>(
    into destination: UnsafeMutablePointer<Element>, _ p: UnsafePointer<Element>,
    _ q: UnsafePointer<Element>, low: Int, adding: Bool
  ) {
    nonisolated(unsafe) let destination = destination
    nonisolated(unsafe) let a = (rowSource == 1 ? p : q) + aBase
    nonisolated(unsafe) let b = (rowSource == 1 ? q : p) + bBase
    let matrices = levels.reduce(1) { $0 * $1.count }
    // Where rows are few, matrices are divided; else rows of all matrices, which may have them in common.
    guard rows.count >= 32 || matrices == 1 else {
      return ThreadPool.run(over: matrices, nanoseconds: nanoseconds) { part in
        runPanels(
          rows: 0..<rows.count, of: part, low: low, adding: adding, into: destination, a, b)
      }
    }
    // Every part of the work reads the columns, which of fewer than 16 rows would be most of what it reads. That
    // is still better than a thread with nothing to do, and a sum is the same in any part.
    let parts = max(1, min(blocks, max(rows.count / 16, ThreadPool.count)))
    ThreadPool.run(over: parts, nanoseconds: nanoseconds) { part in
      runPanels(
        rows: rowRange(part, of: parts), of: 0..<matrices, low: low, adding: adding,
        into: destination, a, b)
    }
  }

  /// Of rows, as many as the kernel takes at a time.
  private var blocks: Int {
    (rows.count + context.times.dotRows - 1) / context.times.dotRows
  }

  /// Whole blocks but for the last.
  private func rowRange(_ range: Range<Int>, of parts: Int) -> Range<Int> {
    func row(_ part: Int) -> Int {
      min(rows.count, part * blocks / parts * context.times.dotRows)
    }
    return row(range.lowerBound)..<row(range.upperBound)
  }

  /// Some rows of some matrices, panel by panel.
  private func runPanels<Element: TensorElement>(
    rows part: Range<Int>, of matrices: Range<Int>, low: Int, adding: Bool,
    into d: UnsafeMutablePointer<Element>, _ a: UnsafePointer<Element>, _ b: UnsafePointer<Element>
  ) {
    let (a, d) = (a + part.lowerBound * rows.a, d + part.lowerBound * rows.d)
    aOffsets.withUnsafeBufferPointer { aOffsets in
      bOffsets.withUnsafeBufferPointer { bOffsets in
        for entry in stride(from: 0, to: aOffsets.count, by: listPerPanel) {
          for k in stride(from: 0, to: depth, by: depthPerPanel) {
            var shape = ConvoyDotProducts()
            shape.level = context.level
            // Of each lane of a vector: as many as a panel has, or fewer.
            shape.run = sums.isLong ? Int(CONVOY_RUN) : .max
            shape.low = low
            shape.rows = part.count
            shape.depth = min(depthPerPanel, depth - k)
            shape.count = min(listPerPanel, aOffsets.count - entry)
            shape.a_offsets = aOffsets.baseAddress.map { $0 + entry }
            shape.b_offsets = bOffsets.baseAddress.map { $0 + entry }
            (shape.a_i, shape.b_j) = (rows.a, columns.b)
            (shape.c_i, shape.c_j) = (rows.d, columns.d)
            shape.adding = adding || entry > 0 || k > 0 ? 1 : 0
            var walk = LoopWalk(levels, start: matrices.lowerBound)
            for _ in matrices {
              for column in stride(from: 0, to: columns.count, by: Self.panelColumns) {
                shape.columns = min(Self.panelColumns, columns.count - column)
                Element.dotProducts(
                  shape, a + walk.a + k, b + walk.b + k + column * columns.b,
                  d + walk.d + column * columns.d)
              }
              walk.advance(by: 1)
            }
          }
        }
      }
    }
  }
}
