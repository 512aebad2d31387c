import Foundation
import Testing

/// `--threads`, wherever something is computed.
@Suite struct ThreadOptionTests {
  private static let commands: [[String]] = [
    ["contract", "i,i->", "a.npy", "b.npy", "--out", "c.npy"], ["train", "run.yaml"],
    ["bench", "layers", "--cases", "cases.json"], ["bench", "scaling", "--cases", "cases.json"],
  ]

  @Test(arguments: commands) func whatIsNoNumberOfThreadsIsRefused(command: [String]) throws {
    let folder = try TestFolder()
    for (value, message) in [
      (
        "--threads=0",
        "convoy: error: --threads 0: expected a number from 1 to 1024, e.g. --threads 2"
      ),
      (
        "--threads=-2",
        "convoy: error: --threads -2: expected a number from 1 to 1024, e.g. --threads 2"
      ),
      ("--threads=1025", "convoy: error: --threads 1025: expected a number from 1 to 1024"),
      ("--threads=two", "convoy: error: the value 'two' is invalid for '--threads <count>'"),
      ("--threads=", "convoy: error: missing value for '--threads <count>'"),
    ] {
      let run = try Convoy.run(command + [value], in: folder)
      #expect(run.code == 64, "\(value)")
      #expect(run.output == "")
      #expect(run.errors.hasPrefix(message), "it says: \(run.errors)")
    }
  }

  @Test(arguments: commands) func theHelpNamesIt(command: [String]) throws {
    let names = command.prefix { $0 != "i,i->" && $0 != "run.yaml" && $0 != "--cases" }
    let help = try Convoy.run(names + ["--help"], in: TestFolder()).output
    #expect(help.contains("--threads <count>"))
  }

  /// Once, and the run goes on.
  @Test func moreThreadsThanCoresAreWarnedOf() throws {
    let folder = try TestFolder()
    try folder.writeCounting("a.npy", shape: [3])
    let most = "1024"
    for ranks in ["1", "2"] {
      let run = try Convoy.run(
        ["contract", "i,i->", "a.npy", "a.npy", "--out", "c.npy", "--threads", most]
          + ["--ranks", ranks], in: folder)
      #expect(run.code == 0)
      let warning =
        /convoy: warning: --threads 1024: a rank may use \d+ cores? here, and more threads than cores only wait for each other\n/
      #expect(run.errors.wholeMatch(of: warning) != nil, "it says: \(run.errors)")
    }
    let run = try Convoy.run(
      ["contract", "i,i->", "a.npy", "a.npy", "--out", "c.npy", "--threads", "1"], in: folder)
    #expect(run.code == 0 && run.errors == "", "it says: \(run.errors)")
  }

  private struct Report: Decodable {
    struct Bytes: Decodable { var peakBytesPerRank: [Int] }
    let predicted: Bytes
    let measured: Bytes
  }

  /// All threads share one workspace, so memory is what was predicted.
  @Test(arguments: ["1", "2"])
  func aContractionHasTheSameBitsAndBytesOnAnyNumberOfThreads(ranks: String) throws {
    let folder = try TestFolder()
    try folder.writeCounting("x.npy", shape: [6, 16, 20, 20])
    try folder.writeCounting("w.npy", shape: [24, 16, 3, 3])
    var results: [Data] = []
    var peaks: [[Int]] = []
    for threads in ["1", "2", "3", "7"] {
      let run = try Convoy.run(
        ["contract", "bshw,tshw->bthw|hw", "x.npy", "w.npy", "--out", "y.npy"]
          + ["--report", "y.json", "--ranks", ranks, "--threads", threads], in: folder)
      #expect(run.code == 0, "it says: \(run.errors)")
      results.append(try folder.bytes("y.npy"))
      let report = try JSONDecoder().decode(Report.self, from: folder.bytes("y.json"))
      #expect(report.measured.peakBytesPerRank == report.predicted.peakBytesPerRank)
      peaks.append(report.measured.peakBytesPerRank)
    }
    for index in results.indices {
      #expect(results[index] == results[0])
      #expect(peaks[index] == peaks[0])
    }
  }

  /// Metrics hold the loss of every step; times are on lines of their own.
  @Test func trainingHasTheSameLossesOnAnyNumberOfThreads() throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    var losses: [[String]] = []
    for threads in ["1", "2", "3", "7"] {
      let run = try Convoy.run(
        ["train", "run.yaml", "--threads", threads, "--set", "output=run\(threads)"], in: folder)
      #expect(run.code == 0, "it says: \(run.errors)")
      let count = threads == "1" ? "1 thread," : "\(threads) threads,"
      #expect(run.errors.contains("1 rank × \(count)"), "it says: \(run.errors)")
      losses.append(try SmallRun.timelessMetrics(folder, run: "run\(threads)"))
    }
    #expect(losses[0].count > 2)
    for other in losses.dropFirst() { #expect(other == losses[0]) }
  }
}
