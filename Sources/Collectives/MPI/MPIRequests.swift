#if MPI
  import CMPI

  /// The nonblocking sends and receives of one exchange, as MPI knows them.
  ///
  /// Receives are all posted at once; what is sent is started by the `MPIOutbox`.
  ///
  /// `@unchecked Sendable`: every access holds the lock of MPI, but for the making of the object.
  final class MPIRequests: @unchecked Sendable {
    private struct Message {
      var request: MPI_Request?
      let peer: Int
      /// Bytes to be received; nil for a message that is sent.
      let expected: Int?
      /// How it is started, unless it is.
      var start: ((inout MPI_Request?) -> Int32)?
    }

    /// The first error, in the order in which the messages were added.
    private(set) var error: CollectiveError?
    private var messages: [Message] = []
    /// Those before it are done.
    private var next = 0
    /// Of each peer, the messages to be received whose arrival has not been seen.
    private var unseen: [Int: ArraySlice<Int>] = [:]

    /// `ownError` is what went wrong with the messages to oneself.
    init(ownError: CollectiveError?) {
      error = ownError
    }

    func receive(
      from peer: Int, count: Int, start: (inout MPI_Request?) -> Int32
    ) throws {
      var request = convoy_mpi_request_null()
      let code = start(&request)
      guard code == MPI_SUCCESS else {
        cancelAll()
        return try MPILock.check(code, "MPI_Irecv")
      }
      messages.append(Message(request: request, peer: peer, expected: count))
    }

    /// To be started by the outbox.
    ///
    /// - Returns: the message's index.
    func send(to peer: Int, start: @escaping (inout MPI_Request?) -> Int32) -> Int {
      messages.append(
        Message(request: convoy_mpi_request_null(), peer: peer, expected: nil, start: start))
      return messages.count - 1
    }

    /// Whether the message is under way now.
    func start(_ index: Int) -> Bool {
      guard let start = messages[index].start else { return false }
      messages[index].start = nil
      let code = start(&messages[index].request)
      do throws(CollectiveError) {
        try MPILock.check(code, "MPI_Isend")
        return true
      } catch {
        self.error = self.error ?? error
        return false
      }
    }

    func isOver(_ index: Int) -> Bool { Self.isOver(messages[index]) }

    /// Looks at one message after the other: MPI moves all of them in any of its calls.
    ///
    /// Not MPI_Testall: with that of Open MPI 4.1.4, as with MPI_Waitall, the rest never ends once
    /// a message was too long.
    var isDone: Bool {
      while next < messages.count {
        guard messages[next].start == nil else { return false }
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
    var peersMissing: [Int] {
      Set(messages[next...].filter { !Self.isOver($0) }.map(\.peer)).sorted()
    }

    /// Begins to watch what arrives.
    func watchArrivals() {
      for (index, message) in messages.enumerated() where message.expected != nil {
        unseen[message.peer, default: []].append(index)
      }
    }

    /// The ranks of which something has arrived since the last call. Only the next message of each is
    /// looked at, for those of one rank arrive in order, or nearly.
    func arrivals() -> [Int] {
      var peers: [Int] = []
      for (peer, indices) in unseen {
        let waiting = indices.drop { Self.isOver(messages[$0]) }
        guard waiting.count < indices.count else { continue }
        unseen[peer] = waiting.isEmpty ? nil : waiting
        peers.append(peer)
      }
      return peers
    }

    private static func isOver(_ message: Message) -> Bool {
      guard message.start == nil else { return false }
      guard let request = message.request, request != convoy_mpi_request_null() else { return true }
      var isDone: Int32 = 0
      var status = MPI_Status()
      return MPI_Request_get_status(request, &isDone, &status) != MPI_SUCCESS || isDone != 0
    }

    /// Where not all could be started, or some wait too long, they are given up. A message that was
    /// on its way may still arrive: whoever gets this error must end the job.
    func cancelAll() {
      for index in messages.indices where messages[index].request != convoy_mpi_request_null() {
        MPI_Cancel(&messages[index].request)
        free(index)
      }
    }

    var areAllDone: Bool { next == messages.count }

    private func free(_ index: Int) {
      guard messages[index].request != convoy_mpi_request_null() else { return }
      MPI_Request_free(&messages[index].request)
    }
  }
#endif
