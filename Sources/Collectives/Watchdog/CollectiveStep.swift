/// A step of what the ranks do together, numbered alike on all ranks.
///
/// ```swift
/// communicator.enter(CollectiveStep(number: 5, description: "gather operand 1"))
/// "\(communicator.step!)"  // step 5 (gather operand 1)
/// ```
public struct CollectiveStep: Hashable, Sendable, CustomStringConvertible {
  public let number: Int
  /// A few words; what follows the first 128 bytes is not told to other processes.
  public let name: String

  public init(number: Int, description name: String) {
    self.number = number
    self.name = name
  }

  /// A step of something that runs within this one: named after both, and with this one's number, unless
  /// that is 0, as it is of what is no step by itself.
  public func inner(_ inner: CollectiveStep) -> CollectiveStep {
    number == 0
      ? inner : CollectiveStep(number: number, description: "\(name): \(inner.name)")
  }

  public var description: String {
    name.isEmpty ? "step \(number)" : "step \(number) (\(name))"
  }
}

/// Where a rank is, as far as the one that reports it knows.
///
/// ```swift
/// let state = RankState(rank: 2, host: "node7", step: CollectiveStep(number: 5, description: "reduce"))
/// ```
public struct RankState: Hashable, Sendable {
  public let rank: Int
  /// Nil where all ranks are in one process.
  public let host: String?
  /// Nil where it is not in a step. Without a name where only the number is known.
  public let step: CollectiveStep?

  public init(rank: Int, host: String? = nil, step: CollectiveStep? = nil) {
    self.rank = rank
    self.host = host
    self.step = step
  }

  /// `rank 2 on node7`.
  var place: String { "rank \(rank)" + (host.map { " on \($0)" } ?? "") }

  /// Which ranks keep a rank from going on: those it waits for directly, or, where all of these
  /// wait for others in turn, all that do not wait. Where everybody waits, its own are as good as
  /// any.
  ///
  /// Example: rank 0 waits for 1, which waits for 2, which computes for ever: it is 2.
  static func missing(direct: [Int], size: Int, isWaiting: (Int) -> Bool) -> [Int] {
    let absent = direct.filter { !isWaiting($0) }
    guard absent.isEmpty else { return absent }
    let others = (0..<size).filter { !isWaiting($0) }
    return others.isEmpty ? direct : others
  }
}
