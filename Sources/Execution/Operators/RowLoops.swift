import Kernels

/// Loops over the indices of a shape, with where several dense buffers are at each of them.
/// Neighbouring loops that walk every buffer as one are one; the last loop is left to the caller, as
/// a *row*.
///
/// ```swift
/// // x [2, 3, 4] beside a vector along axis 2
/// let loops = RowLoops([2, 3, 4], [[0, 1, 2], [2]].map { denseStrides(of: [2, 3, 4], along: $0) })
/// loops.extents  // [6, 4]
/// loops.strides  // [[4, 0], [1, 1]]: by loop, by buffer
/// ```
struct RowLoops: Sendable {
  private(set) var extents: [Int] = []
  /// By loop, by buffer.
  private(set) var strides: [[Int]] = []

  /// - Parameters:
  ///   - buffers: By buffer, the stride along each dimension.
  ///   - rowsAreElements: Whether a row is a single index.
  init(_ shape: [Int], _ buffers: [[Int]], rowsAreElements: Bool = false) {
    for (dimension, extent) in shape.enumerated() where extent != 1 {
      let next = buffers.map { $0[dimension] }
      if let last = strides.last, last == next.map({ $0 * extent }) {
        extents[extents.count - 1] *= extent
        strides[strides.count - 1] = next
      } else {
        extents.append(extent)
        strides.append(next)
      }
    }
    if rowsAreElements || extents.isEmpty {
      extents.append(1)
      strides.append(buffers.map { _ in 0 })
    }
  }

  var rows: Int { extents.dropLast().reduce(1, *) }
  var rowCount: Int { extents[extents.count - 1] }
  /// By buffer.
  var rowStrides: [Int] { strides[strides.count - 1] }

  /// Calls the body for some of the rows, in order, with the place in each buffer where the row
  /// begins.
  func forEachRow(_ range: Range<Int>, _ body: ([Int]) -> Void) {
    guard !range.isEmpty, rowCount > 0 else { return }
    let outer = extents.count - 1
    var index = [Int](repeating: 0, count: outer)
    var places = [Int](repeating: 0, count: rowStrides.count)
    var rest = range.lowerBound
    for loop in (0..<outer).reversed() {
      index[loop] = rest % extents[loop]
      rest /= extents[loop]
      for buffer in places.indices { places[buffer] += index[loop] * strides[loop][buffer] }
    }
    for _ in range {
      body(places)
      var loop = outer - 1
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
    guard extents.count > 1, strides[0][buffer] != 0, rows > 0 else {
      return forEachRow(0..<rows, body)
    }
    ThreadPool.run(over: rows, unit: rows / extents[0], nanoseconds: nanoseconds) {
      forEachRow($0, body)
    }
  }
}

/// By dimension of `shape`, the stride of a dense tensor that has the shape's extents along some
/// axes only; 0 along the others.
func denseStrides(of shape: [Int], along axes: [Int]) -> [Int] {
  var strides = [Int](repeating: 0, count: shape.count)
  var stride = 1
  for axis in axes.reversed() {
    strides[axis] = stride
    stride *= shape[axis]
  }
  return strides
}

extension [Int] {
  /// The axes of a shape besides these, in order.
  func others(than axes: [Int]) -> [Int] { indices.filter { !axes.contains($0) } }

  /// The number of elements along these axes.
  func count(along axes: [Int]) -> Int { axes.reduce(1) { $0 * self[$1] } }
}
