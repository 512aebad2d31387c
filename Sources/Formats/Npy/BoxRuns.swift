/// The contiguous pieces, as long as they can be, of which a box of a row-major array consists.
///
/// In order, which is that of their positions and of the box's own elements. Of an array of shape
/// (4, 5, 6) the box (1..<3, 2..<4, 0..<6) consists of two runs of 12 elements, since the last
/// dimension is whole; (0..<4, 0..<5, 0..<6) is one run.
///
/// ```swift
/// for offset in BoxRuns(shape: [4, 5], box: [1..<3, 0..<2], elementSize: 4) {
///   print(offset)  // 20, then 40; `byteCount` is 8
/// }
/// ```
struct BoxRuns: Sequence {
  /// Bytes of each run; 0 if the box is empty, which has no runs.
  let byteCount: Int
  /// Number of runs.
  let count: Int
  /// Bytes from the start of the array to the first run.
  private let first: Int
  /// Numbers of runs along the dimensions that are not part of a run, and the bytes from one to the
  /// next; outermost first.
  private let dimensions: [Dimension]

  private struct Dimension {
    var count: Int
    var stride: Int
  }

  /// `box` has one range within `0..<extent` for every extent of `shape`; no array of this shape has
  /// more bytes than an `Int` can tell.
  init(shape: [Int], box: [Range<Int>], elementSize: Int) {
    precondition(
      box.count == shape.count
        && zip(box, shape).allSatisfy { $0.lowerBound >= 0 && $0.upperBound <= $1 },
      "box \(box) is not in an array of shape \(shape)")
    guard !box.contains(where: \.isEmpty) else {
      (byteCount, count, first, dimensions) = (0, 0, 0, [])
      return
    }
    var run = elementSize
    var first = 0
    var outside: [Dimension] = []  // innermost first
    var stride = elementSize
    for (range, extent) in zip(box, shape).reversed() {
      first += range.lowerBound * stride
      if range.count > 1 {
        if outside.isEmpty && stride == run {
          run *= range.count
        } else if let last = outside.last, last.count * last.stride == stride {
          outside[outside.count - 1].count *= range.count
        } else {
          outside.append(Dimension(count: range.count, stride: stride))
        }
      }
      stride *= extent
    }
    byteCount = run
    count = outside.reduce(1) { $0 * $1.count }
    self.first = first
    dimensions = outside.reversed()
  }

  func makeIterator() -> Iterator { Iterator(self) }

  /// Gives the offset in bytes of every run from the start of the array.
  struct Iterator: IteratorProtocol {
    private let byteCount: Int
    private let dimensions: [Dimension]
    private var index: [Int]
    private var offset: Int
    private var remaining: Int

    init(_ runs: BoxRuns) {
      byteCount = runs.byteCount
      dimensions = runs.dimensions
      index = dimensions.map { _ in 0 }
      offset = runs.first
      remaining = runs.count
    }

    mutating func next() -> Int? {
      guard remaining > 0 else { return nil }
      let result = offset
      remaining -= 1
      for position in dimensions.indices.reversed() {
        let dimension = dimensions[position]
        index[position] += 1
        offset += dimension.stride
        if index[position] < dimension.count { break }
        index[position] = 0
        offset -= dimension.count * dimension.stride
      }
      return result
    }

    /// The next runs that are worth one read: at most `largestGap` bytes apart and `largestSpan`
    /// from the first byte to the last; a single run may be longer.
    mutating func nextSpan(largestGap: Int, largestSpan: Int) -> Span? {
      guard let start = next() else { return nil }
      var span = Span(offset: start, byteCount: byteCount, runCount: 1)
      while remaining > 0, offset - start - span.byteCount <= largestGap,
        offset - start + byteCount <= largestSpan
      {
        span.byteCount = offset - start + byteCount
        span.runCount += 1
        _ = next()
      }
      return span
    }
  }

  /// Bytes of the array from the start of one run to the end of another.
  struct Span: Hashable {
    let offset: Int
    var byteCount: Int
    var runCount: Int
  }
}
