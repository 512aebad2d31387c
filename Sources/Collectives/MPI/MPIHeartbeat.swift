#if MPI
  import CMPI
  import Foundation
  import Synchronization

  /// The thread that tells other ranks that this one lives, and watches the rank before it; see
  /// `PulseTable` for who tells whom.
  final class MPIHeartbeat: Sendable {
    /// The thread ends by itself.
    private enum State: Int, AtomicRepresentable { case beating, finishing, halted }

    /// What other ranks have told.
    private struct News {
      var table: PulseTable
      /// The last steps of the ranks that send to this one.
      var steps: [Int: CollectiveStep] = [:]
    }

    private static let pulseTag: Int32 = 1
    private static let silenceTag: Int32 = 2
    /// Bytes of the name of the sender's step, after the table.
    private static let nameLength = 128

    private let rank: Int
    private let hosts: [String]
    private let watchdog: Watchdog
    private let place: MPIPlace
    private let report: @Sendable (CollectiveError) -> Void
    private let news: Mutex<News>
    private let state = Atomic(State.beating)
    private let wake = DispatchSemaphore(value: 0)
    private let over = DispatchSemaphore(value: 0)
    /// A communicator of its own. `nonisolated(unsafe)`: see `MPICommunicator.handle`.
    private nonisolated(unsafe) let handle: MPI_Comm

    private var size: Int { hosts.count }
    /// Seconds between two looks for messages.
    private var tick: Double { watchdog.interval / 10 }

    /// A collective, right after which all ranks go on.
    init(
      rank: Int, hosts: [String], watchdog: Watchdog, place: MPIPlace,
      report: @escaping @Sendable (CollectiveError) -> Void
    ) throws {
      self.rank = rank
      self.hosts = hosts
      self.watchdog = watchdog
      self.place = place
      self.report = report
      handle = try MPILock.held { try MPIProcess.duplicateWorld() }
      let table = PulseTable(
        rank: rank, size: hosts.count, silence: watchdog.silence.seconds,
        interval: watchdog.interval, now: monotonicSeconds())
      news = Mutex(News(table: table))
      MPIProcess.add(self)
      let thread = Thread { [self] in
        beat()
        over.signal()
      }
      thread.name = "heartbeat"
      thread.start()
    }

    /// What is known of all ranks.
    var lines: [PulseTable.Line] { news.withLock { $0.table.lines } }

    func state(of rank: Int) -> RankState {
      let own = place.step.withLock { $0 }
      return news.withLock { news in
        let step = news.table.lines[rank].step.map { number in
          // All ranks have the same steps, so this one's name is as good.
          [news.steps[rank], own].lazy.compactMap(\.self).first { $0.number == number }
            ?? CollectiveStep(number: number, description: "")
        }
        return RankState(rank: rank, host: hosts[rank], step: step)
      }
    }

    /// Returns when every rank has called it. Until then this one is watched, and watches: the
    /// others may have work to do.
    func finish() {
      state.store(.finishing, ordering: .releasing)
      wake.signal()
      over.wait()
    }

    /// For the end of MPI, when nobody is watched any more.
    func limitEnd() -> TimeLimit {
      let limit = watchdog.connection
      return TimeLimit(limit) { [report] in
        report(.notEnded(in: limit))
        _exit(1)
      }
    }

    /// After this the thread makes no more calls of MPI.
    func halt() {
      MPILock.heldIfPossible { state.store(.halted, ordering: .releasing) }
    }

    /// Tells the ranks that speak when a signal ends them that there is no need to; waits until
    /// they should have heard.
    func silenceOthers() {
      let parcels = MPILock.held {
        EndingSignals.speakers(of: .current).filter { $0 != rank }.map {
          MPIParcel.send([], to: $0, tag: Self.silenceTag, handle)
        }
      }
      withExtendedLifetime(parcels) { _ = usleep(UInt32(2.5e6 * tick)) }
    }

    // MARK: The thread

    private func beat() {
      var mail = Mail()
      let silence = watchdog.silence.seconds
      var lastLook = monotonicSeconds()
      var nextBeat = lastLook
      var speaksFrom = lastLook
      var farewell: MPI_Request?
      var quiet: [Int] = []
      EndingSignals.canStop(true)
      while true {
        let now = monotonicSeconds()
        // This process was stopped, or had no time: what it did not hear says nothing.
        if now - lastLook > max(5 * tick, silence / 4) {
          news.withLock { $0.table.restart(now: now) }
        }
        // If it was stopped for so long, others have said so and end it, perhaps right now.
        if now - lastLook > silence / 2 { speaksFrom = now + silence }
        EndingSignals.speak(from: speaksFrom, until: now + silence / 2)
        lastLook = now
        let isBeatDue = now >= nextBeat
        if isBeatDue { nextBeat = now + watchdog.interval }
        let isAlone = MPILock.held { () -> Bool in
          guard state.load(ordering: .acquiring) != .halted else { return true }
          receive(&mail, now: now)
          place.outbox.advance()
          let arrivals = place.arrivals()
          news.withLock { news in
            for rank in arrivals { news.table.see(rank, now: now) }
          }
          if isBeatDue { send(&mail, now: now) }
          return false
        }
        if isAlone { return }
        endIfSilent(now: now)
        miss(&quiet, now: now)
        endIfOthersAreMissing(now: now)

        guard state.load(ordering: .acquiring) == .finishing else {
          _ = wake.wait(timeout: .now() + tick)
          continue
        }
        if hasMet(&farewell) { break }
        usleep(1000)
      }
      EndingSignals.hasStopped()
      EndingSignals.speak(from: speaksFrom, until: .infinity)
      windDown(&mail)
    }

    /// Meets the others without waiting for them: true when all have come.
    private func hasMet(_ request: inout MPI_Request?) -> Bool {
      MPILock.held {
        if request == nil, MPI_Ibarrier(handle, &request) != MPI_SUCCESS { return true }
        var status = MPI_Status()
        return (try? MPILock.test(&request, &status, "MPI_Ibarrier")) ?? true
      }
    }

    /// All ranks send no more. What is on its way is received, so that MPI ends without leftovers.
    private func windDown(_ mail: inout Mail) {
      let limit = monotonicSeconds() + watchdog.silence.seconds
      var last: MPI_Request?
      var hasMet = false
      while monotonicSeconds() < limit {
        MPILock.held { receive(&mail, now: monotonicSeconds()) }
        if mail.outgoing.isEmpty, self.hasMet(&last) {
          hasMet = true
          break
        }
        usleep(200)
      }
      if hasMet { MPILock.held { receive(&mail, now: monotonicSeconds()) } }
    }

    private struct Mail {
      var incoming: [MPIParcel] = []
      var outgoing: [MPIParcel] = []
    }

    private func receive(_ mail: inout Mail, now: Double) {
      mail.outgoing.removeAll(where: \.isDelivered)
      while true {
        var isThere: Int32 = 0
        var status = MPI_Status()
        guard
          MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, handle, &isThere, &status) == MPI_SUCCESS,
          isThere != 0, let parcel = MPIParcel.receive(status, handle)
        else { break }
        if status.MPI_TAG == Self.silenceTag { EndingSignals.silence() }
        mail.incoming.append(parcel)
      }
      mail.incoming.removeAll { parcel in
        guard parcel.isDelivered else { return false }
        if !parcel.words.isEmpty { read(parcel, now: now) }
        return true
      }
    }

    /// The table, then the name of the sender's step.
    private func send(_ mail: inout Mail, now: Double) {
      let step = place.step.withLock { $0 }
      let table = news.withLock { news in
        news.table.beat(
          agreements: place.agreements.load(ordering: .relaxed),
          isWaiting: place.isWaiting.load(ordering: .relaxed), step: step?.number, now: now)
        return news.table.words
      }
      let name = Array((step?.name ?? "").utf8.prefix(Self.nameLength))
      var packed = [Int64](repeating: 0, count: Self.nameLength / 8)
      packed.withUnsafeMutableBytes { $0.copyBytes(from: name) }
      for distance in PulseTable.distances(size: size) {
        let peer = (rank + distance) % size
        // One that has not taken the last one does not get another.
        guard !mail.outgoing.contains(where: { $0.peer == peer }) else { continue }
        let parcel = MPIParcel.send(table + packed, to: peer, tag: Self.pulseTag, handle)
        if let parcel { mail.outgoing.append(parcel) }
      }
    }

    private func read(_ parcel: MPIParcel, now: Double) {
      let tableLength = size * PulseTable.wordsPerLine
      guard parcel.words.count == tableLength + Self.nameLength / 8 else { return }
      let name = UnsafeRawBufferPointer(
        UnsafeBufferPointer(rebasing: UnsafeBufferPointer(parcel.words)[tableLength...]))
      let text = String(decoding: name.prefix { $0 != 0 }, as: UTF8.self)
      news.withLock { news in
        news.table.merge(parcel.words, now: now)
        let sender = PulseTable.Line(of: parcel.peer, in: parcel.words)
        news.steps[parcel.peer] = sender.step.map { CollectiveStep(number: $0, description: text) }
      }
    }

    /// A launcher that has lost a host ends the job before a silence is sure: the ranks that it ends then say
    /// of whom they have not heard.
    private func miss(_ quiet: inout [Int], now: Double) {
      let ranks = news.withLock { $0.table.quiet(now: now) }
      guard ranks != quiet else { return }
      quiet = ranks
      EndingSignals.miss(ranks.map(state(of:)))
      EndingSignals.canStop(ranks.isEmpty)
    }

    /// Where this rank was asked to stop and will not get to its stopping place, for the others wait for a rank
    /// that is gone.
    private func endIfOthersAreMissing(now: Double) {
      guard let request = EndingSignals.request, state.load(ordering: .acquiring) == .beating
      else { return }
      let areMissing = news.withLock { $0.table.isMissing(since: request.time, now: now) }
      if areMissing { EndingSignals.end(request) }
    }

    private func endIfSilent(now: Double) {
      let ranks = news.withLock { $0.table.silent(now: now) }
      guard !ranks.isEmpty else { return }
      report(
        .silent(
          ranks.map(state(of:)), size: size,
          seconds: Int(watchdog.silence.seconds.rounded(.up))))
      StoppedSiblings.wake()
      MPIProcess.abort(code: 1, after: self)
    }
  }
#endif
