#if MPI
  import CMPI
  import Foundation
  import Synchronization

  /// The processes that `mpirun` or `srun` started together.
  ///
  /// MPI is asked for `MPI_THREAD_SERIALIZED`: any thread may call, one at a time, which the lock
  /// here sees to. All calls return their errors (`MPI_ERRORS_RETURN`), and these are thrown.
  ///
  /// ```swift
  /// let communicator = try MPICommunicator.world()  // usually through Launch.communicator()
  /// ```
  public final class MPICommunicator: Communicator {
    public let rank: Int
    public let size: Int
    public let kind = "mpi"
    private let state: Mutex<Traffic>
    /// MPI's handle, an address that stays valid until MPI is finalised. `nonisolated(unsafe)`:
    /// Swift cannot know that MPI, called by one thread at a time, allows to share it.
    private nonisolated(unsafe) let handle: MPI_Comm

    /// Longest piece of a message in bytes: MPI's counts are 32-bit.
    private static let longestPiece = 1 << 30
    private static let tag: Int32 = 7
    /// A constant of an enum: Swift imports it as `Int`, while the calls take an `int`.
    private static let threadSupport = Int32(MPI_THREAD_SERIALIZED)

    /// All processes of the job. The first call initialises MPI, and further calls give the same
    /// communicator or the same error.
    public static func world() throws -> MPICommunicator {
      try connected.get()
    }

    private static let connected = Result { () throws(CollectiveError) in try MPICommunicator() }

    private init() throws(CollectiveError) {
      try Self.initialize()
      // A duplicate of the world: messages of another user of MPI in this process stay apart.
      var duplicate = convoy_mpi_comm_null()
      try Self.check(
        MPI_Comm_set_errhandler(convoy_mpi_comm_world(), convoy_mpi_errors_return()),
        "MPI_Comm_set_errhandler")
      try Self.check(MPI_Comm_dup(convoy_mpi_comm_world(), &duplicate), "MPI_Comm_dup")
      guard let handle = duplicate else {
        throw .mpi(operation: "MPI_Comm_dup", code: MPI_ERR_COMM, message: "no communicator")
      }
      var rank: Int32 = 0
      var size: Int32 = 0
      try Self.check(MPI_Comm_rank(handle, &rank), "MPI_Comm_rank")
      try Self.check(MPI_Comm_size(handle, &size), "MPI_Comm_size")
      self.handle = handle
      self.rank = Int(rank)
      self.size = Int(size)
      self.state = Mutex(Traffic())
    }

    public var traffic: Traffic { state.withLock { $0 } }

    /// One small all-reduce tells whether all calls are equal: of every word x the maxima of x and
    /// of ¬x = −x − 1, which are the maximum and the minimum. Only where they are not, the ranks
    /// gather the calls to name them.
    public func agree(on call: CollectiveCall) throws {
      try state.withLock { traffic in
        traffic.calls += 1
        let words = call.words
        var extremes = words + words.map(~)
        try Self.check(
          MPI_Allreduce(
            convoy_mpi_in_place(), &extremes, Int32(extremes.count), convoy_mpi_int64(),
            convoy_mpi_max(), handle), "MPI_Allreduce")
        let maxima = extremes[..<words.count]
        let minima = extremes[words.count...].map(~)
        if maxima.elementsEqual(minima) { return }
        throw CollectiveError.mismatchedCalls(try gather(words))
      }
    }

    private func gather(_ words: [Int64]) throws -> [CollectiveCall] {
      var all = [Int64](repeating: 0, count: words.count * size)
      try Self.check(
        MPI_Allgather(
          words, Int32(words.count), convoy_mpi_int64(), &all, Int32(words.count),
          convoy_mpi_int64(), handle), "MPI_Allgather")
      return (0..<size).compactMap {
        CollectiveCall(words: all[$0 * words.count..<($0 + 1) * words.count])
      }
    }

    public func exchange(sending: [OutgoingMessage], receiving: [IncomingMessage]) throws {
      try checkPeers(sending, receiving)
      let ownError = copyOwnMessages(sending, receiving)
      try state.withLock { traffic in
        let pending = PendingMessages()
        for message in receiving where message.source != rank {
          for piece in Self.pieces(message.bytes.count) {
            try pending.add("MPI_Irecv", from: message.source, expecting: piece.count) { request in
              MPI_Irecv(
                message.bytes.baseAddress.map { $0 + piece.lowerBound }, Int32(piece.count),
                convoy_mpi_byte(), Int32(message.source), Self.tag, handle, &request)
            }
          }
        }
        for message in sending where message.destination != rank {
          for piece in Self.pieces(message.bytes.count) {
            try pending.add("MPI_Isend") { request in
              MPI_Isend(
                message.bytes.baseAddress.map { $0 + piece.lowerBound }, Int32(piece.count),
                convoy_mpi_byte(), Int32(message.destination), Self.tag, handle, &request)
            }
          }
        }
        try pending.wait()
        traffic.count(sending, receiving, rank: rank)
      }
      if let ownError { throw ownError }
    }

    public func abort(code: Int32) -> Never {
      MPI_Abort(convoy_mpi_comm_world(), code)
      // MPI_Abort does not return, but its declaration does not say so.
      _exit(code)
    }

    /// Messages are cut here, and nowhere else. An empty message is one empty piece.
    private static func pieces(_ length: Int) -> [Range<Int>] {
      guard length > longestPiece else { return [0..<length] }
      return stride(from: 0, to: length, by: longestPiece).map {
        $0..<min($0 + longestPiece, length)
      }
    }

    private static func initialize() throws(CollectiveError) {
      var isInitialized: Int32 = 0
      try check(MPI_Initialized(&isInitialized), "MPI_Initialized")
      var provided: Int32 = 0
      if isInitialized == 0 {
        try check(
          MPI_Init_thread(nil, nil, threadSupport, &provided), "MPI_Init_thread")
        // A process that ends well says goodbye to the others. One that ends with an error does
        // not, and by that mpirun knows to end the others, should nobody have called `abort`.
        on_exit({ status, _ in if status == 0 { _ = MPI_Finalize() } }, nil)
      } else {
        try check(MPI_Query_thread(&provided), "MPI_Query_thread")
      }
      guard provided >= threadSupport else {
        throw .mpiThreadSupport(required: threadSupport, provided: provided)
      }
    }

    static func check(_ code: Int32, _ operation: String) throws(CollectiveError) {
      guard code != MPI_SUCCESS else { return }
      throw .mpi(
        operation: operation, code: code,
        message: text(Int(MPI_MAX_ERROR_STRING)) { MPI_Error_string(code, $0, $1) })
    }

    /// What MPI writes into a buffer of its own maximum length.
    static func text(
      _ capacity: Int, _ write: (UnsafeMutablePointer<CChar>, UnsafeMutablePointer<Int32>) -> Int32
    ) -> String {
      withUnsafeTemporaryAllocation(of: CChar.self, capacity: capacity) { buffer in
        var length: Int32 = 0
        guard let start = buffer.baseAddress, write(start, &length) == MPI_SUCCESS else {
          return "no text"
        }
        let bytes = UnsafeRawBufferPointer(start: start, count: Int(length))
        return String(decoding: bytes, as: UTF8.self)
      }
    }
  }

  extension Launch {
    /// What `doctor` shows: the MPI library this process is linked with.
    public static var mpiLibraryVersion: String? {
      MPICommunicator.text(Int(MPI_MAX_LIBRARY_VERSION_STRING)) {
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
