import Foundation

/// How long ranks wait for each other before they end the job; for `Communicator.watch`.
///
/// ```swift
/// try communicator.watch(Watchdog(arrival: .seconds(60))) { log.error("\($0)") }
/// ```
///
/// Over MPI a thread of each process tells the others once in a while that the process lives, also
/// while it computes. A rank that is stopped (SIGSTOP) or whose machine is gone falls silent, and
/// is named as soon as that is sure; a rank that merely waits for it is not. What arrives of a rank's
/// messages is a sign of its life, too, and one that others pass on: on a slow link its own signs may
/// wait behind a long message. A rank that lives but
/// does not come, because it computes for ever or took another way, is found by `arrival`. In a
/// group of threads there is only `arrival`, and a process alone waits for nobody.
public struct Watchdog: Hashable, Sendable {
  /// A rank that gave no sign of life for so long is given up.
  public var silence: Duration
  /// The longest that one exchange, or the agreement on one call, may wait.
  public var arrival: Duration
  /// The longest that MPI may take to connect the ranks, and to take leave of them, when nobody can be
  /// watched: a `TimeLimit`.
  public var connection: Duration

  public init(
    silence: Duration = .seconds(10), arrival: Duration = .seconds(600),
    connection: Duration = .seconds(60)
  ) {
    self.silence = silence
    self.arrival = arrival
    self.connection = connection
  }

  /// Seconds between two signs of life: ten before a rank counts as silent, at most one a second.
  var interval: Double { min(1, max(0.001, min(silence.seconds, arrival.seconds) / 10)) }
}

extension Duration {
  var seconds: Double {
    Double(components.seconds) + Double(components.attoseconds) * 1e-18
  }
}

/// Seconds of a clock that nobody sets, since some point in the past.
func monotonicSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
