import Foundation

/// What the ranks of a `ThreadCommunicator` share: where they meet, and their mailboxes.
///
/// `@unchecked Sendable`: every access to the mutable state holds `condition`'s lock. The bytes of
/// messages are copied without it, while both ends wait for their transfer to be done.
final class ThreadGroup: @unchecked Sendable {
  let size: Int
  private let condition = NSCondition()
  private var members: [Member]
  /// Counts the meetings that are over.
  private var meetings = 0
  /// What the last meeting found. It stays until all ranks have met again, so all can read it.
  private var verdict: CollectiveError?
  private var failure: CollectiveError?
  private var firstError: (any Error)?
  /// Messages from rank s to rank d at s · size + d.
  private var mailboxes: [Mailbox]

  private struct Member {
    /// Its call, once it has arrived in the present meeting.
    var call: CollectiveCall?
    var hasEnded = false
    var isWaiting = false
    var step: CollectiveStep?
    /// Seconds it waits at most.
    var patience = Double.infinity
  }

  init(size: Int) {
    self.size = size
    members = Array(repeating: Member(), count: size)
    mailboxes = Array(repeating: Mailbox(), count: size * size)
  }

  /// The first error wakes all ranks that wait. One that only tells of another rank's is replaced
  /// by that, should it come later.
  func fail(rank: Int, error: any Error) {
    locked {
      guard firstError.map({ isHearsay($0) && !isHearsay(error) }) ?? true else { return }
      firstError = error
      failure = .rankFailed(rank: rank, description: "\(error)")
      condition.broadcast()
    }
  }

  /// Whether an error came to a rank from another one.
  private func isHearsay(_ error: any Error) -> Bool {
    switch error {
    case CollectiveError.failedElsewhere, CollectiveError.rankFailed: true
    default: false
    }
  }

  func end(rank: Int) {
    locked {
      members[rank].hasEnded = true
      finishMeetingIfComplete()
      condition.broadcast()
    }
  }

  /// Waits until every rank has ended; returns the first error.
  func waitForAll() -> (any Error)? {
    locked {
      while !members.allSatisfy(\.hasEnded) { condition.wait() }
      return firstError
    }
  }

  func step(of rank: Int) -> CollectiveStep? {
    locked { members[rank].step }
  }

  func enter(_ step: CollectiveStep?, rank: Int) {
    locked { members[rank].step = step }
  }

  func watch(_ watchdog: Watchdog, rank: Int) {
    locked { members[rank].patience = watchdog.arrival.seconds }
  }

  func agree(on call: CollectiveCall, rank: Int) throws {
    try locked {
      if let failure { throw failure }
      let meeting = meetings
      members[rank].call = call
      finishMeetingIfComplete()
      try wait(rank: rank) {
        meetings == meeting ? members.indices.filter { members[$0].call == nil } : []
      }
      if let verdict { throw verdict }
    }
  }

  /// A meeting is complete when each rank has arrived or will never come. Once a rank has failed
  /// there are no meetings: the ranks that wait throw its failure.
  private func finishMeetingIfComplete() {
    guard failure == nil, members.contains(where: { $0.call != nil }) else { return }
    let all = members.compactMap { $0.call ?? ($0.hasEnded ? CollectiveCall(.ended) : nil) }
    guard all.count == size else { return }
    verdict = Set(all).count == 1 ? nil : .mismatchedCalls(all)
    for rank in members.indices { members[rank].call = nil }
    meetings += 1
    condition.broadcast()
  }

