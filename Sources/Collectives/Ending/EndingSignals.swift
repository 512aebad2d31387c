import CSignals
import Foundation
import Synchronization

/// What this process does when somebody ends it with SIGTERM, SIGINT, SIGHUP or SIGUSR1: it removes the
/// files it has begun and not finished, and ends with code 128 + the signal. A process that can stop at
/// a good place asks for that (`stopGently`): then the first signal is a `Request`, and only the second
/// one ends it at once.
///
/// `mpirun` sends SIGTERM to the ranks that are left when one was killed. Two of them, of the ranks
/// 0 and 1, say where they were: it may be one of the two that was killed. A process alone says it
/// too.
///
/// ```swift
/// EndingSignals.handle()
/// EndingSignals.introduce(communicator, program: "convoy")
/// // convoy: error: rank 0 of 4 on node7: ended from outside in step 5 (gather operand 1)
/// EndingSignals.stopGently()
/// while EndingSignals.request == nil { try step() }
/// ```
public enum EndingSignals {
  /// How the line begins; nil where this process is not to say anything.
  private static let introduction = Mutex<String?>(nil)
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

  /// From now on SIGTERM says where this process is. For a communicator whose ranks are processes: a
  /// group of threads has one process, which does not know the ranks' steps.
  public static func introduce(_ communicator: any Communicator, program: String) {
    if communicator.rank < 2 {
      let place =
        communicator.size == 1
        ? "" : "rank \(communicator.rank) of \(communicator.size) on \(Launch.hostName): "
      introduction.withLock { $0 = "\(program): error: \(place)" }
      speaks.store(true, ordering: .releasing)
      enter(communicator.step)
    }
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
  /// stopping place by then, or waits for one that is gone, says where it is and ends. SIGUSR1 has no such
  /// limit, and `mpirun` passes it on at once.
  public static func stopGently() {
    convoy_signals_stop_gently(Launch.current.processes > 1 ? patience + 1 : 0)
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

  /// Keeps the line up to date: a handler cannot make it.
  static func enter(_ step: CollectiveStep?) {
    guard speaks.load(ordering: .acquiring) else { return }
    introduction.withLock { introduction in
      guard let introduction else { return }
      let place = step.map { " in \($0)" } ?? ""
      // The end of the line must not be what is cut off.
      var line = Array("\(introduction)ended from outside\(place)".utf8)
      line = line.prefix(CONVOY_SIGNALS_LINE_LENGTH - 1) + [UInt8(ascii: "\n")]
      line.withUnsafeBytes { bytes in
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
