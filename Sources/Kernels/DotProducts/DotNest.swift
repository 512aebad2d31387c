import CKernels

/// A nest as matrices of dot products: `convoy_dot_products` sums over one loop along which both sources
/// are contiguous as they are given, and over a list of the other summed loops.
///
/// So the gradient of a factor is formed of two features that have their pixels innermost: no copy of
/// either with its channels innermost is needed.
struct DotNest: Sendable {
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

  func run<Element: TensorElement>(
    into destination: UnsafeMutablePointer<Element>, _ p: UnsafePointer<Element>,
    _ q: UnsafePointer<Element>, adding: Bool
  ) {
    let a = (rowSource == 1 ? p : q) + aBase
    let b = (rowSource == 1 ? q : p) + bBase
    let matrices = levels.reduce(1) { $0 * $1.count }
    let panels =
      ((aOffsets.count + listPerPanel - 1) / listPerPanel)
      * ((depth + depthPerPanel - 1) / depthPerPanel)
    aOffsets.withUnsafeBufferPointer { aOffsets in
      bOffsets.withUnsafeBufferPointer { bOffsets in
        for entry in stride(from: 0, to: aOffsets.count, by: listPerPanel) {
          for k in stride(from: 0, to: depth, by: depthPerPanel) {
            var shape = ConvoyDotProducts()
            shape.depth = min(depthPerPanel, depth - k)
            shape.count = min(listPerPanel, aOffsets.count - entry)
            shape.a_offsets = aOffsets.baseAddress.map { $0 + entry }
            shape.b_offsets = bOffsets.baseAddress.map { $0 + entry }
            (shape.a_i, shape.b_j) = (rows.a, columns.b)
            (shape.c_i, shape.c_j) = (rows.d, columns.d)
            shape.adding = adding || entry > 0 || k > 0 ? 1 : 0
            ThreadPool.run(
              over: matrices * rows.count, nanoseconds: nanoseconds / Double(panels)
            ) { part in
              runRows(part, shape, into: destination, a + k, b + k)
            }
          }
        }
      }
    }
  }

  /// - Parameter part: rows of all matrices, numbered one matrix after the other.
  private func runRows<Element: TensorElement>(
    _ part: Range<Int>, _ shape: ConvoyDotProducts, into d: UnsafeMutablePointer<Element>,
    _ a: UnsafePointer<Element>, _ b: UnsafePointer<Element>
  ) {
    var shape = shape
    var row = part.lowerBound
    var walk = LoopWalk(levels, start: row / rows.count)
    while row < part.upperBound {
      let first = row % rows.count
      shape.rows = min(rows.count - first, part.upperBound - row)
      for column in stride(from: 0, to: columns.count, by: Self.panelColumns) {
        shape.columns = min(Self.panelColumns, columns.count - column)
        Element.dotProducts(
          shape, a + walk.a + first * rows.a, b + walk.b + column * columns.b,
          d + walk.d + first * rows.d + column * columns.d)
      }
      row += shape.rows
      walk.advance(by: 1)
    }
  }
}
