import ArgumentParser
import Convoy

/// How long ranks wait for each other: what every command that runs under mpirun has in common.
struct WatchdogOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The longest that ranks wait for one another in one step (600), and to be connected (60).",
      valueName: "seconds"))
  var timeout: Double?

  @Option(
    help: ArgumentHelp(
      "A rank that gives no sign of life for so long is given up (10).", valueName: "seconds"))
  var silence: Double?

  func validate() throws {
    for (option, seconds) in [("--timeout", timeout), ("--silence", silence)] {
      guard let seconds else { continue }
      guard seconds > 0 && seconds <= Self.longest else {
        throw ValidationError(
          "\(option) \(seconds): expected seconds above 0, at most \(Int(Self.longest)), "
            + "e.g. \(option) 60")
      }
    }
  }

  /// Thirty years, and far from what a clock can count.
  private static let longest = 1e9

  var watchdog: Watchdog {
    var watchdog = Watchdog()
    if let timeout {
      watchdog.arrival = .seconds(timeout)
      watchdog.connection = .seconds(timeout)
    }
    if let silence { watchdog.silence = .seconds(silence) }
    return watchdog
  }
}
