/// A group of ranks that compute together: MPI processes, threads of one process, or a single
/// process alone.
///
/// Every rank of a group makes the same calls in the same order, from one thread at a time. Every
/// collective first agrees on the call: where the ranks differ in the operation, the length, the
/// root or the parts, all of them throw the same `CollectiveError.mismatchedCalls`, nothing has
/// been sent, and the group can still be used.
///
/// Reductions add the ranks' values element by element in the order of ranks,
/// `((x₀ + x₁) + x₂) + …`. So equal runs give equal bits, every rank gets the same bits, all
/// kinds of communicator give the same bits, and the bits do not depend on how a buffer is cut.
///
/// An implementation supplies `agree`, `exchange` and `abort`; the collectives are built on these
/// (`Algorithms`), and `traffic` is counted in `exchange`. What each collective makes a rank
/// receive is the formula of `Traffic.received(by:size:in:)`.
///
/// ```swift
/// var total: [Double] = [Double(samples)]
/// try total.withUnsafeMutableBufferPointer { try communicator.allReduce($0) }
/// ```
public protocol Communicator: AnyObject, Sendable {
  /// This rank, 0 ..< size.
  var rank: Int { get }
  var size: Int { get }
  /// What kind of group this is, for people: `mpi`, `threads` or `single`.
  var kind: String { get }
  /// What this rank has sent and received so far.
  var traffic: Traffic { get }

  /// Returns once all ranks have made this call, and throws on all of them if their calls differ.
  func agree(on call: CollectiveCall) throws
  /// Sends and receives all of these messages, and returns when they are done.
  ///
  /// Not a collective: only the ranks named take part. Between two ranks messages keep their
  /// order; a message to oneself is allowed and is not counted. Throws
  /// `CollectiveError.messageLength` where a message is not as long as its receiver expects.
  func exchange(sending: [OutgoingMessage], receiving: [IncomingMessage]) throws
  /// Ends the whole job with this exit code, on all ranks; for a rank that failed. Prints nothing.
  func abort(code: Int32) -> Never

  /// Returns when all ranks have called it.
  func barrier() throws
  /// Copies `buffer` of rank `root` into `buffer` of all others.
  func broadcast(_ buffer: UnsafeMutableRawBufferPointer, root: Int) throws
  /// Replaces `buffer` by the sum over all ranks of their buffers, which have equal lengths.
  func allReduce(_ buffer: UnsafeMutableBufferPointer<Float>) throws
  func allReduce(_ buffer: UnsafeMutableBufferPointer<Double>) throws
  /// Sums `whole` over all ranks and leaves each rank its own part of the sum.
  ///
  /// `whole` is the ranks' parts in order, `counts[r]` elements for rank r; `part` has
  /// `counts[rank]` elements, and may be this rank's own part of `whole`.
  func reduceScatter(
    _ whole: UnsafeBufferPointer<Float>, counts: [Int], into part: UnsafeMutableBufferPointer<Float>
  ) throws
  func reduceScatter(
    _ whole: UnsafeBufferPointer<Double>, counts: [Int],
    into part: UnsafeMutableBufferPointer<Double>
  ) throws
  /// Concatenates what each rank sends, in order of ranks; `counts[r]` is the bytes of rank r.
  /// `part` may be this rank's own part of `whole`.
  func allGather(
    _ part: UnsafeRawBufferPointer, counts: [Int], into whole: UnsafeMutableRawBufferPointer
  ) throws
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
