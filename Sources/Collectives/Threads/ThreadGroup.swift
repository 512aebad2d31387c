import Foundation

/// What the ranks of a `ThreadCommunicator` share: where they meet, and their mailboxes.
///
/// `@unchecked Sendable`: every access to the mutable state holds `condition`'s lock. The bytes of
/// messages are copied without it, while the sender waits for its envelope to be done.
final class ThreadGroup: @unchecked Sendable {
  let size: Int
  private let condition = NSCondition()
  /// The calls of the ranks that have arrived in the present meeting.
  private var calls: [CollectiveCall?]
  /// Counts the meetings that are over.
  private var meetings = 0
  /// What the last meeting found. It stays until all ranks have met again, so all can read it.
  private var verdict: CollectiveError?
  private var ended: [Bool]
  private var failure: CollectiveError?
  private var firstError: (any Error)?
  /// Messages on their way from rank s to rank d, in order, at s · size + d.
  private var mailboxes: [[Envelope]]

  private final class Envelope {
    enum State { case posted, taken, done }

    let bytes: UnsafeRawBufferPointer
    let destination: Int
    var state = State.posted

    init(_ message: OutgoingMessage) {
      bytes = message.bytes
      destination = message.destination
    }
  }

  init(size: Int) {
    self.size = size
    calls = Array(repeating: nil, count: size)
    ended = Array(repeating: false, count: size)
    mailboxes = Array(repeating: [], count: size * size)
  }

  /// The first error wakes all ranks that wait.
  func fail(rank: Int, error: any Error) {
    locked {
      guard firstError == nil else { return }
      firstError = error
      failure = .rankFailed(rank: rank, description: "\(error)")
    }
  }

  func end(rank: Int) {
    locked {
      ended[rank] = true
      finishMeetingIfComplete()
    }
  }

  /// Waits until every rank has ended; returns the first error.
  func waitForAll() -> (any Error)? {
    condition.lock()
    defer { condition.unlock() }
    while ended.contains(false) { condition.wait() }
    return firstError
  }

  func agree(on call: CollectiveCall, rank: Int) throws {
    condition.lock()
    defer { condition.unlock() }
    if let failure { throw failure }
    let meeting = meetings
    calls[rank] = call
    finishMeetingIfComplete()
    while meetings == meeting {
      if let failure { throw failure }
      condition.wait()
    }
    if let verdict { throw verdict }
  }

  /// A meeting is complete when each rank has arrived or will never come. Once a rank has failed
  /// there are no meetings: the ranks that wait throw its failure.
  private func finishMeetingIfComplete() {
    guard failure == nil, calls.contains(where: { $0 != nil }) else { return }
    var all: [CollectiveCall] = []
    for (rank, call) in calls.enumerated() {
      guard let known = call ?? (ended[rank] ? CollectiveCall(.ended) : nil) else { return }
      all.append(known)
    }
    verdict = Set(all).count == 1 ? nil : .mismatchedCalls(all)
    calls = Array(repeating: nil, count: size)
    meetings += 1
    condition.broadcast()
  }

  func exchange(sending: [OutgoingMessage], receiving: [IncomingMessage], rank: Int) throws {
    condition.lock()
    defer { condition.unlock() }
    if let failure { throw failure }
    let envelopes = sending.map(Envelope.init)
    for envelope in envelopes {
      mailboxes[rank * size + envelope.destination].append(envelope)
    }
    condition.broadcast()

    do {
      var wrongLength: CollectiveError?
      for message in receiving {
        let envelope = try nextEnvelope(from: message.source, to: rank)
        if let error = copy(envelope, to: message), wrongLength == nil { wrongLength = error }
      }
      for envelope in envelopes {
        while envelope.state != .done {
          try checkAlive(envelope.destination, besides: rank)
          condition.wait()
        }
      }
      if let wrongLength { throw wrongLength }
    } catch {
      withdraw(envelopes, from: rank)
      throw error
    }
  }

  private func nextEnvelope(from source: Int, to rank: Int) throws -> Envelope {
    let mailbox = source * size + rank
    while mailboxes[mailbox].isEmpty {
      try checkAlive(source, besides: rank)
      condition.wait()
    }
    let envelope = mailboxes[mailbox].removeFirst()
    envelope.state = .taken
    return envelope
  }

  /// Copies the bytes outside the lock, and lets the sender go on. A message of another length is
  /// dropped, and the error returned.
  private func copy(_ envelope: Envelope, to message: IncomingMessage) -> CollectiveError? {
    let fits = envelope.bytes.count == message.bytes.count
    let found = envelope.bytes.count
    if fits {
      condition.unlock()
      message.bytes.copyMemory(from: envelope.bytes)
      condition.lock()
    }
    envelope.state = .done
    condition.broadcast()
    guard !fits else { return nil }
    return .messageLength(from: message.source, expected: message.bytes.count, found: found)
  }

  private func checkAlive(_ peer: Int, besides rank: Int) throws {
    if let failure { throw failure }
    if ended[peer] { throw CollectiveError.rankEnded(rank: peer) }
  }

  /// Takes back what nobody has taken yet, and waits for those who are still reading: after this
  /// the caller may free its buffers.
  private func withdraw(_ envelopes: [Envelope], from rank: Int) {
    for envelope in envelopes where envelope.state == .posted {
      mailboxes[rank * size + envelope.destination].removeAll { $0 === envelope }
    }
    while envelopes.contains(where: { $0.state == .taken }) { condition.wait() }
  }

  private func locked(_ change: () -> Void) {
    condition.lock()
    change()
    condition.broadcast()
    condition.unlock()
  }
}
