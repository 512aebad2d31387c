#if MPI
  import CMPI

  /// The nonblocking sends and receives of one exchange.
  final class MPIExchange: PendingExchange {
    private struct Message {
      var request: MPI_Request?
      let peer: Int
      /// Bytes to be received; nil for a message that is sent.
      let expected: Int?
    }

    private let communicator: MPICommunicator
    private let moved: Traffic
    /// The first error, in the order in which the messages were added.
    private var error: CollectiveError?
    private var messages: [Message] = []
    /// Those before it are done.
    private var next = 0
    private var isOver = false

    /// `ownError` is what went wrong with the messages to oneself.
    init(_ communicator: MPICommunicator, moved: Traffic, ownError: CollectiveError?) {
      self.communicator = communicator
      self.moved = moved
      error = ownError
    }

    /// With the lock.
    func add(
      _ operation: String, peer: Int, expecting expected: Int? = nil,
      start: (inout MPI_Request?) -> Int32
    ) throws {
      var request = convoy_mpi_request_null()
      let code = start(&request)
      guard code == MPI_SUCCESS else {
        cancelAll()
        return try MPILock.check(code, operation)
      }
      messages.append(Message(request: request, peer: peer, expected: expected))
    }

    /// Returns when all are done, also where some failed: then nothing arrives any more in buffers
    /// that the caller frees. Throws the first error in the order in which they were added.
    func wait() throws {
      guard !isOver else { return }
      isOver = true
      do {
        try communicator.wait(missing: { self.peersMissing }, until: { self.isDone })
      } catch {
        MPILock.held { cancelAll() }
        throw error
      }
      communicator.count(moved)
      if let error { throw error }
    }

    /// Looks at one message after the other: MPI moves all of them in any of its calls.
    ///
    /// Not MPI_Testall: with that of Open MPI 4.1.4, as with MPI_Waitall, the rest never ends once
    /// a message was too long.
    private var isDone: Bool {
      while next < messages.count {
        var status = MPI_Status()
        do {
          guard
            try MPILock.test(
              &messages[next].request, &status,
              messages[next].expected == nil ? "MPI_Isend" : "MPI_Irecv")
          else { return false }
          try checkLength(messages[next], &status)
        } catch {
          self.error = self.error ?? lengthError(messages[next], error)
          // Open MPI keeps a request that failed.
          free(next)
        }
        next += 1
      }
      return true
    }

    private func checkLength(_ message: Message, _ status: inout MPI_Status) throws(CollectiveError)
    {
      guard let expected = message.expected else { return }
      var count: Int32 = 0
      try MPILock.check(MPI_Get_count(&status, convoy_mpi_byte(), &count), "MPI_Get_count")
      guard Int(count) == expected else {
        throw .messageLength(from: message.peer, expected: expected, found: Int(count))
      }
    }

    /// MPI's error of a message that was too long says that in its own words.
    private func lengthError(_ message: Message, _ error: CollectiveError) -> CollectiveError {
      guard case .mpi(_, let code, _) = error, let expected = message.expected else {
        return error
      }
      var errorClass: Int32 = 0
      guard MPI_Error_class(code, &errorClass) == MPI_SUCCESS, errorClass == MPI_ERR_TRUNCATE
      else { return error }
      return .messageLength(from: message.peer, expected: expected, found: nil)
    }

    /// The ranks of the messages that are not done.
    private var peersMissing: [Int] {
      MPILock.held {
        let peers = messages[next...].filter { message in
          var isDone: Int32 = 0
          var status = MPI_Status()
          guard let request = message.request else { return false }
          return MPI_Request_get_status(request, &isDone, &status) == MPI_SUCCESS && isDone == 0
        }
        return Set(peers.map(\.peer)).sorted()
      }
    }

    /// Where not all could be started, or some wait too long, they are given up. A message that was
    /// on its way may still arrive: whoever gets this error must end the job.
    private func cancelAll() {
      for index in messages.indices where messages[index].request != convoy_mpi_request_null() {
        MPI_Cancel(&messages[index].request)
        free(index)
      }
    }

    private func free(_ index: Int) {
      guard messages[index].request != convoy_mpi_request_null() else { return }
      MPI_Request_free(&messages[index].request)
    }

    deinit {
      if !isOver, next < messages.count { MPILock.held { cancelAll() } }
    }
  }
#endif
