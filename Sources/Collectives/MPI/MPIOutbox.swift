#if MPI
  import CMPI

  /// What this rank sends: to each other rank as much at a time as arrives in a fraction of a second, and
  /// more when some of that is done.
  ///
  /// What is handed to MPI waits in a queue of MPI's, and so does what it says of its arrival, and any
  /// other message to that rank: a long queue in front of a slow link would look like silence.
  ///
  /// `@unchecked Sendable`: every access holds the lock of MPI.
  final class MPIOutbox: @unchecked Sendable {
    private struct Piece {
      let requests: MPIRequests
      let index: Int
      let byteCount: Int
      var started = 0.0
    }

    private struct Queue {
      var underWay: [Piece] = []
      /// In the order of their exchanges, as MPI pairs messages in the order in which they are sent.
      var waiting: ArraySlice<Piece> = []
      /// The most bytes under way, but that a single piece may be longer.
      var window = leastWindow
    }

    private static let leastWindow = 1 << 20
    private static let mostWindow = 1 << 28
    /// A piece that is done sooner, in seconds, makes the window wider, one that takes longer narrower.
    private static let soon = 0.05
    private static let late = 0.5
    private var queues: [Int: Queue] = [:]
    /// The ranks to which something is, or is to be, under way.
    private var active: Set<Int> = []

    func add(_ index: Int, of requests: MPIRequests, byteCount: Int, to peer: Int) {
      queues[peer, default: Queue()].waiting.append(
        Piece(requests: requests, index: index, byteCount: byteCount))
      active.insert(peer)
    }

    /// Starts what may be started.
    func advance() {
      for peer in active {
        let isIdle = advance(&queues[peer, default: Queue()])
        if isIdle { active.remove(peer) }
      }
    }

    /// Whether there is nothing left.
    private func advance(_ queue: inout Queue) -> Bool {
      let now = monotonicSeconds()
      var slowest: Double?
      queue.underWay.removeAll { piece in
        guard piece.requests.isOver(piece.index) else { return false }
        // What is short says nothing of the link.
        if piece.byteCount >= MPICommunicator.longestPiece {
          slowest = max(slowest ?? 0, now - piece.started)
        }
        return true
      }
      if let slowest, slowest < Self.soon {
        queue.window = min(2 * queue.window, Self.mostWindow)
      } else if let slowest, slowest > Self.late {
        queue.window = max(queue.window / 2, Self.leastWindow)
      }
      var bytes = queue.underWay.reduce(0) { $0 + $1.byteCount }
      while var piece = queue.waiting.first,
        bytes == 0 || bytes + piece.byteCount <= queue.window
      {
        queue.waiting.removeFirst()
        bytes += piece.byteCount
        piece.started = now
        if piece.requests.start(piece.index) { queue.underWay.append(piece) }
      }
      return queue.underWay.isEmpty && queue.waiting.isEmpty
    }

    /// Forgets the pieces of an exchange that is given up.
    func remove(_ requests: MPIRequests) {
      for peer in active {
        queues[peer]?.underWay.removeAll { $0.requests === requests }
        queues[peer]?.waiting.removeAll { $0.requests === requests }
      }
    }
  }
#endif
