/// Nested loops over elements of a buffer, outermost first: how many indices each has, and how far apart the
/// elements are along it.
///
/// ```swift
/// StridedLoops(extents: [2, 3], steps: [10, 1]).place(of: 4)  // 11
/// ```
struct StridedLoops: Sendable {
  var extents: [Int] = []
  var steps: [Int] = []

  var count: Int { extents.reduce(1, *) }

  /// Where the elements are of the index that all loops have together.
  func place(of index: Int) -> Int {
    var (rest, place) = (index, 0)
    for loop in extents.indices.reversed() where rest > 0 {
      place += rest % extents[loop] * steps[loop]
      rest /= extents[loop]
    }
    return place
  }

  /// How far apart elements of a dense tensor are along each of its dimensions.
  static func rowMajorSteps(_ shape: [Int]) -> [Int] {
    shape.indices.map { shape[($0 + 1)...].reduce(1, *) }
  }
}
