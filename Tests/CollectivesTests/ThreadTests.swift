import Collectives
import Synchronization
import Testing

/// What only threads of one process can show: failures of ranks, and who waits for whom.
@Suite(.timeLimit(.minutes(1)))
struct ThreadTests {
  struct Broken: Error, Equatable, CustomStringConvertible {
    let rank: Int
    var description: String { "no data on \(rank)" }
  }

  @Test(arguments: [1, 2, 3, 8])
  func resultsComeInOrderOfRanks(ranks: Int) throws {
    let results = try ThreadCommunicator.run(ranks: ranks) { "\($0.rank) of \($0.size)" }
    #expect(results == (0..<ranks).map { "\($0) of \(ranks)" })
  }

  @Test(arguments: [0, -3])
  func noRanks(ranks: Int) {
    #expect(throws: CollectiveError.noRanks(ranks)) {
      try ThreadCommunicator.run(ranks: ranks) { _ in 0 }
    }
  }

  /// The ranks run at the same time, and none passes a barrier before all have come to it.
  @Test(arguments: [2, 3, 8])
  func barrierWaitsForAll(ranks: Int) throws {
    let arrivals = Counter()
    _ = try ThreadCommunicator.run(ranks: ranks) { group in
      for round in 1...50 {
        arrivals.count.add(1, ordering: .sequentiallyConsistent)
        try group.barrier()
        let arrived = arrivals.count.load(ordering: .sequentiallyConsistent)
        #expect(arrived >= round * ranks)
        try group.barrier()
      }
    }
    #expect(arrivals.count.load(ordering: .relaxed) == 50 * ranks)
  }

  @Test(arguments: [2, 3, 8], ["pending", "next"])
  func aRankThatThrowsEndsTheOthersCalls(ranks: Int, call: String) throws {
    let failing = ranks - 1
    let seen = Errors()
    let waiting = Counter()
    #expect(throws: Broken(rank: failing)) {
      _ = try ThreadCommunicator.run(ranks: ranks) { group in
        if group.rank == failing {
          // `pending`: the others are (about to be) in the barrier; `next`: they come later.
          while call == "pending", waiting.count.load(ordering: .acquiring) < ranks - 1 {}
          throw Broken(rank: failing)
        }
        waiting.count.add(1, ordering: .releasing)
        do {
          while true { try group.barrier() }
        } catch let error as CollectiveError {
          seen.add(error)
          throw error
        }
      }
    }
    let expected = CollectiveError.rankFailed(
      rank: failing, description: "no data on \(failing)")
    #expect(seen.all == Array(repeating: expected, count: ranks - 1))
    #expect("\(expected)" == "rank \(failing) failed: no data on \(failing)")
  }

  /// Rank 1 fails, and 0 has heard of it: whichever of them is first, what happened is thrown, and
  /// becomes known to the ranks that wait.
  @Test(arguments: [true, false])
  func aCauseIsThrownRatherThanWhatIsHeardOfIt(causeIsFirst: Bool) {
    #expect(throws: Broken(rank: 1)) {
      _ = try ThreadCommunicator.run(ranks: 3) { group in
        if group.rank == 2 {
          while true {
            do {
              try group.barrier()
            } catch CollectiveError.rankFailed(rank: 1, description: "no data on 1") {
              // Nor does what this rank has heard replace it.
              throw CollectiveError.rankFailed(rank: 1, description: "no data on 1")
            } catch is CollectiveError {}
          }
        }
        // The second waits until the group has failed.
        if (group.rank == 1) != causeIsFirst { while (try? group.barrier()) != nil {} }
        if group.rank == 1 { throw Broken(rank: 1) }
        throw CollectiveError.failedElsewhere(ranks: [1])
      }
    }
  }

  /// Sender and receiver are both freed, whichever of the two is waiting.
  @Test(arguments: [true, false])
  func aRankThatThrowsEndsAnExchange(othersSend: Bool) throws {
    let seen = Errors()
    #expect(throws: Broken(rank: 0)) {
      _ = try ThreadCommunicator.run(ranks: 3) { group in
        if group.rank == 0 { throw Broken(rank: 0) }
        do {
          try move(to: 0, from: 0, sends: othersSend, in: group)
        } catch let error as CollectiveError {
          seen.add(error)
        }
      }
    }
    let expected = CollectiveError.rankFailed(rank: 0, description: "no data on 0")
    #expect(seen.all == [expected, expected])
  }

  @Test func aFailedGroupStaysFailed() throws {
    let calls = Counter()
    #expect(throws: Broken(rank: 1)) {
      _ = try ThreadCommunicator.run(ranks: 2) { group in
        if group.rank == 1 { throw Broken(rank: 1) }
        for _ in 0..<3 {
          do {
            try group.barrier()
          } catch CollectiveError.rankFailed(rank: 1, description: "no data on 1") {
            calls.count.add(1, ordering: .relaxed)
          }
        }
      }
    }
    #expect(calls.count.load(ordering: .relaxed) == 3)
  }

  @Test(arguments: [2, 4])
  func aRankThatReturnsEarlyIsNamed(ranks: Int) throws {
    let seen = Errors()
    let error = #expect(throws: CollectiveError.self) {
      _ = try ThreadCommunicator.run(ranks: ranks) { group in
        if group.rank == 0 { return }
        do {
          try group.barrier()
        } catch let error as CollectiveError {
          seen.add(error)
          throw error
        }
      }
    }
    let calls =
      [CollectiveCall(.ended)] + Array(repeating: CollectiveCall(.barrier), count: ranks - 1)
    #expect(error == .mismatchedCalls(calls))
    #expect(seen.all == Array(repeating: .mismatchedCalls(calls), count: ranks - 1))
    #expect(error?.description.contains("rank 0: has returned; rank") == true)
  }

  @Test(arguments: [true, false])
  func aMessageOfARankThatReturned(othersSend: Bool) {
    #expect(throws: CollectiveError.rankEnded(rank: 0)) {
      _ = try ThreadCommunicator.run(ranks: 2) { group in
        if group.rank == 1 { try move(to: 0, from: 0, sends: othersSend, in: group) }
      }
    }
  }

  /// Every rank catches the mismatch and goes on; none is left behind.
  @Test func aGroupGoesOnAfterAMismatch() throws {
    let sums = try ThreadCommunicator.run(ranks: 4) { group in
      var values = [Float](repeating: 1, count: group.rank == 2 ? 9 : 8)
      #expect(throws: CollectiveError.self) {
        try values.withUnsafeMutableBufferPointer { try group.allReduce($0) }
      }
      var sum = [Double(group.rank)]
      try sum.withUnsafeMutableBufferPointer { try group.allReduce($0) }
      return sum[0]
    }
    #expect(sums == [6, 6, 6, 6])
  }

  @Test func groupsDoNotMix() throws {
    let sums = try ThreadCommunicator.run(ranks: 2) { outer in
      let inner = try ThreadCommunicator.run(ranks: 3) { group in
        var sum = [Float(10 * outer.rank + group.rank)]
        try sum.withUnsafeMutableBufferPointer { try group.allReduce($0) }
        return sum[0]
      }
      try outer.barrier()
      return inner[0]
    }
    #expect(sums == [3, 33])
  }

  final class Counter: Sendable {
    let count = Atomic(0)
  }

  final class Errors: Sendable {
    private let list = Mutex<[CollectiveError]>([])
    var all: [CollectiveError] { list.withLock { $0 } }
    func add(_ error: CollectiveError) { list.withLock { $0.append(error) } }
  }
}

/// Sends 64 bytes to a rank, or expects 64 bytes from one.
private func move(
  to destination: Int, from source: Int, sends: Bool, in group: any Communicator
) throws {
  var bytes = [UInt8](repeating: 1, count: 64)
  try bytes.withUnsafeMutableBytes { bytes in
    try group.exchange(
      sending: sends
        ? [OutgoingMessage(to: destination, bytes: UnsafeRawBufferPointer(bytes))] : [],
      receiving: sends ? [] : [IncomingMessage(from: source, bytes: bytes)])
  }
}