  /// Posts one end of each message, and moves those whose other end was there already.
  func post(
    sending: [OutgoingMessage], receiving: [IncomingMessage], rank: Int
  ) throws -> [Transfer] {
    try locked {
      if let failure { throw failure }
      var transfers: [Transfer] = []
      for message in receiving {
        let transfer = mailboxes[message.source * size + rank].post(
          from: message.source, to: rank, outgoing: false)
        transfer.incoming = message.bytes
        transfers.append(transfer)
      }
      for message in sending {
        let transfer = mailboxes[rank * size + message.destination].post(
          from: rank, to: message.destination, outgoing: true)
        transfer.outgoing = message.bytes
        transfers.append(transfer)
      }
      // First all are taken, so that none of them is withdrawn while others are copied.
      let complete = transfers.filter { $0.outgoing != nil && $0.incoming != nil }
      for transfer in complete { transfer.state = .copying }
      for transfer in complete { copy(transfer) }
      return transfers
    }
  }

  /// Copies the bytes outside the lock. A message of another length is dropped.
  private func copy(_ transfer: Transfer) {
    guard let outgoing = transfer.outgoing, let incoming = transfer.incoming else { return }
    if outgoing.count == incoming.count {
      condition.unlock()
      incoming.copyMemory(from: outgoing)
      condition.lock()
    } else {
      transfer.wrongLength = .messageLength(
        from: transfer.source, expected: incoming.count, found: outgoing.count)
    }
    transfer.state = .done
    condition.broadcast()
  }

  func wait(for transfers: [Transfer], rank: Int) throws {
    try locked {
      do {
        try wait(rank: rank) {
          let missing = transfers.filter { $0.state != .done }.map { $0.peer(of: rank) }
          if let failure, !missing.isEmpty { throw failure }
          if let peer = missing.first(where: { members[$0].hasEnded }) {
            throw CollectiveError.rankEnded(rank: peer)
          }
          return missing
        }
      } catch {
        takeBack(transfers, rank: rank)
        throw error
      }
      // The sender of a message of the wrong length knows nothing of it.
      let wrong = transfers.first { $0.destination == rank && $0.wrongLength != nil }
      if let error = wrong?.wrongLength { throw error }
    }
  }

  /// Gives up an exchange that nobody waits for.
  func withdraw(_ transfers: [Transfer], rank: Int) {
    locked { takeBack(transfers, rank: rank) }
  }

  /// Takes back what has found no other end yet, and waits for what is being copied: after this
  /// the caller may free its buffers.
  private func takeBack(_ transfers: [Transfer], rank: Int) {
    for transfer in transfers where transfer.state == .posted {
      transfer.state = .withdrawn
      mailboxes[transfer.source * size + transfer.destination].remove(transfer)
    }
    while transfers.contains(where: { $0.state == .copying }) { condition.wait() }
  }

  /// Waits, with the lock, until `missing` names no rank any more.
  private func wait(rank: Int, until missing: () throws -> [Int]) throws {
    let start = monotonicSeconds()
    var hasGivenUp = false
    members[rank].isWaiting = true
    // A rank that has given up is not the one that others wait for: it keeps the blame from itself.
    defer { members[rank].isWaiting = hasGivenUp }
    while true {
      let ranks = try missing()
      if ranks.isEmpty { return }
      if let failure { throw failure }
      let patience = members[rank].patience
      let waited = monotonicSeconds() - start
      guard waited < patience else {
        hasGivenUp = true
        throw timeout(rank: rank, direct: ranks, seconds: patience)
      }
      if patience.isInfinite {
        condition.wait()
      } else {
        // The condition goes by the clock on the wall, which may be set: so not too long at once.
        _ = condition.wait(until: Date(timeIntervalSinceNow: min(1, patience - waited)))
      }
    }
  }

  private func timeout(rank: Int, direct: [Int], seconds: Double) -> CollectiveError {
    let ranks = RankState.missing(direct: Array(Set(direct)).sorted(), size: size) {
      members[$0].isWaiting
    }
    let states = (ranks + [rank]).map { RankState(rank: $0, step: members[$0].step) }
    return .timedOut(
      waiting: states[ranks.count], missing: Array(states[..<ranks.count]), size: size,
      seconds: Int(seconds.rounded(.up)))
  }

  private func locked<Result>(_ body: () throws -> Result) rethrows -> Result {
    condition.lock()
    defer { condition.unlock() }
    return try body()
  }
}
