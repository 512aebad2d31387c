#if MPI
  import CMPI
  import Foundation
  import Synchronization

  /// The processes that `mpirun` or `srun` started together.
  ///
  /// No call blocks inside MPI: waits look again and again, so that the thread of `watch` gets its
  /// turn, and so that they can end. All calls return their errors (`MPI_ERRORS_RETURN`), and these
  /// are thrown.
  ///
  /// ```swift
  /// let communicator = try MPICommunicator.world()  // usually through Launch.communicator()
  /// ```
  public final class MPICommunicator: Communicator {
    public let rank: Int
    public let size: Int
    public let kind = "mpi"
    private let counted = Mutex(Traffic())
    let place = MPIPlace()
    private let heartbeat = Mutex<MPIHeartbeat?>(nil)
    /// MPI's handle, an address that stays valid until MPI is finalised. `nonisolated(unsafe)`:
    /// Swift cannot know that MPI, called by one thread at a time, allows to share it.
    private nonisolated(unsafe) let handle: MPI_Comm

    /// Longest piece of a message in bytes. Not as long as MPI's 32-bit counts allow: at 1 Mbit/s a
    /// piece arrives every 4 s, and each one is a sign of its sender's life.
    static let longestPiece = 1 << 19
    private static let tag: Int32 = 7
    /// No message has it.
    private static let idleTag: Int32 = 8

    /// All processes of the job. The first call initialises MPI, and further calls give the same
    /// communicator or the same error.
    public static func world() throws -> MPICommunicator {
      try connected.get()
    }

    private static let connected = Result { () throws(CollectiveError) in try MPICommunicator() }

    private init() throws(CollectiveError) {
      try MPIProcess.initialize()
      // A duplicate of the world: messages of another user of MPI in this process stay apart.
      handle = try MPIProcess.duplicateWorld()
      var rank: Int32 = 0
      var size: Int32 = 0
      try MPILock.check(MPI_Comm_rank(handle, &rank), "MPI_Comm_rank")
      try MPILock.check(MPI_Comm_size(handle, &size), "MPI_Comm_size")
      self.rank = Int(rank)
      self.size = Int(size)
    }

    public var traffic: Traffic { counted.withLock { $0 } }

    func count(_ moved: Traffic) {
      counted.withLock { $0.add(moved) }
    }

    /// One small all-reduce tells whether all calls are equal: of every word x the maxima of x and
    /// of ¬x = −x − 1, which are the maximum and the minimum. Only where they are not, the ranks
    /// gather the calls to name them.
    public func agree(on call: CollectiveCall) throws {
      counted.withLock { $0.calls += 1 }
      place.agreements.add(1, ordering: .relaxed)
      let words = call.words
      let extremes = try combine(words + words.map(~), results: 2 * words.count, "MPI_Iallreduce") {
        MPI_Iallreduce(
          $0, $1, Int32(2 * words.count), convoy_mpi_int64(), convoy_mpi_max(), handle, &$2)
      }
      let maxima = extremes[..<words.count]
      let minima = extremes[words.count...].map(~)
      if maxima.elementsEqual(minima) { return }
      let all = try combine(words, results: size * words.count, "MPI_Iallgather") {
        let count = Int32(words.count)
        return MPI_Iallgather(
          $0, count, convoy_mpi_int64(), $1, count, convoy_mpi_int64(), handle, &$2)
      }
      throw CollectiveError.mismatchedCalls(
        (0..<size).compactMap {
          CollectiveCall(words: all[$0 * words.count..<($0 + 1) * words.count])
        })
    }

    /// Runs a nonblocking collective of a few words to its end.
    private func combine(
      _ words: [Int64], results: Int, _ operation: String,
      start: (UnsafePointer<Int64>, UnsafeMutablePointer<Int64>, inout MPI_Request?) -> Int32
    ) throws -> [Int64] {
      // After an error MPI may still write here, so the memory is only freed without one.
      let memory = UnsafeMutablePointer<Int64>.allocate(capacity: words.count + results)
      memory.initialize(repeating: 0, count: words.count + results)
      memory.update(from: words, count: words.count)
      let found = memory + words.count
      var request = convoy_mpi_request_null()
      try MPILock.held { try MPILock.check(start(memory, found, &request), operation) }
      try wait(
        missing: { self.notInAgreement },
        until: {
          var status = MPI_Status()
          return try MPILock.test(&request, &status, operation)
        })
      defer { memory.deallocate() }
      return Array(UnsafeBufferPointer(start: found, count: results))
    }

    /// Waits until `isDone`, which is asked with the lock. `missing` names the ranks that are waited
    /// for, and is asked without it.
    func wait(missing: () -> [Int], until isDone: () throws -> Bool) throws {
      let isDone = {
        self.place.outbox.advance()
        return try isDone()
      }
      if try MPILock.held(isDone) { return }
      var patience = Patience()
      let limit = place.longestWait
      place.isWaiting.store(true, ordering: .relaxed)
      while try !MPILock.held(isDone) {
        patience.pause()
        // A rank that gives up is not the one that others wait for: it stays one that waits.
        if patience.waited > limit { throw timeout(direct: missing(), seconds: patience.waited) }
      }
      place.isWaiting.store(false, ordering: .relaxed)
    }

    private func timeout(direct: [Int], seconds: Double) -> CollectiveError {
      let heartbeat = heartbeat.withLock { $0 }
      let lines = heartbeat?.lines ?? []
      let ranks = RankState.missing(direct: direct, size: size) {
        $0 == rank || lines.indices.contains($0) && lines[$0].isWaiting
      }
      let missing = ranks.map { heartbeat?.state(of: $0) ?? RankState(rank: $0) }
      return .timedOut(
        waiting: RankState(rank: rank, step: step), missing: missing, size: size,
        seconds: Int(seconds))
    }

    /// The ranks that have begun fewer collectives, as far as this one has heard.
    private var notInAgreement: [Int] {
      let lines = heartbeat.withLock { $0?.lines ?? [] }
      let own = place.agreements.load(ordering: .relaxed)
      return lines.indices.filter { $0 != rank && lines[$0].agreements < own }
    }

    public func startExchange(
      sending: [OutgoingMessage], receiving: [IncomingMessage]
    ) throws -> any PendingExchange {
      try checkPeers(sending, receiving)
      var moved = Traffic()
      moved.count(sending, receiving, rank: rank)
      let requests = MPIRequests(ownError: copyOwnMessages(sending, receiving))
      try MPILock.held {
        for message in receiving where message.source != rank {
          for piece in Self.pieces(message.bytes.count) {
            let (source, start) = (message.source, message.bytes.baseAddress)
            try requests.receive(from: source, count: piece.count) { request in
              MPI_Irecv(
                start.map { $0 + piece.lowerBound }, Int32(piece.count), convoy_mpi_byte(),
                Int32(source), Self.tag, handle, &request)
            }
          }
        }
        for message in sending where message.destination != rank {
          for piece in Self.pieces(message.bytes.count) {
            let (destination, start) = (message.destination, message.bytes.baseAddress)
            let index = requests.send(to: destination) { [handle] request in
              MPI_Isend(
                start.map { $0 + piece.lowerBound }, Int32(piece.count), convoy_mpi_byte(),
                Int32(destination), Self.tag, handle, &request)
            }
            place.outbox.add(index, of: requests, byteCount: piece.count, to: destination)
          }
        }
        place.outbox.advance()
      }
      // What is short is in nobody's way.
      let isLong =
        receiving.contains { $0.bytes.count >= Self.longestPiece / 4 }
        || sending.contains { $0.bytes.count > Self.longestPiece }
      if isLong { MPILock.held { requests.watchArrivals() } }
      return MPIExchange(self, moved: moved, requests: requests, isWatched: isLong)
    }

    /// Messages are cut here, and nowhere else. An empty message is one empty piece.
    private static func pieces(_ length: Int) -> [Range<Int>] {
      guard length > longestPiece else { return [0..<length] }
      return stride(from: 0, to: length, by: longestPiece).map {
        $0..<min($0 + longestPiece, length)
      }
    }

    /// Looks for a message that nobody sends: where it finds none, MPI moves those on their way.
    public func progress() {
      var isThere: Int32 = 0
      var status = MPI_Status()
      MPILock.held {
        place.outbox.advance()
        _ = MPI_Iprobe(Int32(rank), Self.idleTag, handle, &isThere, &status)
      }
    }

    public func abort(code: Int32) -> Never {
      MPIProcess.abort(code: code, after: heartbeat.withLock { $0 })
    }

    public func finish() { MPIProcess.leave(isTold: true) }

    public var step: CollectiveStep? { place.step.withLock { $0 } }

    public func enter(_ step: CollectiveStep?) {
      place.step.withLock { $0 = step }
      EndingSignals.enter(step)
    }

    /// A collective. Later calls have no effect.
    public func watch(
      _ watchdog: Watchdog, report: @escaping @Sendable (CollectiveError) -> Void
    ) throws {
      guard size > 1, heartbeat.withLock({ $0 == nil }) else { return }
      // Ranks whose patience ends at the same moment would all report the same.
      place.limit(wait: watchdog.arrival.seconds + min(5, 0.25 * Double(rank)))
      let started = try MPIHeartbeat(
        rank: rank, hosts: try hostNames(), watchdog: watchdog, place: place, report: report)
      heartbeat.withLock { $0 = started }
    }

    /// Of all ranks, each cut to so many bytes.
    private func hostNames() throws -> [String] {
      let length = 64
      let own = Array(Launch.hostName.utf8.prefix(length))
      let all = try gatherBytes(own + Array(repeating: 0, count: length - own.count))
      return (0..<size).map {
        String(decoding: all[$0 * length..<($0 + 1) * length].prefix { $0 != 0 }, as: UTF8.self)
      }
    }
  }

  extension Launch {
    /// What `doctor` shows: the MPI library this process is linked with.
    public static var mpiLibraryVersion: String? {
      MPILock.text(Int(MPI_MAX_LIBRARY_VERSION_STRING)) {
        MPI_Get_library_version($0, $1)
      }
    }

    func connect() throws -> any Communicator {
      let world = try MPICommunicator.world()
      guard world.size == processes else {
        throw CollectiveError.launcherNotConnected(
          launcher: launcher, processes: processes, connected: world.size)
      }
      return world
    }
  }
#else
  extension Launch {
    /// Nil: this Convoy was built without MPI.
    public static var mpiLibraryVersion: String? { nil }

    func connect() throws -> any Communicator {
      guard processes == 1 else {
        throw CollectiveError.builtWithoutMPI(launcher: launcher, processes: processes)
      }
      return SingleCommunicator()
    }
  }
#endif
