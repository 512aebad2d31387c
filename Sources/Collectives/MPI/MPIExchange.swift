#if MPI
  import CMPI

  /// One exchange, from when its messages are on their way until they are done.
  final class MPIExchange: PendingExchange {
    private let communicator: MPICommunicator
    private let moved: Traffic
    private let requests: MPIRequests
    private let isWatched: Bool
    private var isOver = false

    /// - Parameter isWatched: whether what arrives is to count as a sign of life of its sender.
    init(
      _ communicator: MPICommunicator, moved: Traffic, requests: MPIRequests, isWatched: Bool
    ) {
      self.communicator = communicator
      self.moved = moved
      self.requests = requests
      self.isWatched = isWatched
      if isWatched { communicator.place.add(requests) }
    }

    /// Returns when all are done, also where some failed: then nothing arrives any more in buffers
    /// that the caller frees. Throws the first error in the order in which they were added.
    func wait() throws {
      guard !isOver else { return }
      isOver = true
      do {
        try communicator.wait(
          missing: { MPILock.held { self.requests.peersMissing } },
          until: { self.requests.isDone })
      } catch {
        MPILock.held { giveUp() }
        throw error
      }
      communicator.count(moved)
      if let error = MPILock.held({ requests.error }) { throw error }
    }

    deinit {
      if isWatched { communicator.place.remove(requests) }
      guard !isOver else { return }
      MPILock.held { if !requests.areAllDone { giveUp() } }
    }

    private func giveUp() {
      communicator.place.outbox.remove(requests)
      requests.cancelAll()
    }
  }
#endif
