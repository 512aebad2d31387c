/// Payload bytes of one rank, counted by the communicator where messages are sent and received.
///
/// Messages to oneself, and the few bytes by which the ranks agree on a call, are not payload.
///
/// ```swift
/// let before = communicator.traffic
/// try communicator.barrier()
/// communicator.traffic.since(before).bytesReceived  // 0
/// ```
public struct Traffic: Hashable, Codable, Sendable {
  public var bytesSent = 0
  public var bytesReceived = 0
  /// Calls of collectives; an `exchange` is none.
  public var calls = 0

  public init() {}

  /// What was added after `earlier` was read.
  public func since(_ earlier: Traffic) -> Traffic {
    var difference = self
    difference.bytesSent -= earlier.bytesSent
    difference.bytesReceived -= earlier.bytesReceived
    difference.calls -= earlier.calls
    return difference
  }

  mutating func add(_ other: Traffic) {
    bytesSent += other.bytesSent
    bytesReceived += other.bytesReceived
    calls += other.calls
  }

  mutating func count(_ sending: [OutgoingMessage], _ receiving: [IncomingMessage], rank: Int) {
    for message in sending where message.destination != rank { bytesSent += message.bytes.count }
    for message in receiving where message.source != rank { bytesReceived += message.bytes.count }
  }
}

extension Traffic {
  /// A collective and its size, to predict what it moves.
  public enum Collective: Hashable, Sendable {
    case barrier
    case broadcast(bytes: Int, root: Int)
    /// `counts[r]` elements end on rank r.
    case reduceScatter(counts: [Int], elementBytes: Int)
    case allReduce(count: Int, elementBytes: Int)
    /// `counts[r]` bytes come from rank r.
    case allGather(counts: [Int])
  }

  /// The payload bytes that a rank receives from the others, exactly, for a group of `size` = P:
  ///
  /// | collective | bytes received by rank r |
  /// | --- | --- |
  /// | barrier | 0 |
  /// | broadcast of n bytes | n, and 0 at the root |
  /// | reduceScatter | (P − 1) · counts[r] · elementBytes |
  /// | allGather | Σ counts − counts[r] |
  /// | allReduce of n elements | with own = ⌊n(r+1)/P⌋ − ⌊nr/P⌋: ((P − 1) own + n − own) · elementBytes |
  ///
  /// An all-reduce is a reduce-scatter to parts of (nearly) equal lengths and an all-gather of them.
  public static func received(by rank: Int, size: Int, in collective: Collective) -> Int {
    switch collective {
    case .barrier:
      0
    case .broadcast(let bytes, let root):
      rank == root ? 0 : bytes
    case .reduceScatter(let counts, let elementBytes):
      (size - 1) * counts[rank] * elementBytes
    case .allGather(let counts):
      counts.reduce(0, +) - counts[rank]
    case .allReduce(let count, let elementBytes):
      received(
        by: rank, size: size,
        in: .reduceScatter(
          counts: evenCounts(of: count, parts: size), elementBytes: elementBytes))
        + received(
          by: rank, size: size,
          in: .allGather(counts: evenCounts(of: count, parts: size).map { $0 * elementBytes }))
    }
  }

  /// The lengths of `parts` nearly equal parts, cut at ⌊count · i / parts⌋.
  static func evenCounts(of count: Int, parts: Int) -> [Int] {
    // The quotient and the remainder apart, so that count · i cannot overflow.
    let (quotient, remainder) = count.quotientAndRemainder(dividingBy: parts)
    return (0..<parts).map { part in
      quotient + (remainder * (part + 1)) / parts - (remainder * part) / parts
    }
  }
}
