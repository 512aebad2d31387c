/// One message between two threads: first one end is posted, then the other, and then it is copied.
///
/// `@unchecked Sendable`: every access holds the lock of the `ThreadGroup`, except that the bytes
/// are copied while `state` is `copying`, when nobody else touches them or the two ends.
final class Transfer: @unchecked Sendable {
  enum State { case posted, copying, done, withdrawn }

  let source: Int
  let destination: Int
  var outgoing: UnsafeRawBufferPointer?
  var incoming: UnsafeMutableRawBufferPointer?
  var state = State.posted
  /// For the receiver.
  var wrongLength: CollectiveError?

  init(from source: Int, to destination: Int) {
    self.source = source
    self.destination = destination
  }

  func peer(of rank: Int) -> Int { source == rank ? destination : source }
}

/// The messages from one rank to another of which only one end is posted, in order. All of them
/// lack the same end: a post of the other one goes to the first.
struct Mailbox {
  private var halves: [Transfer] = []

  /// Returns the transfer whose other end this is, or puts a new one behind the last.
  mutating func post(from source: Int, to destination: Int, outgoing: Bool) -> Transfer {
    if let first = halves.first, (first.outgoing == nil) == outgoing {
      return halves.removeFirst()
    }
    let transfer = Transfer(from: source, to: destination)
    halves.append(transfer)
    return transfer
  }

  mutating func remove(_ transfer: Transfer) {
    halves.removeAll { $0 === transfer }
  }
}
