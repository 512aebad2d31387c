import CKernels

/// The products of matrices at every point.
extension WinogradNest {
  /// Matrices of all points, and steps from point to point and from block to block. Of those that are written each
  /// thread has points of its own.
  struct PointMatrices<Element>: @unchecked Sendable {
    let start: UnsafeMutablePointer<Element>
    let plane: Int
    let block: Int
  }

  /// c[column, lane] = Σ_k a[k, lane]·b[k, column] at every point, for so many blocks of lanes.
  func multiply<Element: TensorElement>(
    columns: Int, depth: Int, a: PointMatrices<Element>, aStep: Int, b: PointMatrices<Element>,
    bDepth: Int, bColumn: Int, c: PointMatrices<Element>, low: Int = 0, blocks: Int, adding: Bool
  ) {
    let terms = writesTaps ? rowCount * self.columns.tiles : inputs
    let run = SumLength(terms: Double(terms)).run
    var zero = 0
    withUnsafePointer(to: &zero) { zero in
      nonisolated(unsafe) let shape = ConvoyBatchReduce(
        level: context.level, lanes: Self.lanes, columns: columns, depth: depth, count: 1,
        a_offsets: zero,
        b_offsets: zero, a_k: aStep, b_k: bDepth, b_j: bColumn, c_j: Self.lanes, run: run,
        low: low,
        adding: adding ? 1 : 0, repeats: blocks, a_r: a.block, b_r: b.block, c_r: c.block)
      let nanoseconds = 0.1 * Double(points) * Double(columns) * Double(depth) * Double(blocks)
      ThreadPool.run(over: points, nanoseconds: nanoseconds) { points in
        for point in points {
          Element.batchReduce(
            shape, a.start + point * a.plane, b.start + point * b.plane, c.start + point * c.plane)
        }
      }
    }
  }
}
