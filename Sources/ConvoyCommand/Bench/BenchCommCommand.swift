import ArgumentParser
import Convoy
import Foundation

struct BenchCommCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "comm", abstract: "Measure latency and bandwidth of communication over sizes.",
    discussion: """
      Run it under mpirun, on the hosts in question. One repetition takes as long as its slowest \
      rank, from a barrier on. A size is that of a message (exchange: each rank sends to the next \
      and receives from the previous), of the buffer on each rank (all-reduce), or of the ranks' \
      parts together (reduce-scatter, all-gather). 'algorithm' is size / median time. 'bus' is \
      what the slowest link has to carry, as nccl-tests counts it, comparable over numbers of \
      ranks P: times 2(P - 1)/P for all-reduce, (P - 1)/P for reduce-scatter and all-gather.
      """)

  @Option(
    help: ArgumentHelp(
      "Sizes, multiples of 4 bytes, e.g. 8,1KiB,4MiB. (default: 8, and powers of 4 from 64 to 64MiB)",
      valueName: "bytes,…"))
  var sizes: String?

  @Option(
    help: ArgumentHelp(
      "Measured repetitions of each size. (default: 100, fewer from 64 KiB on)",
      valueName: "count"))
  var repetitions: Int?

  @Option(
    help: ArgumentHelp(
      "What to measure: exchange, all-reduce, reduce-scatter, all-gather. (default: all of them)",
      valueName: "operation,…"))
  var operation: String?

  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  @OptionGroup var waiting: WatchdogOptions

  func run() throws {
    try reportingOnEveryRank(watchdog: waiting.watchdog) { communicator in
      // All ranks were given the same options, and one of them is enough to say what is wrong: it
      // ends the others, which wait for it.
      if communicator.rank == 0 { _ = try checkedOptions() }
      try communicator.barrier()
      let (operations, sizes) = try checkedOptions()
      let benchmark = try CommunicationBenchmark(communicator, largestBytes: sizes.max() ?? 0)

      if communicator.rank == 0 {
        if communicator.size == 1 {
          note(
            "convoy: note: this is one process, which has nobody to talk to; run it under mpirun, "
              + "e.g. mpirun -n 2 convoy bench comm")
        }
        if !json { try output(CommunicationReport.tableHeader) }
      }
      var results: [CommunicationReport.Line] = []
      for operation in operations {
        for bytes in sizes {
          let line = try benchmark.measure(
            operation, bytes: bytes,
            repetitions: repetitions ?? CommunicationBenchmark.defaultRepetitions(bytes: bytes))
          results.append(line)
          if communicator.rank == 0 && !json { try output(line.tableRow) }
        }
      }
      let total = try benchmark.totalBytesReceivedPerRank()
      if communicator.rank == 0 && json {
        try output(
          try CommunicationReport(
            ranks: communicator.size, kind: communicator.kind, results: results,
            totalBytesReceivedPerRank: total
          ).json())
      }
    }
  }

  private func checkedOptions() throws -> (operations: [CommunicationOperation], sizes: [Int]) {
    if let repetitions, !(1...Self.mostRepetitions).contains(repetitions) {
      throw ValidationError(
        "--repetitions \(repetitions): expected a number from 1 to \(Self.mostRepetitions)")
    }
    let operations = try operation.map(Self.operations) ?? CommunicationOperation.allCases
    return (operations, try sizes.map(Self.sizes) ?? CommunicationBenchmark.defaultSizes)
  }

  /// So many times are kept in memory and gathered from all ranks.
  private static let mostRepetitions = 1_000_000

  private static func operations(_ text: String) throws -> [CommunicationOperation] {
    try parts(of: text).map { part in
      guard let operation = CommunicationOperation(rawValue: part) else {
        let names = CommunicationOperation.allCases.map(\.rawValue).joined(separator: ", ")
        throw ValidationError(
          "--operation '\(text)': there is no operation '\(part)'; expected some of \(names), "
            + "separated by commas")
      }
      return operation
    }
  }

  private static func sizes(_ text: String) throws -> [Int] {
    try parts(of: text).map { part in
      guard let bytes = MemorySize(part)?.bytes,
        bytes.isMultiple(of: CommunicationBenchmark.elementBytes)
      else {
        throw ValidationError(
          "--sizes '\(text)': '\(part)' is not a size; expected multiples of "
            + "\(CommunicationBenchmark.elementBytes) bytes, alone or with a unit, separated by commas, "
            + "e.g. --sizes 8,64KiB,1MiB")
      }
      return bytes
    }
  }

  private static func parts(of text: String) -> [String] {
    text.split(separator: ",", omittingEmptySubsequences: false)
      .map { $0.trimmingCharacters(in: .whitespaces) }
  }
}
