import Kernels

/// Loops over several buffers of which the last is left to the caller, as a *row*.
///
/// ```swift
/// // x [2, 3, 4] beside a vector along axis 2
/// let loops = RowLoops([2, 3, 4], [[0, 1, 2], [2]].map { denseStrides(of: [2, 3, 4], along: $0) })
/// loops.rows        // 6
/// loops.rowCount    // 4
/// loops.rowStrides  // [1, 1], by buffer
/// ```
struct RowLoops: Sendable {
  /// All but the last.
  let outer: StridedLoops
  let rowCount: Int
  /// By buffer.
  let rowStrides: [Int]

  /// - Parameters:
  ///   - buffers: By buffer, the stride along each dimension.
  ///   - rowsAreElements: Whether a row is a single index.
  init(_ shape: [Int], _ buffers: [[Int]], rowsAreElements: Bool = false) {
    var loops = StridedLoops(shape, buffers)
    let row = rowsAreElements ? nil : loops.popLast()
    (rowCount, rowStrides) = row ?? (1, buffers.map { _ in 0 })
    outer = loops
  }

  var rows: Int { outer.count }

  /// Calls the body for some of the rows, in order, with the place in each buffer where the row
  /// begins.
  func forEachRow(_ range: Range<Int>, _ body: ([Int]) -> Void) {
    guard !range.isEmpty, rowCount > 0 else { return }
    let (extents, strides) = (outer.extents, outer.strides)
    var index = [Int](repeating: 0, count: extents.count)
    var places = [Int](repeating: 0, count: rowStrides.count)
    var rest = range.lowerBound
    for loop in extents.indices.reversed() {
      index[loop] = rest % extents[loop]
      rest /= extents[loop]
      for buffer in places.indices { places[buffer] += index[loop] * strides[loop][buffer] }
    }
    for _ in range {
      body(places)
      var loop = extents.count - 1
      while loop >= 0 {
        index[loop] += 1
        for buffer in places.indices { places[buffer] += strides[loop][buffer] }
        if index[loop] < extents[loop] { break }
        for buffer in places.indices { places[buffer] -= extents[loop] * strides[loop][buffer] }
        index[loop] = 0
        loop -= 1
      }
    }
  }

  /// Calls the body for all rows, on several threads.
  func run(nanoseconds: Double, _ body: @Sendable ([Int]) -> Void) {
    ThreadPool.run(over: rows, nanoseconds: nanoseconds) { forEachRow($0, body) }
  }

  /// Calls the body for all rows, those that write the same elements of a buffer on one thread and
  /// in order.
  func runSumming(into buffer: Int, nanoseconds: Double, _ body: @Sendable ([Int]) -> Void) {
    guard let first = outer.strides.first, first[buffer] != 0, rows > 0 else {
      return forEachRow(0..<rows, body)
    }
    ThreadPool.run(over: rows, unit: rows / outer.extents[0], nanoseconds: nanoseconds) {
      forEachRow($0, body)
    }
  }
}

extension [Int] {
  /// The axes of a shape besides these, in order.
  func others(than axes: [Int]) -> [Int] { indices.filter { !axes.contains($0) } }

  /// The number of elements along these axes.
  func count(along axes: [Int]) -> Int { axes.reduce(1) { $0 * self[$1] } }
}
