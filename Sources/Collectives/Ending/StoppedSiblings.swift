import Foundation

/// Processes of this one's launcher on this machine that are stopped, as by SIGSTOP.
///
/// A launcher that ends a job lets such a process go on, asks it to end, and waits a second before it kills it. But
/// that the process goes on is told to the launcher by SIGCHLD, which ends its wait: mpirun (4.1.4) then kills it before
/// it has removed its files. Let go on before the job is ended, it has that second.
enum StoppedSiblings {
  /// Lets them go on, and returns when they do, or after a fifth of a second.
  static func wake() {
    for _ in 0..<20 {
      let stopped = numbers.filter(isStoppedSibling)
      guard !stopped.isEmpty else { return }
      for number in stopped { kill(number, SIGCONT) }
      usleep(10_000)
    }
  }

  /// Their ranks, as far as they are known.
  static var ranks: [Int] {
    numbers.filter(isStoppedSibling).compactMap(rank(of:)).sorted()
  }

  /// From the environment that the launcher gave the process.
  private static func rank(of number: pid_t) -> Int? {
    guard let text = try? String(contentsOfFile: "/proc/\(number)/environ", encoding: .utf8)
    else { return nil }
    var environment: [String: String] = [:]
    for entry in text.split(separator: "\0") {
      let parts = entry.split(separator: "=", maxSplits: 1)
      if parts.count == 2 { environment[String(parts[0])] = String(parts[1]) }
    }
    let launch = Launch(environment: environment)
    return launch.processes > 1 ? launch.rank : nil
  }

  private static var numbers: [pid_t] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { pid_t($0) }
  }

  private static func isStoppedSibling(_ number: pid_t) -> Bool {
    guard let text = try? String(contentsOfFile: "/proc/\(number)/stat", encoding: .utf8),
      let end = text.lastIndex(of: ")")
    else { return false }
    // After the name: the state, and the number of the parent.
    let fields = text[text.index(after: end)...].split(separator: " ")
    return fields.count > 1 && fields[0] == "T" && pid_t(fields[1]) == getppid()
  }
}

extension CollectiveError {
  /// As seen now.
  public static func notConnected(in limit: Duration) -> CollectiveError {
    .notConnected(seconds: Int(limit.seconds.rounded(.up)), stopped: StoppedSiblings.ranks)
  }

  static func notEnded(in limit: Duration) -> CollectiveError {
    .notEnded(seconds: Int(limit.seconds.rounded(.up)), stopped: StoppedSiblings.ranks)
  }
}
