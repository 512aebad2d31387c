import Convoy
import Foundation

/// Times messages between ranks, on the same host and between hosts.
///
/// All ranks of a host exchange at once, for so they do in a plan: what is found is the share of
/// one rank. Ranks are paired with a neighbour on their host; and, between hosts, with the rank of
/// the same place on a neighbouring host. A rank without a partner only waits.
final class LinkMeasurement {
  /// 8 bytes, for the latency, to 16 MiB.
  static let sizes = [8, 64, 512, 4096, 32768, 1 << 18, 1 << 21, 1 << 24]

  private let communicator: any Communicator
  /// The host of each rank.
  let hosts: [String]
  private let placement: RankPlacement
  private let sent: UnsafeMutableRawBufferPointer
  private let received: UnsafeMutableRawBufferPointer

  init(_ communicator: any Communicator, host: String) throws {
    self.communicator = communicator
    hosts = try communicator.gather(host)
    placement = RankPlacement(hosts: hosts)
    let largest = Self.sizes.max() ?? 0
    // Written to, so that no page is met for the first time while the clock runs.
    sent = .allocate(byteCount: largest, alignment: 64)
    sent.initializeMemory(as: UInt8.self, repeating: 1)
    received = .allocate(byteCount: largest, alignment: 64)
    received.initializeMemory(as: UInt8.self, repeating: 0)
  }

  deinit {
    sent.deallocate()
    received.deallocate()
  }

  /// The link on a host; `nil` where no host has two ranks. The same on all ranks.
  func insideNode(repetitions: Int) throws -> MachineModel.Link? {
    try measure(placement.partnersInside, repetitions)
  }

  /// The link between hosts; `nil` where there is one host only. The same on all ranks.
  func betweenNodes(repetitions: Int) throws -> MachineModel.Link? {
    try measure(placement.partnersBetween, repetitions)
  }

  var ranksPerNode: Int { placement.ranksPerNode }

  private func measure(_ partners: [Int?], _ repetitions: Int) throws -> MachineModel.Link? {
    guard partners.contains(where: { $0 != nil }) else { return nil }
    let partner = partners[communicator.rank]
    let timings = try Self.sizes.map { bytes in
      let seconds = try bestSeconds(bytes: bytes, with: partner, repetitions)
      return MachineModel.Link.Timing(bytes: Double(bytes), seconds: seconds)
    }
    return try MachineModel.Link(fitting: timings)
  }

  /// Of one exchange; of the slowest pair, in the best of several repetitions.
  private func bestSeconds(
    bytes: Int, with partner: Int?, _ repetitions: Int
  ) throws -> Double {
    // Short messages are repeated until their time is large beside that of the barrier's end.
    let exchanges = max(1, min(200, (1 << 20) / bytes))
    var own: [Double] = []
    for repetition in 0...max(1, repetitions) {
      try communicator.barrier()
      let start = ContinuousClock.now
      if let partner {
        for _ in 0..<exchanges {
          try communicator.exchange(
            sending: [
              OutgoingMessage(to: partner, bytes: UnsafeRawBufferPointer(rebasing: sent[..<bytes]))
            ],
            receiving: [
              IncomingMessage(
                from: partner, bytes: UnsafeMutableRawBufferPointer(rebasing: received[..<bytes]))
            ])
        }
      }
      let seconds = (ContinuousClock.now - start) / .seconds(1)
      // The first time is without the clock: connections are made when they are first used.
      if repetition > 0 { own.append(partner == nil ? 0 : seconds / Double(exchanges)) }
    }
    let all = try gathered(own, communicator)
    return own.indices.reduce(.infinity) { best, repetition in
      min(best, all.reduce(0) { max($0, $1[repetition]) })
    }
  }
}

/// Equally many values of every rank, by rank.
func gathered<Value: BitwiseCopyable>(
  _ values: [Value], _ communicator: any Communicator
) throws -> [[Value]] {
  guard let any = values.first else { return (0..<communicator.size).map { _ in [] } }
  var all = [Value](repeating: any, count: values.count * communicator.size)
  let bytes = values.count * MemoryLayout<Value>.stride
  try values.withUnsafeBytes { mine in
    try all.withUnsafeMutableBytes { whole in
      try communicator.allGather(
        mine, counts: (0..<communicator.size).map { _ in bytes }, into: whole)
    }
  }
  return (0..<communicator.size).map { rank in
    Array(all[rank * values.count..<(rank + 1) * values.count])
  }
}

/// Which ranks share a host, and who measures with whom.
///
/// ```swift
/// let placement = RankPlacement(hosts: ["a", "a", "a", "b", "b", "b"])
/// placement.partnersInside   // 1 0 nil 4 3 nil
/// placement.partnersBetween  // 3 4 5 0 1 2
/// ```
struct RankPlacement {
  /// The most ranks of one host.
  let ranksPerNode: Int
  /// By rank.
  let partnersInside: [Int?]
  let partnersBetween: [Int?]

  init(hosts: [String]) {
    var order: [String] = []
    var members: [String: [Int]] = [:]
    for (rank, host) in hosts.enumerated() {
      if members[host] == nil { order.append(host) }
      members[host, default: []].append(rank)
    }
    let groups = order.map { members[$0] ?? [] }
    var inside = [Int?](repeating: nil, count: hosts.count)
    var between = [Int?](repeating: nil, count: hosts.count)
    func pair(_ a: [Int], _ b: [Int], in partners: inout [Int?]) {
      for (one, other) in zip(a, b) {
        partners[one] = other
        partners[other] = one
      }
    }
    for group in groups {
      let even = stride(from: 0, to: group.count, by: 2).map { group[$0] }
      let odd = stride(from: 1, to: group.count, by: 2).map { group[$0] }
      pair(even, odd, in: &inside)
    }
    for index in stride(from: 1, to: groups.count, by: 2) {
      pair(groups[index - 1], groups[index], in: &between)
    }
    ranksPerNode = groups.map(\.count).max() ?? 1
    partnersInside = inside
    partnersBetween = between
  }
}
