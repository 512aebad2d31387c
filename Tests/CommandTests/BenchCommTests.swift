import Collectives
import Foundation
import Testing

@testable import ConvoyCommand

/// `convoy bench comm`: its output and errors as people see them, and what it measures on several
/// ranks, as threads of this process.
@Suite struct BenchCommTests {
  /// The keys that others read.
  struct Report: Decodable {
    struct Line: Decodable {
      var operation: String
      var bytes: Int
      var repetitions: Int
      var medianMicroseconds: Double
      var minimumMicroseconds: Double
      var algorithmBandwidth: Double
      var busBandwidth: Double
      var bytesReceivedPerRank: [Int]
    }

    var ranks: Int
    var kind: String
    var results: [Line]
    var totalBytesReceivedPerRank: [Int]
  }

  static let operations = ["exchange", "all-reduce", "reduce-scatter", "all-gather"]

  @Test func theJSONOfOneProcess() throws {
    let run = try Convoy.run(
      ["bench", "comm", "--sizes", "8,4096", "--repetitions", "5", "--json"], in: TestFolder())
    #expect(run.code == 0)
    #expect(
      run.errors == "convoy: note: this is one process, which has nobody to talk to; run it under "
        + "mpirun, e.g. mpirun -n 2 convoy bench comm\n")
    let report = try JSONDecoder().decode(Report.self, from: Data(run.output.utf8))
    #expect(report.ranks == 1)
    #expect(report.kind == "single")
    #expect(report.totalBytesReceivedPerRank == [0])
    #expect(report.results.map(\.operation) == Self.operations.flatMap { [$0, $0] })
    #expect(report.results.map(\.bytes) == Self.operations.flatMap { _ in [8, 4096] })
    for line in report.results {
      #expect(line.repetitions == 5)
      #expect(line.minimumMicroseconds >= 0)
      #expect(line.medianMicroseconds >= line.minimumMicroseconds)
      #expect(line.algorithmBandwidth > 0)
      #expect(line.busBandwidth == 0)
      #expect(line.bytesReceivedPerRank == [0])
    }
  }

  @Test func theTableHasALineForEachSize() throws {
    let run = try Convoy.run(
      ["bench", "comm", "--operation", "all-gather,exchange", "--sizes", " 12, 64KiB"],
      in: TestFolder())
    #expect(run.code == 0)
    let lines = run.output.split(separator: "\n").map { $0.split(separator: " ") }
    #expect(lines.count == 6)
    #expect(lines[0].joined(separator: " ") == "time, µs bandwidth, GB/s received")
    // Without --repetitions, 100 of small sizes, and as many as make 6 MiB of larger ones.
    #expect(
      lines.dropFirst(2).map { $0.prefix(3).joined(separator: " ") } == [
        "all-gather 12 100", "all-gather 65,536 96", "exchange 12 100", "exchange 65,536 96",
      ])
    #expect(lines.dropFirst().allSatisfy { $0.count == 8 })
  }

  static let badOptions =
    [
      ("8,", ""), ("4,,8", ""), ("0", "0"), ("-8", "-8"), ("8,6", "6"), ("1e6,1e-6", "1e-6"),
      ("1kB,3MeB", "3MeB"), ("8,4611686018427387904", "4611686018427387904"),
      ("8 16", "8 16"), ("99999999999999999999", "99999999999999999999"),
    ].map { sizes, part in
      BadInput(
        "sizes '\(sizes)'", ["bench", "comm", "--sizes=\(sizes)"],
        "convoy: error: --sizes '\(sizes)': '\(part)' is not a size; expected "
          + "multiples of 4 bytes, alone or with a unit, separated by commas, e.g. --sizes "
          + "8,64KiB,1MiB")
    }
    + ["broadcast", "all_reduce", ""].map { operation in
      BadInput(
        "operation '\(operation)'", ["bench", "comm", "--operation", "exchange,\(operation)"],
        "convoy: error: --operation 'exchange,\(operation)': there is no operation "
          + "'\(operation)'; expected some of exchange, all-reduce, reduce-scatter, all-gather, "
          + "separated by commas")
    }
    + [0, -1, 1_000_001].map { repetitions in
      BadInput(
        "\(repetitions) repetitions", ["bench", "comm", "--repetitions=\(repetitions)"],
        "convoy: error: --repetitions \(repetitions): expected a number from 1 to 1000000")
    }
    + [
      BadInput(
        "repetitions that are no number", ["bench", "comm", "--repetitions", "many"],
        "convoy: error: the value 'many' is invalid for '--repetitions <count>'…"),
      BadInput(
        "an unknown benchmark", ["bench", "disk"],
        "convoy: error: there is no command 'disk'; expected layers, gemm, comm or scaling…"),
    ]

  @Test(arguments: badOptions) func badOptionsAreNamed(input: BadInput) throws {
    try input.check(in: TestFolder())
  }

  @Test(arguments: [1 << 50, 1 << 61]) func aSizeThatDoesNotFitIsRefused(bytes: Int) throws {
    try BadInput(
      "\(bytes)", ["bench", "comm", "--sizes", "8,\(bytes)"],
      "convoy: error: --sizes: \(bytes) bytes are too many; the memory here allows at most …"
    ).check(in: TestFolder())
  }

  @Test func helpIsThere() throws {
    let help = try Convoy.run(["bench", "--help"], in: TestFolder())
    #expect(help.code == 0)
    #expect(help.output.contains("  comm  "))
    let comm = try Convoy.run(["bench", "comm", "--help"], in: TestFolder())
    #expect(comm.code == 0)
    for word in ["--sizes", "--repetitions", "--operation", "--json", "2(P - 1)/P"] {
      #expect(comm.output.contains(word), "\(word)")
    }
  }

  /// Each rank's bytes are those that the operation is documented to move, also where the ranks'
  /// parts are not equal, or empty.
  @Test(arguments: [2, 3, 5]) func bytesReceivedAreThoseOfTheFormula(ranks: Int) throws {
    let sizes = [4, 8, 1000, 65_536]
    let found = try ThreadCommunicator.run(ranks: ranks) { communicator in
      let benchmark = try CommunicationBenchmark(communicator, largestBytes: 65_536)
      let lines = try CommunicationOperation.allCases.flatMap { operation in
        try sizes.map { try benchmark.measure(operation, bytes: $0, repetitions: 3) }
      }
      return (lines.map(\.bytesReceivedPerRank), try benchmark.totalBytesReceivedPerRank())
    }
    let expected = CommunicationOperation.allCases.flatMap { operation in
      sizes.map { bytes in
        (0..<ranks).map {
          Self.received(by: $0, ranks: ranks, operation, bytes: bytes)
        }
      }
    }
    for (lines, total) in found {
      #expect(lines == expected)
      for rank in 0..<ranks {
        // Five times each, with the warm-ups; and from every other rank eight bytes of the memory
        // limit, and for each line three times and one count.
        let payload = expected.reduce(0) { $0 + 5 * $1[rank] }
        #expect(total[rank] == payload + 8 * (ranks - 1) * (1 + 4 * expected.count))
      }
    }
  }

  private static func received(
    by rank: Int, ranks: Int, _ operation: CommunicationOperation, bytes: Int
  ) -> Int {
    let count = bytes / 4
    let counts = (0..<ranks).map { count * ($0 + 1) / ranks - count * $0 / ranks }
    func formula(_ collective: Traffic.Collective) -> Int {
      Traffic.received(by: rank, size: ranks, in: collective)
    }
    return switch operation {
    case .exchange: bytes
    case .allReduce: formula(.allReduce(count: count, elementBytes: 4))
    case .reduceScatter: formula(.reduceScatter(counts: counts, elementBytes: 4))
    case .allGather: formula(.allGather(counts: counts.map { 4 * $0 }))
    }
  }

  /// All ranks have the same line, and so the same slowest time.
  @Test func allRanksAgreeOnTheTime() throws {
    let times = try ThreadCommunicator.run(ranks: 3) { communicator in
      let benchmark = try CommunicationBenchmark(communicator, largestBytes: 4096)
      let line = try benchmark.measure(.allReduce, bytes: 4096, repetitions: 10)
      return [line.medianMicroseconds, line.minimumMicroseconds, line.busBandwidth]
    }
    #expect(Set(times).count == 1)
    #expect(times[0].allSatisfy { $0 > 0 })
  }

  /// 4,000 bytes in 1, 2, 3 and 10 us on 4 ranks; the factors are those of nccl-tests.
  @Test(arguments: [
    (CommunicationOperation.exchange, 1.0), (.allReduce, 1.5), (.reduceScatter, 0.75),
    (.allGather, 0.75),
  ])
  func timesAndBandwidthsAreRight(operation: CommunicationOperation, factor: Double) {
    let line = CommunicationReport.Line(
      operation, bytes: 4000, ranks: 4, nanoseconds: [10_000, 1000, 3000, 2000],
      bytesReceivedPerRank: [3, 5, 4, 1])
    #expect(line.repetitions == 4)
    #expect(line.minimumMicroseconds == 1)
    #expect(line.medianMicroseconds == 2.5)
    #expect(line.algorithmBandwidth == 1.6)
    #expect(abs(line.busBandwidth - 1.6 * factor) < 1e-12)
    #expect(line.tableRow.split(separator: " ").last == "5")
    let odd = CommunicationReport.Line(
      operation, bytes: 4000, ranks: 1, nanoseconds: [9000, 4000, 5000], bytesReceivedPerRank: [0])
    #expect(odd.medianMicroseconds == 5)
    #expect(odd.algorithmBandwidth == 0.8)
    #expect(odd.busBandwidth == 0)
  }
}
