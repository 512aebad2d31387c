#if MPI
  import CMPI
  import Foundation
  import Synchronization

  /// Where this rank is: written by the rank, read by its heartbeat.
  final class MPIPlace: Sendable {
    let agreements = Atomic(0)
    let isWaiting = Atomic(false)
    let step = Mutex<CollectiveStep?>(nil)
    private let limit = Atomic(Double.infinity.bitPattern)
    /// Exchanges whose messages are long enough to delay a sign of life.
    private let long = Mutex<[MPIRequests]>([])
    let outbox = MPIOutbox()

    /// In seconds.
    var longestWait: Double { Double(bitPattern: limit.load(ordering: .relaxed)) }

    func limit(wait seconds: Double) {
      limit.store(seconds.bitPattern, ordering: .relaxed)
    }

    func add(_ requests: MPIRequests) {
      long.withLock { $0.append(requests) }
    }

    func remove(_ requests: MPIRequests) {
      long.withLock { all in all.removeAll { $0 === requests } }
    }

    /// The ranks of which something has arrived since the last call. With the lock.
    func arrivals() -> Set<Int> {
      Set(long.withLock { $0 }.flatMap { $0.arrivals() })
    }
  }

  /// The beginning and the end of MPI in this process.
  enum MPIProcess {
    /// A constant of an enum: Swift imports it as `Int`, while the calls take an `int`.
    private static let threadSupport = Int32(MPI_THREAD_SERIALIZED)
    private static let heartbeat = Mutex<MPIHeartbeat?>(nil)
    private static let hasLeft = Atomic(false)
    /// Bytes of a connection that the system holds, in either direction: what is sent to one rank is
    /// not to queue for seconds in front of a slow link, where signs of life for others wait behind it.
    /// More than the 128 KiB that Open MPI itself had until its version 4.
    private static let socketBuffer = "524288"

    static func initialize() throws(CollectiveError) {
      var isInitialized: Int32 = 0
      try MPILock.check(MPI_Initialized(&isInitialized), "MPI_Initialized")
      var provided: Int32 = 0
      if isInitialized == 0 {
        // Whoever has set them knows why.
        for direction in ["snd", "rcv"] {
          setenv("OMPI_MCA_btl_tcp_\(direction)buf", socketBuffer, 0)
        }
        try MPILock.check(
          MPI_Init_thread(nil, nil, threadSupport, &provided), "MPI_Init_thread")
        // A process that ends well says goodbye to the others. One that ends with an error does
        // not, and by that mpirun knows to end the others, should nobody have called `abort`.
        on_exit(
          { status, _ in
            if status == 0 { MPIProcess.leave(isTold: false) } else { MPIProcess.halt() }
          }, nil)
      } else {
        try MPILock.check(MPI_Query_thread(&provided), "MPI_Query_thread")
      }
      guard provided >= threadSupport else {
        throw .mpiThreadSupport(required: threadSupport, provided: provided)
      }
      try MPILock.check(
        MPI_Comm_set_errhandler(convoy_mpi_comm_world(), convoy_mpi_errors_return()),
        "MPI_Comm_set_errhandler")
    }

    /// A collective of all processes, which must be sure to come: it cannot be given up.
    static func duplicateWorld() throws(CollectiveError) -> MPI_Comm {
      var duplicate = convoy_mpi_comm_null()
      try MPILock.check(MPI_Comm_dup(convoy_mpi_comm_world(), &duplicate), "MPI_Comm_dup")
      guard let duplicate else {
        throw .mpi(operation: "MPI_Comm_dup", code: MPI_ERR_COMM, message: "no communicator")
      }
      return duplicate
    }

    /// This heartbeat is to end before MPI does.
    static func add(_ heartbeat: MPIHeartbeat) {
      self.heartbeat.withLock { $0 = heartbeat }
    }

    /// Takes leave of the other ranks, which all do it; once.
    ///
    /// - Parameter isTold: whether the ranks end with another code than 0, and have said why. mpirun ends the
    ///   others when the first one has ended so, and there is nothing to add.
    static func leave(isTold: Bool) {
      guard !hasLeft.exchange(true, ordering: .acquiringAndReleasing) else { return }
      guard let heartbeat = heartbeat.withLock({ $0 }) else {
        MPI_Finalize()
        return
      }
      heartbeat.finish()
      // mpirun waits for the ranks that it has told to end, and does nothing else meanwhile: it would
      // not let them take leave. They have met, and that is enough.
      guard EndingSignals.deadline == nil else { return }
      let limit = heartbeat.limitEnd()
      if isTold { EndingSignals.silence() } else { EndingSignals.canStop(false) }
      MPI_Finalize()
      limit.meet()
    }

    private static func halt() {
      if !hasLeft.load(ordering: .acquiring) { heartbeat.withLock { $0 }?.halt() }
    }

    static func abort(code: Int32, after heartbeat: MPIHeartbeat?) -> Never {
      // Neither a launcher that is gone nor a lost link keeps this process.
      _ = TimeLimit(.seconds(10)) { _exit(code) }
      EndingSignals.removeTemporaryFiles()
      // mpirun ends the other ranks by a signal. They need not say so: a rank that aborts has said
      // why.
      EndingSignals.silence()
      heartbeat?.silenceOthers()
      MPILock.heldIfPossible { MPI_Abort(convoy_mpi_comm_world(), code) }
      // MPI_Abort does not return, but its declaration does not say so.
      _exit(code)
    }
  }
#endif
