#if MPI
  import CMPI

  /// The nonblocking sends and receives of one exchange.
  final class PendingMessages {
    private struct Expectation {
      let source: Int
      let bytes: Int
    }

    private var requests: [MPI_Request?] = []
    /// What a request receives; nil for one that sends.
    private var expectations: [Expectation?] = []

    func add(
      _ operation: String, from source: Int? = nil, expecting bytes: Int = 0,
      start: (inout MPI_Request?) -> Int32
    ) throws {
      var request = convoy_mpi_request_null()
      let code = start(&request)
      guard code == MPI_SUCCESS else {
        cancelAll()
        return try MPICommunicator.check(code, operation)
      }
      requests.append(request)
      expectations.append(source.map { Expectation(source: $0, bytes: bytes) })
    }

    /// Returns when all are done, also where some failed: then nothing arrives any more in buffers
    /// that the caller frees. Throws the first error in the order in which they were added.
    ///
    /// Not MPI_Waitall: that of Open MPI 4.1.4 spins for ever once a message was too long.
    func wait() throws {
      var firstError: (any Error)?
      for index in requests.indices {
        var status = MPI_Status()
        let code = MPI_Wait(&requests[index], &status)
        do {
          if let expectation = expectations[index] {
            try check(expectation, code, &status)
          } else {
            try MPICommunicator.check(code, "MPI_Isend")
          }
        } catch {
          firstError = firstError ?? error
        }
      }
      if let firstError { throw firstError }
    }

    private func check(
      _ expected: Expectation, _ code: Int32, _ status: inout MPI_Status
    ) throws {
      var errorClass: Int32 = 0
      try MPICommunicator.check(MPI_Error_class(code, &errorClass), "MPI_Error_class")
      if errorClass == MPI_ERR_TRUNCATE {
        throw CollectiveError.messageLength(
          from: expected.source, expected: expected.bytes, found: nil)
      }
      try MPICommunicator.check(code, "MPI_Irecv")
      var count: Int32 = 0
      try MPICommunicator.check(
        MPI_Get_count(&status, convoy_mpi_byte(), &count), "MPI_Get_count")
      guard Int(count) == expected.bytes else {
        throw CollectiveError.messageLength(
          from: expected.source, expected: expected.bytes, found: Int(count))
      }
    }

    /// Where not all could be started, the others may wait for ever, so they are given up. A message
    /// that was on its way may still arrive: whoever gets this error must end the job.
    private func cancelAll() {
      for index in requests.indices where requests[index] != convoy_mpi_request_null() {
        MPI_Cancel(&requests[index])
        MPI_Request_free(&requests[index])
      }
    }
  }
#endif
