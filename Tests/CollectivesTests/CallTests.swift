import Testing

@testable import Collectives

/// What ranks of different processes compare before they send: a call as numbers.
@Suite struct CallTests {
  /// Calls of which each differs from the first in one thing only.
  static let calls = [
    CollectiveCall(.allReduce, element: .float, count: 5, counts: [2, 3], part: 2, rank: 0),
    // Another operation, type, length, list of parts, and own part.
    CollectiveCall(.reduceScatter, element: .float, count: 5, counts: [2, 3], part: 2, rank: 0),
    CollectiveCall(.allReduce, element: .double, count: 5, counts: [2, 3], part: 2, rank: 0),
    CollectiveCall(.allReduce, element: .byte, count: 5, counts: [2, 3], part: 2, rank: 0),
    CollectiveCall(.allReduce, element: .float, count: 6, counts: [2, 3], part: 2, rank: 0),
    CollectiveCall(.allReduce, element: .float, count: 5, counts: [3, 2], part: 3, rank: 0),
    CollectiveCall(.allReduce, element: .float, count: 5, counts: [2, 3], part: 1, rank: 0),
    CollectiveCall(.broadcast, count: 5, root: 0), CollectiveCall(.broadcast, count: 5, root: 1),
    CollectiveCall(.broadcast, count: 5),
  ]

  @Test func noTwoCallsHaveTheSameNumbers() {
    #expect(Set(Self.calls.map(\.words)).count == Self.calls.count)
    #expect(Self.calls.allSatisfy { $0.words.count == CollectiveCall.wordCount })
  }

  @Test(arguments: calls) func theNumbersAreTheCall(call: CollectiveCall) {
    #expect(CollectiveCall(words: call.words) == call)
  }

  @Test func otherNumbersAreNoCall() {
    let words = Self.calls[0].words
    #expect(CollectiveCall(words: words.dropLast()) == nil)
    #expect(CollectiveCall(words: [99] + words.dropFirst()) == nil)
    #expect(CollectiveCall(words: [words[0], 99] + words.dropFirst(2)) == nil)
  }
}
