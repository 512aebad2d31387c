#if MPI
  import CMPI
  import Foundation
  import Synchronization

  /// MPI is asked for `MPI_THREAD_SERIALIZED`: any thread may call, one at a time. There is one MPI
  /// in a process, and one lock. No call under it blocks, so that the heartbeat gets its turn.
  enum MPILock {
    private static let lock = Mutex(())

    static func held<Result>(_ body: () throws -> Result) rethrows -> Result {
      try lock.withLock { _ in try body() }
    }

    /// For the end of the process, where whoever has the lock may never give it back: after a tenth
    /// of a second `body` runs without it.
    static func heldIfPossible(_ body: () -> Void) {
      for _ in 0..<100 {
        if lock.withLockIfAvailable({ _ in body() }) != nil { return }
        usleep(1000)
      }
      body()
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
        // Open MPI counts the zero at the end of its version as part of it.
        let bytes = UnsafeRawBufferPointer(start: start, count: Int(length)).prefix { $0 != 0 }
        return String(decoding: bytes, as: UTF8.self)
      }
    }

    /// Whether the request is done; then it is null. Throws its error. With the lock.
    static func test(
      _ request: inout MPI_Request?, _ status: inout MPI_Status, _ operation: String
    ) throws(CollectiveError) -> Bool {
      var isDone: Int32 = 0
      try check(MPI_Test(&request, &isDone, &status), operation)
      return isDone != 0
    }
  }

  /// How a wait passes the time between two looks. Most waits are short: these look at once again.
  /// Then others that want this core go first. It sleeps only when a transfer that is under way
  /// should be over: through shared memory, MPI moves the bytes in these looks alone (sleeping
  /// after 20 ms made 256 MiB both ways 6 times slower).
  struct Patience {
    private static let spinning = 50e-6
    private static let yielding = 1.0
    private let start = monotonicSeconds()
    private(set) var waited = 0.0

    mutating func pause() {
      waited = monotonicSeconds() - start
      if waited < Self.spinning { return }
      if waited < Self.yielding { sched_yield() } else { usleep(50) }
    }
  }
#endif
