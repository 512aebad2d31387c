import Foundation
import Synchronization
import Testing

@testable import Collectives

/// Ranks that do not come, in a group of threads.
@Suite(.timeLimit(.minutes(1)))
struct WatchdogTests {
  static let impatient = Watchdog(arrival: .milliseconds(300))

  /// Rank 1 sleeps until the others have given up, in its own step; all others wait.
  private func errors(
    ranks: Int, _ wait: @escaping @Sendable (any Communicator) throws -> Void
  ) -> [Int: CollectiveError] {
    let seen = Mutex<[Int: CollectiveError]>([:])
    _ = try? ThreadCommunicator.run(ranks: ranks) { group in
      try group.watch(Self.impatient) { _ in Issue.record("threads report nothing") }
      group.enter(CollectiveStep(number: group.rank == 1 ? 4 : 5, description: "reduce"))
      try group.barrier()
      if group.rank == 1 {
        while seen.withLock({ $0.count }) < ranks - 1 { usleep(1000) }
        return
      }
      do {
        try wait(group)
      } catch let error as CollectiveError {
        // Each waits for its own limit, not for the first that gives up.
        seen.withLock { $0[group.rank] = error }
        while seen.withLock({ $0.count }) < ranks - 1 { usleep(1000) }
      }
    }
    return seen.withLock { $0 }
  }

  private func expected(rank: Int, ranks: Int) -> CollectiveError {
    .timedOut(
      waiting: RankState(rank: rank, step: CollectiveStep(number: 5, description: "reduce")),
      missing: [RankState(rank: 1, step: CollectiveStep(number: 4, description: "reduce"))],
      size: ranks, seconds: 1)
  }

  @Test func anAgreementNamesTheRankThatIsMissing() {
    let seen = errors(ranks: 3) { try $0.barrier() }
    #expect(seen == [0: expected(rank: 0, ranks: 3), 2: expected(rank: 2, ranks: 3)])
  }

  @Test(arguments: [true, false])
  func anExchangeNamesTheRankThatIsMissing(sends: Bool) {
    let seen = errors(ranks: 2) { group in
      var bytes = [UInt8](repeating: 1, count: 64)
      try bytes.withUnsafeMutableBytes { bytes in
        try group.exchange(
          sending: sends ? [OutgoingMessage(to: 1, bytes: UnsafeRawBufferPointer(bytes))] : [],
          receiving: sends ? [] : [IncomingMessage(from: 1, bytes: bytes)])
      }
    }
    #expect(seen == [0: expected(rank: 0, ranks: 2)])
  }

  /// Rank 0 waits for 2, and 2 for 1: both name rank 1.
  @Test func aRankThatOnlyWaitsIsNotBlamed() {
    let seen = errors(ranks: 3) { group in
      var bytes: [UInt8] = [0]
      try bytes.withUnsafeMutableBytes {
        let source = group.rank == 0 ? 2 : 1
        try group.exchange(sending: [], receiving: [IncomingMessage(from: source, bytes: $0)])
      }
    }
    #expect(seen[2] == expected(rank: 2, ranks: 3))
    #expect(seen[0] == expected(rank: 0, ranks: 3))
  }

  /// A slow rank is waited for, and the limit is one of each wait, not of all together.
  @Test func patienceIsPerWait() throws {
    _ = try ThreadCommunicator.run(ranks: 2) { group in
      try group.watch(Watchdog(arrival: .milliseconds(2000))) { _ in }
      for _ in 0..<6 {
        if group.rank == 1 { usleep(500_000) }
        try group.barrier()
      }
    }
  }

  @Test func aPendingExchangeThatIsDroppedIsTakenBack() throws {
    let received = try ThreadCommunicator.run(ranks: 2) { group in
      let dropped: [UInt8] = [1]
      let sent: [UInt8] = [2]
      var place: [UInt8] = [0]
      if group.rank == 0 {
        try dropped.withUnsafeBytes {
          _ = try group.startExchange(
            sending: [OutgoingMessage(to: 1, bytes: $0)], receiving: [])
        }
      }
      try group.barrier()
      try sent.withUnsafeBytes { sent in
        try place.withUnsafeMutableBytes { place in
          try group.exchange(
            sending: group.rank == 0 ? [OutgoingMessage(to: 1, bytes: sent)] : [],
            receiving: group.rank == 1 ? [IncomingMessage(from: 0, bytes: place)] : [])
        }
      }
      return place[0]
    }
    #expect(received == [0, 2])
  }

  @Test(arguments: [
    // Rank 0 waits for 1: 1 computes.
    ([1], Set([0]), [1]),
    // 1 waits in turn, for 2.
    ([1], Set([0, 1]), [2]),
    // 1 waits in turn, and two do not.
    ([1], Set([0, 1]), [2]),
    // Of two, one has come and waits for others.
    ([1, 2], Set([0, 1]), [2]),
    // Everybody waits.
    ([2], Set([0, 1, 2]), [2]),
  ])
  func missing(direct: [Int], waiting: Set<Int>, expected: [Int]) {
    #expect(
      RankState.missing(direct: direct, size: 3) { waiting.contains($0) } == expected)
  }

  @Test func intervals() {
    #expect(Watchdog().interval == 1)
    #expect(abs(Watchdog(silence: .seconds(2)).interval - 0.2) < 1e-12)
    #expect(abs(Watchdog(arrival: .milliseconds(500)).interval - 0.05) < 1e-12)
  }
}
