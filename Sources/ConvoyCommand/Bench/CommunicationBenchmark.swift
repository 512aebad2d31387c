import ArgumentParser
import Convoy
import Foundation

/// What `convoy bench comm` measures, under the name it has on the command line.
enum CommunicationOperation: String, CaseIterable, Encodable {
  /// Each rank sends to the next and receives from the previous one; two ranks send to each other.
  case exchange
  case allReduce = "all-reduce"
  case reduceScatter = "reduce-scatter"
  case allGather = "all-gather"

  /// Bus bandwidth / algorithm bandwidth on P ranks: 2(P − 1)/P for all-reduce, (P − 1)/P for
  /// reduce-scatter and all-gather, 1 for an exchange; 0 where there is nobody to talk to.
  ///
  /// The definitions of nccl-tests, so that numbers can be compared with those of other systems
  /// (https://github.com/NVIDIA/nccl-tests/blob/master/doc/PERFORMANCE.md).
  func busFactor(ranks: Int) -> Double {
    guard ranks > 1 else { return 0 }
    let share = Double(ranks - 1) / Double(ranks)
    switch self {
    case .exchange: return 1
    case .allReduce: return 2 * share
    case .reduceScatter, .allGather: return share
    }
  }
}

/// Times the operations of a communicator; every rank makes the same calls.
///
/// A repetition is a barrier and then the operation, timed on each rank from the end of its barrier
/// on; the repetition's time is that of the slowest rank.
final class CommunicationBenchmark {
  static let elementBytes = MemoryLayout<Float>.size

  /// 8 bytes, for the latency, and the powers of 4 from 64 B to 64 MiB.
  static let defaultSizes = [8] + (3...13).map { 1 << (2 * $0) }

  /// As many as make about the same traffic of every size, from 100 down to 10.
  static func defaultRepetitions(bytes: Int) -> Int { min(100, max(10, (6 << 20) / bytes)) }

  /// Repetitions before those that are timed: connections are made when they are first used.
  private static let warmups = 2

  private let communicator: any Communicator
  private let start: Traffic
  /// What is sent, and reduced in place.
  private let whole: UnsafeMutableRawBufferPointer
  /// What is received.
  private let received: UnsafeMutableRawBufferPointer

  /// Allocates buffers for messages of up to this length.
  ///
  /// Throws a `ValidationError` where the ranks of a host together would need more memory than it
  /// has: on the rank that has least, while the others wait for it to end the job.
  init(_ communicator: any Communicator, largestBytes: Int) throws {
    self.communicator = communicator
    start = communicator.traffic
    // Two buffers here; the collectives may need as much again.
    let ownLimit = HostMemory.limitBytes / (4 * Launch.current.localProcesses)
    let limits = try Self.gathered([ownLimit], communicator).map { $0[0] }
    if let limit = limits.min(), largestBytes > limit {
      if limits.firstIndex(of: limit) == communicator.rank {
        throw ValidationError(
          "--sizes: \(largestBytes) bytes are too many; the memory here allows at most \(limit), "
            + "as each rank needs four times as much")
      }
      try communicator.barrier()
    }
    // Written to, so that no page is met for the first time while the clock runs; with zeros, which
    // stay zeros however often they are added up.
    whole = .allocate(byteCount: largestBytes, alignment: 64)
    whole.initializeMemory(as: UInt8.self, repeating: 0)
    received = .allocate(byteCount: largestBytes, alignment: 64)
    received.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit {
    whole.deallocate()
    received.deallocate()
  }

  /// Payload bytes that each rank has received in all, warm-ups included: what the interfaces of
  /// the hosts should have seen.
  func totalBytesReceivedPerRank() throws -> [Int] {
    try Self.gathered([communicator.traffic.since(start).bytesReceived], communicator).map { $0[0] }
  }

  /// Measures one operation at one size (a multiple of `elementBytes`, not over `largestBytes`).
  /// The result is the same on all ranks.
  func measure(
    _ operation: CommunicationOperation, bytes: Int, repetitions: Int
  ) throws -> CommunicationReport.Line {
    for _ in 0..<Self.warmups { try perform(operation, bytes: bytes) }
    let before = communicator.traffic
    var nanoseconds: [Int] = []
    nanoseconds.reserveCapacity(repetitions)
    for _ in 0..<repetitions {
      try communicator.barrier()
      let start = ContinuousClock.now
      try perform(operation, bytes: bytes)
      nanoseconds.append(Int((ContinuousClock.now - start) / .nanoseconds(1)))
    }
    let bytesReceived = communicator.traffic.since(before).bytesReceived
    let all = try Self.gathered(nanoseconds, communicator)
    let slowest = (0..<repetitions).map { repetition in
      all.reduce(0) { max($0, $1[repetition]) }
    }
    let received = try Self.gathered([bytesReceived], communicator)
    return CommunicationReport.Line(
      operation, bytes: bytes, ranks: communicator.size, nanoseconds: slowest,
      bytesReceivedPerRank: received.map { $0[0] / repetitions })
  }

  private func perform(_ operation: CommunicationOperation, bytes: Int) throws {
    let rank = communicator.rank
    let size = communicator.size
    let whole = UnsafeMutableRawBufferPointer(rebasing: whole[..<bytes])
    let counts = Self.evenCounts(of: bytes / Self.elementBytes, parts: size)
    switch operation {
    case .exchange:
      try communicator.exchange(
        sending: [OutgoingMessage(to: (rank + 1) % size, bytes: .init(whole))],
        receiving: [
          IncomingMessage(
            from: (rank + size - 1) % size, bytes: .init(rebasing: received[..<bytes]))
        ])
    case .allReduce:
      try communicator.allReduce(whole.assumingMemoryBound(to: Float.self))
    case .reduceScatter:
      let part = received[..<(counts[rank] * Self.elementBytes)]
      try communicator.reduceScatter(
        UnsafeBufferPointer(whole.assumingMemoryBound(to: Float.self)), counts: counts,
        into: UnsafeMutableRawBufferPointer(rebasing: part).assumingMemoryBound(to: Float.self))
    case .allGather:
      let part = received[..<(counts[rank] * Self.elementBytes)]
      try communicator.allGather(
        UnsafeRawBufferPointer(rebasing: part), counts: counts.map { $0 * Self.elementBytes },
        into: whole)
    }
  }

  /// The lengths of nearly equal parts, cut at ⌊count · i / parts⌋.
  private static func evenCounts(of count: Int, parts: Int) -> [Int] {
    let (quotient, remainder) = count.quotientAndRemainder(dividingBy: parts)
    return (0..<parts).map { part in
      quotient + remainder * (part + 1) / parts - remainder * part / parts
    }
  }

  /// What each rank has, one list of equal length per rank.
  private static func gathered(_ own: [Int], _ communicator: any Communicator) throws -> [[Int]] {
    let size = communicator.size
    var all = [Int](repeating: 0, count: own.count * size)
    try own.withUnsafeBytes { own in
      try all.withUnsafeMutableBytes { all in
        try communicator.allGather(own, counts: (0..<size).map { _ in own.count }, into: all)
      }
    }
    return (0..<size).map { Array(all[($0 * own.count)..<(($0 + 1) * own.count)]) }
  }
}
