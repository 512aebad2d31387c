/// A group of ranks that compute together: MPI processes, threads of one process, or a single
/// process alone.
///
/// Every rank of a group makes the same calls in the same order, from one thread at a time. Every
/// collective first agrees on the call: where the ranks differ in the operation, the length, the
/// root or the parts, all of them throw the same `CollectiveError.mismatchedCalls`, nothing has
/// been sent, and the group can still be used.
///
/// Reductions add the ranks' values element by element, pairwise in the order of ranks,
/// `((x₀ + x₁) + (x₂ + x₃)) + …`. So equal runs give equal bits, every rank gets the same bits, all
/// kinds of communicator give the same bits, and the bits do not depend on how a buffer is cut.
///
/// An implementation supplies `agree`, `startExchange`, `abort` and what tells where a rank is; the
/// collectives are built on these (`Algorithms`), and `traffic` is counted where an exchange ends.
/// What each collective makes a rank receive is the formula of `Traffic.received(by:size:in:)`.
///
/// A rank that is killed, stopped or lost makes the others wait for it. `enter` says what a rank is
/// about to do, and `watch` ends such a wait with an error that names the rank and the step.
///
/// ```swift
/// var total: [Double] = [Double(samples)]
/// try total.withUnsafeMutableBufferPointer { try communicator.allReduce($0) }
/// ```
public protocol Communicator: AnyObject, Sendable {
  /// This rank, 0 ..< size.
  var rank: Int { get }
  var size: Int { get }
  /// What kind of group this is, for people: `mpi`, `threads` or `single`.
  var kind: String { get }
  /// The ranks, of this group and others, that share this rank's machine, with its memory and cores.
  var ranksOnHost: Int { get }
  /// What this rank has sent and received so far.
  var traffic: Traffic { get }

  /// Returns once all ranks have made this call, and throws on all of them if their calls differ.
  func agree(on call: CollectiveCall) throws
  /// Starts to send and receive all of these messages; they are done once `wait` of the result
  /// has returned, and the bytes must stay where they are, and those sent unchanged, until then.
  ///
  /// Not a collective: only the ranks named take part. Several exchanges may be pending at once,
  /// and be waited for in any order. Between two ranks messages keep the order in which their
  /// exchanges were started; a message to oneself is allowed and is not counted.
  func startExchange(
    sending: [OutgoingMessage], receiving: [IncomingMessage]
  ) throws -> any PendingExchange
  /// Starts an exchange and waits for it. Throws `CollectiveError.messageLength` where a message is
  /// not as long as its receiver expects.
  func exchange(sending: [OutgoingMessage], receiving: [IncomingMessage]) throws
  /// Gives messages that are on their way a chance to move on: for the time between two kernels.
  /// Takes about a microsecond where there is nothing to do.
  func progress()
  /// Ends the whole job with this exit code, on all ranks; for a rank that failed. Prints nothing.
  /// Removes the files that this process has begun and not finished (`TemporaryFiles`).
  func abort(code: Int32) -> Never

  /// Takes leave of the others; a collective, the last one. Afterwards each process may end when it will
  /// and with any exit code, which without it means to `mpirun` that a rank has failed.
  func finish()

  /// What this rank is doing now, as it said last; nil at first.
  var step: CollectiveStep? { get }
  /// Says what this rank does from now on, for messages about ranks that wait or do not come.
  func enter(_ step: CollectiveStep?)
  /// Watches the other ranks from now on; every rank makes this call, once. See `Watchdog`.
  ///
  /// `report` gets the error of ranks that give no sign of life, on a thread of its own and on one
  /// rank, which then ends the job with code 1: there is nobody to throw it to. A wait that lasts
  /// too long throws `CollectiveError.timedOut` instead, after which the job must end as well.
  func watch(
    _ watchdog: Watchdog, report: @escaping @Sendable (CollectiveError) -> Void
  ) throws

  /// Returns when all ranks have called it.
  func barrier() throws
  /// Copies `buffer` of rank `root` into `buffer` of all others.
  func broadcast(_ buffer: UnsafeMutableRawBufferPointer, root: Int) throws
  /// Replaces `buffer` by the sum over all ranks of their buffers, which have equal lengths.
  func allReduce(_ buffer: UnsafeMutableBufferPointer<Float>) throws
  func allReduce(_ buffer: UnsafeMutableBufferPointer<Double>) throws
  /// Sums `whole` over all ranks and leaves each rank its own part of the sum.
  ///
  /// `whole` is the ranks' parts in order, `counts[r]` elements for rank r; `part` has
  /// `counts[rank]` elements, and may be this rank's own part of `whole`.
  func reduceScatter(
    _ whole: UnsafeBufferPointer<Float>, counts: [Int], into part: UnsafeMutableBufferPointer<Float>
  ) throws
  func reduceScatter(
    _ whole: UnsafeBufferPointer<Double>, counts: [Int],
    into part: UnsafeMutableBufferPointer<Double>
  ) throws
  /// Concatenates what each rank sends, in order of ranks; `counts[r]` is the bytes of rank r.
  /// `part` may be this rank's own part of `whole`.
  func allGather(
    _ part: UnsafeRawBufferPointer, counts: [Int], into whole: UnsafeMutableRawBufferPointer
  ) throws
}

extension Communicator {
  public func exchange(sending: [OutgoingMessage], receiving: [IncomingMessage]) throws {
    try startExchange(sending: sending, receiving: receiving).wait()
  }

  public func progress() {}

  public func finish() {}

  public var ranksOnHost: Int { Launch.current.localProcesses }
}
