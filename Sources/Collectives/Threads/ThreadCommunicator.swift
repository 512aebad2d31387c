import Foundation
import Synchronization

/// One rank of a group of threads in this process: distributed runs without MPI, for tests.
///
/// ```swift
/// let sums = try ThreadCommunicator.run(ranks: 4) { communicator in
///   var sum = [Double(communicator.rank)]
///   try sum.withUnsafeMutableBufferPointer { try communicator.allReduce($0) }
///   return sum[0]
/// }
/// // [6, 6, 6, 6]
/// ```
public final class ThreadCommunicator: Communicator {
  public let rank: Int
  public var size: Int { group.size }
  public let kind = "threads"
  public var ranksOnHost: Int { size * Launch.current.localProcesses }
  private let group: ThreadGroup
  private let counted = Mutex(Traffic())

  private init(rank: Int, group: ThreadGroup) {
    self.rank = rank
    self.group = group
  }

  public var traffic: Traffic { counted.withLock { $0 } }

  /// Runs `body` on each of `ranks` threads, waits for all, and returns their results in order of
  /// ranks.
  ///
  /// The ranks block in collectives, so they are threads of their own, not tasks of Swift's pool.
  /// A rank that throws makes the pending and the next call of every other rank throw
  /// `CollectiveError.rankFailed`; `run` throws the error that came first, but none that only tells
  /// of another rank's.
  public static func run<R: Sendable>(
    ranks: Int, _ body: @escaping @Sendable (any Communicator) throws -> R
  ) throws -> [R] {
    guard ranks > 0 else { throw CollectiveError.noRanks(ranks) }
    let group = ThreadGroup(size: ranks)
    let results = Results<R>(ranks: ranks)
    for rank in 0..<ranks {
      let thread = Thread {
        do {
          let result = try body(ThreadCommunicator(rank: rank, group: group))
          results.values.withLock { $0[rank] = result }
        } catch {
          group.fail(rank: rank, error: error)
        }
        group.end(rank: rank)
      }
      thread.name = "rank \(rank)"
      thread.start()
    }
    if let error = group.waitForAll() { throw error }
    return results.values.withLock { $0.compactMap { $0 } }
  }

  public func agree(on call: CollectiveCall) throws {
    counted.withLock { $0.calls += 1 }
    try group.agree(on: call, rank: rank)
  }

  public func startExchange(
    sending: [OutgoingMessage], receiving: [IncomingMessage]
  ) throws -> any PendingExchange {
    try checkPeers(sending, receiving)
    let ownError = copyOwnMessages(sending, receiving)
    let transfers = try group.post(
      sending: sending.filter { $0.destination != rank },
      receiving: receiving.filter { $0.source != rank }, rank: rank)
    var moved = Traffic()
    moved.count(sending, receiving, rank: rank)
    return Exchange(communicator: self, transfers: transfers, moved: moved, ownError: ownError)
  }

  public func abort(code: Int32) -> Never {
    EndingSignals.removeTemporaryFiles()
    // Not `exit`: it would run the exit handlers while the other ranks still compute.
    fflush(nil)
    _exit(code)
  }

  public var step: CollectiveStep? { group.step(of: rank) }

  public func enter(_ step: CollectiveStep?) {
    group.enter(step, rank: rank)
  }

  /// Only `arrival` is watched: a thread is not stopped without the others. Nothing is reported.
  public func watch(
    _ watchdog: Watchdog, report: @escaping @Sendable (CollectiveError) -> Void
  ) {
    group.watch(watchdog, rank: rank)
  }

  private final class Exchange: PendingExchange {
    private let communicator: ThreadCommunicator
    private let transfers: [Transfer]
    private let moved: Traffic
    private let ownError: CollectiveError?
    private var isOver = false

    init(
      communicator: ThreadCommunicator, transfers: [Transfer], moved: Traffic,
      ownError: CollectiveError?
    ) {
      self.communicator = communicator
      self.transfers = transfers
      self.moved = moved
      self.ownError = ownError
    }

    func wait() throws {
      guard !isOver else { return }
      isOver = true
      try communicator.group.wait(for: transfers, rank: communicator.rank)
      communicator.counted.withLock { $0.add(moved) }
      if let ownError { throw ownError }
    }

    deinit {
      if !isOver { communicator.group.withdraw(transfers, rank: communicator.rank) }
    }
  }

  private final class Results<R: Sendable>: Sendable {
    let values: Mutex<[R?]>

    init(ranks: Int) {
      values = Mutex([R?](repeating: nil, count: ranks))
    }
  }
}
