import Testing

@testable import Formats

@Suite struct BoxRunsTests {
  /// Runs of 4-byte elements: numbers and lengths worked out by hand.
  @Test(
    arguments: [
      // Everything is one run, and so is a box that is whole in all dimensions but the first.
      ([4, 5, 6], [0..<4, 0..<5, 0..<6], [0], 480),
      ([4, 5, 6], [1..<3, 0..<5, 0..<6], [120], 240),
      ([4, 5, 6], [1..<3, 2..<4, 0..<6], [168, 288], 48),
      ([4, 5, 6], [1..<2, 2..<4, 0..<6], [168], 48),
      ([2, 2, 6], [0..<2, 0..<2, 1..<3], [4, 28, 52, 76], 8),
      // A dimension of extent 1, or of which one position is taken, separates nothing.
      ([3, 1, 4], [0..<3, 0..<1, 0..<4], [0], 48),
      ([3, 4, 1], [0..<2, 1..<4, 0..<1], [4, 20], 12),
      ([3, 4], [0..<3, 2..<3], [8, 24, 40], 4),
      ([3], [2..<3], [8], 4),
      ([], [], [0], 4),
      ([3, 4], [1..<1, 0..<4], [], 0),
      ([0, 4], [0..<0, 0..<4], [], 0),
    ] as [([Int], [Range<Int>], [Int], Int)])
  func runsOfABox(shape: [Int], box: [Range<Int>], offsets: [Int], byteCount: Int) {
    let runs = BoxRuns(shape: shape, box: box, elementSize: 4)
    #expect(Array(runs) == offsets)
    #expect(runs.byteCount == byteCount)
    #expect(runs.count == offsets.count)
  }

  /// The runs of a random box hold the places of its elements, in their order, and no two of them
  /// could be one.
  @Test func runsAreTheBox() {
    var random = SeededGenerator(state: 11)
    for _ in 0..<2000 {
      let shape = random.shape(dimensions: 5)
      let box = random.box(in: shape)
      let runs = BoxRuns(shape: shape, box: box, elementSize: 8)
      let expected = indices(box).map { index in
        zip(index, shape).reduce(0) { $0 * $1.1 + $1.0 } * 8
      }
      let found = runs.flatMap { stride(from: $0, to: $0 + runs.byteCount, by: 8) }
      #expect(found == expected, "\(box) of \(shape)")
      #expect(zip(runs, runs.dropFirst()).allSatisfy { $0 + runs.byteCount < $1 })
    }
  }

  private func spans(
    shape: [Int], box: [Range<Int>], gap: Int, span: Int
  ) -> [BoxRuns.Span] {
    var runs = BoxRuns(shape: shape, box: box, elementSize: 4).makeIterator()
    return Array(
      sequence(state: ()) { _ in runs.nextSpan(largestGap: gap, largestSpan: span) })
  }

  /// A column of a 4096 × 4096 matrix takes 64 reads of 1 MiB instead of 4,096.
  @Test func aColumnTakesFewReads() {
    let limits = NpyReadLimits()
    let column = spans(
      shape: [4096, 4096], box: [0..<4096, 7..<8], gap: limits.gap, span: limits.span)
    #expect(column.count == 64)
    #expect(column.allSatisfy { $0.runCount == 64 && $0.byteCount == 63 * 16384 + 4 })
  }

  @Test func spansStopAtAGapAndAtTheirLargestSize() {
    // Pairs of rows 16 bytes apart, of which 8 are read; the pairs are 48 bytes apart.
    let shape = [2, 3, 4]
    let box = [0..<2, 0..<2, 0..<2]
    func spans(gap: Int, span: Int) -> [[Int]] {
      self.spans(shape: shape, box: box, gap: gap, span: span)
        .map { [$0.offset, $0.byteCount, $0.runCount] }
    }
    #expect(spans(gap: 7, span: 100) == [[0, 8, 1], [16, 8, 1], [48, 8, 1], [64, 8, 1]])
    #expect(spans(gap: 8, span: 100) == [[0, 24, 2], [48, 24, 2]])
    #expect(spans(gap: 24, span: 100) == [[0, 72, 4]])
    #expect(spans(gap: 24, span: 71) == [[0, 56, 3], [64, 8, 1]])
    #expect(spans(gap: 24, span: 4) == spans(gap: 0, span: 100))
  }

  @Test(arguments: [
    // Small enough as they are; the first dimension down to 64; those between; the last; the first.
    ([100, 9], 900, [100, 9]),
    ([1000, 9], 900, [64, 9]),
    ([1000, 2, 1000], 64_000, [64, 1, 1000]),
    ([1000, 1000], 8000, [64, 125]),
    ([1000, 1000], 5, [4, 1]),
    ([1000, 1000], 0, [1, 1]),
  ]) func piecesToTranspose(extents: [Int], limit: Int, piece: [Int]) {
    #expect(BoxTransposition.pieceExtents(extents, elementLimit: limit) == piece)
  }
}
