import CSignals
import Synchronization

/// What this process does when somebody ends it with SIGTERM, SIGINT or SIGHUP: it removes its
/// `TemporaryFiles` and ends with code 128 + the signal.
///
/// `mpirun` sends SIGTERM to the ranks that are left when one was killed. Two of them, of the ranks
/// 0 and 1, say where they were: it may be one of the two that was killed. A process alone says it
/// too.
///
/// ```swift
/// EndingSignals.handle(for: communicator, program: "convoy")
/// // convoy: error: rank 0 of 4 on node7: ended from outside in step 5 (gather operand 1)
/// ```
public enum EndingSignals {
  /// How the line begins; nil where this process is not to say anything.
  private static let introduction = Mutex<String?>(nil)
  private static let speaks = Atomic(false)

  /// Handles the signals from now on. For a communicator whose ranks are processes: a group of
  /// threads has one process, which does not know the ranks' steps.
  public static func handle(for communicator: any Communicator, program: String) {
    if communicator.rank < 2 {
      let place =
        communicator.size == 1
        ? "" : "rank \(communicator.rank) of \(communicator.size) on \(hostName()): "
      introduction.withLock { $0 = "\(program): error: \(place)" }
      speaks.store(true, ordering: .releasing)
      enter(communicator.step)
    }
    convoy_signals_install()
  }

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
