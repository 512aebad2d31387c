/// How fast a machine, or a cluster of equal ones, computes and communicates: what turns
/// multiply-adds and bytes into seconds.
///
/// ```swift
/// let machine = MachineModel.standard
/// machine.computeSeconds(macs: 4e10, bytes: 0)                                   // 1
/// machine.communicationSeconds(messages: 2, bytes: 5e9, crossesNodes: false)     // 1.000002
/// ```
public struct MachineModel: Hashable, Codable, Sendable {
  /// A way from one rank to another. A message of b bytes takes `latencySeconds + b /
  /// bytesPerSecond`, while all other ranks send and receive as much.
  public struct Link: Hashable, Codable, Sendable {
    /// α: seconds per message, however short.
    public var latencySeconds: Double
    /// 1/β: bytes that one rank receives per second.
    public var bytesPerSecond: Double

    public init(latencySeconds: Double, bytesPerSecond: Double) {
      self.latencySeconds = latencySeconds
      self.bytesPerSecond = bytesPerSecond
    }
  }

  /// For people.
  public var name: String
  /// Of one thread in single precision; a multiply-add counts as two.
  public var flopsPerSecond: Double
  /// Bytes that one rank reads and writes per second in its own memory, all ranks at once.
  public var memoryBytesPerSecond: Double
  /// Between ranks on the same node.
  public var insideNode: Link
  /// Between ranks on different nodes.
  public var betweenNodes: Link
  /// Ranks r with equal r / `ranksPerNode` share a node.
  public var ranksPerNode: Int
  public var threadsPerRank: Int

  public init(
    name: String, flopsPerSecond: Double, memoryBytesPerSecond: Double, insideNode: Link,
    betweenNodes: Link, ranksPerNode: Int, threadsPerRank: Int
  ) {
    self.name = name
    self.flopsPerSecond = flopsPerSecond
    self.memoryBytesPerSecond = memoryBytesPerSecond
    self.insideNode = insideNode
    self.betweenNodes = betweenNodes
    self.ranksPerNode = ranksPerNode
    self.threadsPerRank = threadsPerRank
  }

  /// What is assumed of a machine that nobody has measured. Rate and memory bandwidth are those of
  /// one core of an AMD Zen 4 server with OpenBLAS (sgemm 80–88 GFLOP/s, triad 20 GB/s). The links
  /// are round numbers, not measurements: messages through shared memory, and TCP over 10 Gbit/s
  /// Ethernet, to nodes of 16 ranks with a thread each.
  public static let standard = MachineModel(
    name: "standard", flopsPerSecond: 80e9, memoryBytesPerSecond: 20e9,
    insideNode: Link(latencySeconds: 1e-6, bytesPerSecond: 5e9),
    betweenNodes: Link(latencySeconds: 20e-6, bytesPerSecond: 1.25e9),
    ranksPerNode: 16, threadsPerRank: 1)

  /// Seconds that one rank computes: the longer of its arithmetic, 2·macs / (rate·threads), and of
  /// the bytes that it reads and writes in its memory (Williams, Waterman, Patterson 2009: the
  /// roofline).
  public func computeSeconds(macs: Double, bytes: Double) -> Double {
    max(
      2 * macs / (flopsPerSecond * Double(threadsPerRank)),
      bytes / memoryBytesPerSecond)
  }

  /// Seconds in which one rank receives so many messages of so many bytes together: α·messages +
  /// β·bytes. `crossesNodes` says whether any of them comes from another node.
  public func communicationSeconds(
    messages: Double, bytes: Double, crossesNodes: Bool
  ) -> Double {
    let link = crossesNodes ? betweenNodes : insideNode
    return link.latencySeconds * messages + bytes / link.bytesPerSecond
  }
}

extension MachineModel {
  /// The model itself, if seconds can be computed with it.
  ///
  /// - Throws: `MachineModelError.outOfRange`, which names the first key that no machine of this or
  ///   the next century has: seconds made of it would not be numbers to compare.
  public func validated() throws(MachineModelError) -> MachineModel {
    let quantities = [
      ("flopsPerSecond", flopsPerSecond),
      ("memoryBytesPerSecond", memoryBytesPerSecond),
      ("insideNode.latencySeconds", insideNode.latencySeconds),
      ("insideNode.bytesPerSecond", insideNode.bytesPerSecond),
      ("betweenNodes.latencySeconds", betweenNodes.latencySeconds),
      ("betweenNodes.bytesPerSecond", betweenNodes.bytesPerSecond),
    ]
    for (key, value) in quantities {
      let range = key.hasSuffix("Seconds") ? 1e-15...1e6 : 1...1e24
      guard !range.contains(value) else { continue }
      throw .outOfRange(
        key: key, value: "\(value)",
        expected: "a number from \(range.lowerBound) to \(range.upperBound)")
    }
    for (key, value) in [("ranksPerNode", ranksPerNode), ("threadsPerRank", threadsPerRank)]
    where !(1...1 << 30).contains(value) {
      throw .outOfRange(
        key: key, value: "\(value)", expected: "a whole number from 1 to \(1 << 30)")
    }
    return self
  }
}

/// Why a machine model is of no use.
///
/// ```swift
/// do { _ = try machine.validated() } catch { print(error) }
/// // ranksPerNode is 0; expected a whole number from 1 to 1073741824
/// ```
public enum MachineModelError: Error, Hashable, Sendable {
  case outOfRange(key: String, value: String, expected: String)
  /// Fewer than two different message sizes, or times that are not positive: no line goes through.
  case unfitTimings(count: Int)
}

extension MachineModelError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .outOfRange(let key, let value, let expected):
      "\(key) is \(value); expected \(expected)"
    case .unfitTimings(let count):
      "no latency and bandwidth follow from \(count) timings; expected positive times of at least "
        + "two message sizes"
    }
  }
}
