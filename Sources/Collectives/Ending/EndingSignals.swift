import CSignals
import Foundation
import Synchronization

/// What this process does when somebody ends it with SIGTERM, SIGINT, SIGHUP or SIGUSR1: it removes the
/// files it has begun and not finished, and ends with code 128 + the signal. A process that can stop at
/// a good place asks for that (`stopGently`): then the first signal is a `Request`, and only the second
/// one ends it at once.
///
/// `mpirun` sends SIGTERM to the ranks that are left when one was killed. A few of them say where they
/// were (`speakers`), and which ranks they have not heard of for a while. A process alone says it too.
///
/// ```swift
/// EndingSignals.handle()
/// EndingSignals.introduce(.current, program: "convoy")
/// // convoy: error: rank 0 of 4 on node7: ended from outside in step 5 (gather operand 1)
/// EndingSignals.stopGently()
/// while EndingSignals.request == nil { try step() }
/// ```
public enum EndingSignals {
  /// What the line says.
  private struct Line {
    /// How it begins; nil where this process is not to say anything.
    var introduction: String?
    var step: CollectiveStep?
    /// Ranks that have fallen silent.
    var quiet: [RankState] = []
  }

  private static let line = Mutex(Line())
  private static let speaks = Atomic(false)

  /// Handles the signals from now on.
  ///
  /// `mpirun` sends SIGTERM to all its ranks, and then sleeps for `odls_base_sigkill_timeout`; but the
  /// end of the first of them wakes it, and what is left of that time, 1 s unless it is told otherwise,
  /// counts as none: it sends SIGKILL right away. So one of several processes stays until the others
  /// have done what a signal has them do, however busy the machine is.
  public static func handle() {
    convoy_signals_install(Launch.current.processes > 1 ? 0.75 : 0)
  }

  /// From now on SIGTERM says where this process is, if it is one of the `speakers`. For ranks that are
  /// processes: a group of threads has one process, which does not know the ranks' steps.
  ///
  /// - Parameter step: what it does until it says more (`Communicator.enter`).
  public static func introduce(_ launch: Launch, program: String, in step: CollectiveStep? = nil) {
    guard speakers(of: launch).contains(launch.rank) else { return }
    let place =
      launch.processes == 1
      ? "" : "rank \(launch.rank) of \(launch.processes) on \(Launch.hostName): "
    speaks.store(true, ordering: .releasing)
    change {
      $0.introduction = "\(program): error: \(place)"
      $0.step = step
    }
  }

  /// The ranks that say where they are: two, for it may be one of them that was killed, and, where hosts are
  /// filled one after the other, the first of the second host, for the first host may be lost.
  static func speakers(of launch: Launch) -> Set<Int> {
    Set([0, 1, launch.localProcesses].filter { $0 < launch.processes })
  }

  /// A signal that asked this process to stop.
  public struct Request: Hashable, Sendable {
    public let signal: Int32
    /// In seconds of the monotonic clock.
    let time: Double

    /// One that came to another process of the job, say.
    public init(signal: Int32) { self.init(signal: signal, time: monotonicSeconds()) }

    init(signal: Int32, time: Double) {
      self.signal = signal
      self.time = time
    }

    /// `SIGTERM`, as the shell's `kill` writes it after SIG.
    public var name: String {
      [SIGTERM: "SIGTERM", SIGINT: "SIGINT", SIGHUP: "SIGHUP", SIGUSR1: "SIGUSR1"][signal]
        ?? "signal \(signal)"
    }

    /// What a process that stopped for it exits with, as shells have it.
    public var exitCode: Int32 { 128 + signal }
  }

  /// From now on the first signal only makes a `request`, and a second one ends the process at once.
  ///
  /// Of several processes, one that comes soon after the first is no second one: Slurm's `scancel`
  /// sends SIGTERM to every process of a job, and `mpirun`, which has got it, too, sends another one some
  /// time later. That time is also what it gives its ranks until it kills them
  /// (`odls_base_sigkill_timeout`, 1 s unless it is told otherwise). A rank that cannot get to its
  /// stopping place by then, or waits for one that is gone, says where it is and ends; until `canStop`
  /// it does so at once. SIGUSR1 has no such limit, and `mpirun` passes it on at once.
  public static func stopGently() {
    canStop(within: 0)
    convoy_signals_stop_gently(Launch.current.processes > 1 ? patience + 1 : 0)
  }

  /// Whether this process may get to a stopping place before its launcher kills it: not while ranks are
  /// being connected, for `mpirun` serves nobody once it has told its ranks to end, nor when one is missing.
  static func canStop(_ isPossible: Bool) {
    canStop(within: isPossible ? max(0.1, patience - 0.3) : 0)
  }

  /// This process needs no time any more.
  static func hasStopped() { convoy_signals_set_grace(.infinity) }

  private static func canStop(within seconds: Double) {
    guard Launch.current.launcher == .mpirun, Launch.current.processes > 1 else { return }
    convoy_signals_set_grace(seconds)
  }

  /// Of `mpirun` with a process that it has told to end, in seconds.
  private static var patience: Double {
    let given = ProcessInfo.processInfo.environment["OMPI_MCA_odls_base_sigkill_timeout"]
    return given.flatMap(Double.init) ?? 1
  }

  /// What asked this process to stop, after `stopGently`.
  public static var request: Request? {
    var time = 0.0
    let signal = convoy_signals_noted(&time)
    return signal == 0 ? nil : Request(signal: signal, time: time)
  }

  /// When the launcher will kill this process, in seconds of the monotonic clock; nil where none has said
  /// so.
  static var deadline: Double? {
    let told = convoy_signals_from_parent()
    return Launch.current.launcher == .mpirun && told.isFinite ? told + patience : nil
  }

  /// Ends the process as if the second signal had come.
  static func end(_ request: Request) -> Never { convoy_signals_end(request.signal) }

  /// Removes the files that this process has begun and not finished (`TemporaryFiles`).
  static func removeTemporaryFiles() { convoy_signals_remove_files() }

  /// What this process does now.
  static func enter(_ step: CollectiveStep?) { change { $0.step = step } }

  /// The ranks that this one has not heard of for longer than news take.
  static func miss(_ ranks: [RankState]) { change { $0.quiet = ranks } }

  /// Keeps the line up to date: a handler cannot make it.
  private static func change(_ change: (inout Line) -> Void) {
    guard speaks.load(ordering: .acquiring) else { return }
    line.withLock { line in
      change(&line)
      guard let introduction = line.introduction else { return }
      let place = line.step.map { " in \($0)" } ?? ""
      let quiet = line.quiet.map(\.place).joined(separator: ", ")
      let missing = quiet.isEmpty ? "" : "; nothing is heard of \(quiet)"
      // The end of the line must not be what is cut off.
      var text = Array("\(introduction)ended from outside\(place)\(missing)".utf8)
      text = text.prefix(CONVOY_SIGNALS_LINE_LENGTH - 1) + [UInt8(ascii: "\n")]
      text.withUnsafeBytes { bytes in
        bytes.withMemoryRebound(to: CChar.self) {
          convoy_signals_set_line($0.baseAddress, $0.count)
        }
      }
    }
  }

  /// Somebody else has said why the job ends, or will.
  static func silence() {
    convoy_signals_silence()
  }

  /// When the line may be written, in seconds of the monotonic clock.
  static func speak(from start: Double, until end: Double) {
    convoy_signals_set_times(start, end)
  }
}
