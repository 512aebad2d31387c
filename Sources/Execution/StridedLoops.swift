/// Nested loops over the indices of a shape, outermost first, with how far apart the elements of one or several
/// buffers are along each. Dimensions of extent 1 are no loops, and neighbours that walk every buffer as one are
/// one.
///
/// ```swift
/// // x [2, 3, 4] beside a vector along axis 2
/// let loops = StridedLoops([2, 3, 4], [[12, 4, 1], [0, 0, 1]])
/// loops.extents                     // [6, 4]
/// loops.strides                     // [[4, 0], [1, 1]]: by loop, by buffer
/// loops.place(of: 9, in: 1)         // 1: the tenth index is 1 along the last loop
/// ```
struct StridedLoops: Sendable {
  private(set) var extents: [Int] = []
  /// By loop, by buffer.
  private(set) var strides: [[Int]] = []

  /// - Parameter buffers: By buffer, the stride along each dimension.
  init(_ shape: some Collection<Int>, _ buffers: [[Int]]) {
    for (dimension, extent) in shape.enumerated() where extent != 1 {
      append(extent, buffers.map { $0[dimension] })
    }
  }

  /// Adds a loop within the others.
  private mutating func append(_ extent: Int, _ next: [Int]) {
    if let last = strides.last, last == next.map({ $0 * extent }) {
      extents[extents.count - 1] *= extent
      strides[strides.count - 1] = next
    } else {
      extents.append(extent)
      strides.append(next)
    }
  }

  /// Takes the innermost loop away.
  mutating func popLast() -> (extent: Int, strides: [Int])? {
    guard let extent = extents.popLast(), let strides = strides.popLast() else { return nil }
    return (extent, strides)
  }

  var count: Int { extents.reduce(1, *) }

  /// Where a buffer's element is of the index that all loops have together.
  func place(of index: Int, in buffer: Int = 0) -> Int {
    var (rest, place) = (index, 0)
    for loop in extents.indices.reversed() where rest > 0 {
      place += rest % extents[loop] * strides[loop][buffer]
      rest /= extents[loop]
    }
    return place
  }

  /// By loop.
  func strides(in buffer: Int) -> [Int] { strides.map { $0[buffer] } }
}

/// By dimension of `shape`, how far apart the elements are of a dense tensor that has the shape's extents along
/// some axes only, all if `nil`; 0 along the others.
func denseStrides(of shape: [Int], along axes: [Int]? = nil) -> [Int] {
  var strides = [Int](repeating: 0, count: shape.count)
  var stride = 1
  for axis in (axes ?? Array(shape.indices)).reversed() {
    strides[axis] = stride
    stride *= shape[axis]
  }
  return strides
}
