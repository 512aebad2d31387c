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

    /// In seconds.
    var longestWait: Double { Double(bitPattern: limit.load(ordering: .relaxed)) }

    func limit(wait seconds: Double) {
      limit.store(seconds.bitPattern, ordering: .relaxed)
    }
  }

  /// The beginning and the end of MPI in this process.
  enum MPIProcess {
    /// A constant of an enum: Swift imports it as `Int`, while the calls take an `int`.
    private static let threadSupport = Int32(MPI_THREAD_SERIALIZED)
    private static let heartbeat = Mutex<MPIHeartbeat?>(nil)

    static func initialize() throws(CollectiveError) {
      var isInitialized: Int32 = 0
      try MPILock.check(MPI_Initialized(&isInitialized), "MPI_Initialized")
      var provided: Int32 = 0
      if isInitialized == 0 {
        try MPILock.check(
          MPI_Init_thread(nil, nil, threadSupport, &provided), "MPI_Init_thread")
        // A process that ends well says goodbye to the others. One that ends with an error does
        // not, and by that mpirun knows to end the others, should nobody have called `abort`.
        on_exit({ status, _ in MPIProcess.end(well: status == 0) }, nil)
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

    private static func end(well: Bool) {
      let heartbeat = heartbeat.withLock { $0 }
      guard well else {
        heartbeat?.halt()
        return
      }
      heartbeat?.finish()
      MPI_Finalize()
    }

    static func abort(code: Int32, after heartbeat: MPIHeartbeat?) -> Never {
      TemporaryFiles.removeAll()
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
