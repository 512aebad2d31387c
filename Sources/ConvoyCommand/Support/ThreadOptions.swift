import ArgumentParser
import Convoy

/// On how many threads a process computes: what every command that computes has in common.
struct ThreadOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Threads of each rank; by default its share of the cores that the ranks of this machine may use.",
      valueName: "count"))
  var threads: Int?

  func validate() throws {
    guard (1...Self.most).contains(threads ?? 1) else {
      throw ValidationError(
        "--threads \(threads ?? 0): expected a number from 1 to \(Self.most), e.g. --threads 2")
    }
  }

  /// Sets the number of threads of this process.
  ///
  /// - Parameter ranks: of this process; more than one where its threads are ranks.
  func use(ranks: Int = 1) {
    let share = Self.defaultCount(ranks: ranks)
    if let threads, threads > share, Launch.current.isFirst {
      note(
        "convoy: warning: --threads \(threads): a rank may use \(share) core\(share == 1 ? "" : "s") here, "
          + "and more threads than cores only wait for each other")
    }
    ThreadPool.use(count: threads ?? share)
  }

  /// What `--threads` is by default.
  static func defaultCount(ranks: Int = 1) -> Int {
    ThreadPool.defaultCount(
      usable: ThreadPool.usableCores, launcher: ThreadPool.launcherCores,
      processes: min(Launch.current.localProcesses, 1 << 20) * ranks)
  }

  private static let most = 1024
}
