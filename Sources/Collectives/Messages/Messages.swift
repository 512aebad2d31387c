/// Messages that are on their way; what `Communicator.startExchange` returns.
///
/// ```swift
/// let pending = try communicator.startExchange(
///   sending: [OutgoingMessage(to: next, bytes: mine)],
///   receiving: [IncomingMessage(from: previous, bytes: theirs)])
/// multiply(tile)
/// communicator.progress()
/// multiply(nextTile)
/// try pending.wait()
/// ```
public protocol PendingExchange: AnyObject {
  /// Returns when all messages of this exchange are done, on the rank that started it. To be called
  /// once: a pending exchange that is dropped instead is given up, and the job must end.
  func wait() throws
}

/// Bytes for another rank.
///
/// ```swift
/// try communicator.exchange(
///   sending: [OutgoingMessage(to: next, bytes: mine)],
///   receiving: [IncomingMessage(from: previous, bytes: theirs)])
/// ```
public struct OutgoingMessage {
  public let destination: Int
  public let bytes: UnsafeRawBufferPointer

  public init(to destination: Int, bytes: UnsafeRawBufferPointer) {
    self.destination = destination
    self.bytes = bytes
  }
}

/// Where the bytes of another rank go; see `OutgoingMessage` for an example.
public struct IncomingMessage {
  public let source: Int
  public let bytes: UnsafeMutableRawBufferPointer

  public init(from source: Int, bytes: UnsafeMutableRawBufferPointer) {
    self.source = source
    self.bytes = bytes
  }
}

extension Communicator {
  /// Refuses messages from or to ranks that do not exist, and messages to oneself without their
  /// counterpart, which would wait for ever.
  func checkPeers(_ sending: [OutgoingMessage], _ receiving: [IncomingMessage]) throws {
    let peers = sending.lazy.map(\.destination)
    if let peer = peers.first(where: { !(0..<size).contains($0) })
      ?? receiving.lazy.map(\.source).first(where: { !(0..<size).contains($0) })
    {
      throw CollectiveError.noSuchRank(peer, size: size)
    }
    let toSelf = sending.count { $0.destination == rank }
    let fromSelf = receiving.count { $0.source == rank }
    guard toSelf == fromSelf else {
      throw CollectiveError.ownMessages(sent: toSelf, expected: fromSelf)
    }
  }

  /// Copies the messages to oneself. A wrong length is returned instead of thrown, because the
  /// messages of the others are still to be moved: they wait for them.
  func copyOwnMessages(
    _ sending: [OutgoingMessage], _ receiving: [IncomingMessage]
  ) -> CollectiveError? {
    var error: CollectiveError?
    let sent = sending.lazy.filter { [rank] in $0.destination == rank }
    let received = receiving.lazy.filter { [rank] in $0.source == rank }
    for (source, place) in zip(sent, received) {
      if source.bytes.count == place.bytes.count {
        place.bytes.copyMemory(from: source.bytes)
      } else if error == nil {
        error = .messageLength(
          from: rank, expected: place.bytes.count, found: source.bytes.count)
      }
    }
    return error
  }
}
