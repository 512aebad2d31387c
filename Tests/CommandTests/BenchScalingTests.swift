import Collectives
import Execution
import Foundation
import Kernels
import Partitioning
import Planning
import Testing

@testable import ConvoyCommand

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// `convoy bench scaling`: its output and errors as people see them, and what it measures on several
/// ranks, as threads of this process.
@Suite struct BenchScalingTests {
  /// The keys that others read.
  struct Report: Decodable {
    struct Cost: Decodable {
      var seconds: Double
      var bytesReceivedPerRank: [Int]
      var peakBytesPerRank: [Int]
    }

    struct Point: Decodable {
      var ranks: Int
      var activeRanks: Int
      var shapes: [[Int]]
      var macs: Double
      var gigaflopsPerSecond: Double
      var efficiency: Double
      var predicted: Cost
      var measured: Cost
    }

    struct Skipped: Decodable {
      var ranks: Int
      var neededBytes: Int
      var availableBytes: Int
    }

    struct Series: Decodable {
      var name: String
      var expression: String
      var conv: [String]
      var scaling: String
      var weak: String?
      var baselineRanks: Int?
      var points: [Point]
      var skipped: [Skipped]
    }

    var ranks: Int
    var kind: String
    var dtype: String
    var objective: String
    var machine: String
    var repetitions: Int
    var results: [Series]
  }

  static let casesFolder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("cluster/cases").path
  static let small = casesFolder + "/small.json"
  static let aloneNote =
    "convoy: note: this is one process, which cannot scale; run it under mpirun, e.g. mpirun -n 2 "
    + "convoy bench scaling --cases \(small)\n"

  @Test func theJSONOfOneProcess() throws {
    let run = try Convoy.run(
      [
        "bench", "scaling", "--cases", Self.small, "--filter", "MATMUL", "--repetitions", "2",
        "--dtype", "float64", "--objective", "bytes", "--json",
      ], in: TestFolder())
    #expect(run.code == 0)
    #expect(run.errors == Self.aloneNote)
    let report = try JSONDecoder().decode(Report.self, from: Data(run.output.utf8))
    #expect(report.ranks == 1)
    #expect(report.kind == "single")
    #expect(report.dtype == "float64")
    #expect(report.objective == "bytes")
    #expect(report.machine == "standard")
    #expect(report.repetitions == 2)
    #expect(
      report.results.map(\.name)
        == ["matmul", "matmul", "matmul of primes", "matmul of primes"])
    #expect(report.results.map(\.scaling) == ["strong", "weak", "strong", "weak"])
    #expect(report.results.map(\.weak) == [nil, "m", nil, "m"])
    for series in report.results {
      #expect(series.expression == "mk,kn->mn")
      #expect(series.baselineRanks == 1)
      #expect(series.skipped.isEmpty)
      #expect(series.points.count == 1)
      let point = try #require(series.points.first)
      #expect(point.ranks == 1 && point.activeRanks == 1 && point.efficiency == 1)
      #expect(point.macs == (series.name == "matmul" ? 24 * 30 * 18 : 7 * 11 * 5))
      #expect(
        abs(point.gigaflopsPerSecond * point.measured.seconds * 1e9 / (2 * point.macs) - 1) < 1e-9)
      #expect(point.predicted.seconds > 0)
      #expect(point.predicted.bytesReceivedPerRank == [0])
      #expect(point.measured.bytesReceivedPerRank == [0])
      // Both operands and the result, of 8 bytes an element, at least.
      #expect(
        point.measured.peakBytesPerRank[0] >= 8 * point.shapes.reduce(0) { $0 + $1[0] * $1[1] })
      #expect(point.measured.peakBytesPerRank == point.predicted.peakBytesPerRank)
    }
    // On one rank both kinds are one measurement.
    #expect(
      report.results[0].points[0].measured.seconds == report.results[1].points[0].measured.seconds)
  }

  @Test func theTableHasARowForEachCaseAndTheDrawingIsWritten() throws {
    let folder = try TestFolder()
    let run = try Convoy.run(
      [
        "bench", "scaling", "--cases", Self.small, "--repetitions", "1", "--kind", "weak", "--svg",
        "scaling.svg",
      ], in: folder)
    #expect(run.code == 0)
    #expect(
      run.errors == Self.aloneNote
        + "convoy: note: 'no weak mode' is skipped: it has no weak mode\n")
    let lines = run.output.split(separator: "\n")
    #expect(lines.count == 2 + 7)
    let table = try Regex(#"[^ ].{37} weak +1 +1 +[0-9.]+ +[0-9.]+ +[0-9.]+ +100\.0% +0 +0"#)
    for line in lines.dropFirst(2) { #expect(line.wholeMatch(of: table) != nil, "\(line)") }
    #expect(folder.names == ["scaling.svg"])
    #expect(XMLCheck.elements(of: folder.text("scaling.svg"))["polyline"] == 7)
  }

  @Test(arguments: ["scaling.json", "small.json"]) func theCasesThatShipAreWhole(
    name: String
  ) throws {
    let cases = try ScalingCase.read(path: Self.casesFolder + "/" + name)
    #expect(Set(cases.map(\.name)).count == cases.count)
    for entry in cases {
      let bound = try entry.bound()
      #expect(bound.shapes == entry.shapes)
      guard let weak = entry.weak else { continue }
      let grown = try entry.bound(growth: 3)
      // The work of a plan grows as the mode does, as long as the order stays.
      let order = try Plan(bound, options: PlanOptions(optimizer: .leftToRight)).macs
      #expect(try Plan(grown, options: PlanOptions(optimizer: .leftToRight)).macs <= 3 * order)
      let mode = try #require(grown.modes.first { $0.mode.name == weak })
      #expect(mode.extent == 3 * (bound.modes.first { $0.mode.name == weak }?.extent ?? 0))
      for (other, before) in zip(grown.modes, bound.modes) where other.mode.name != weak {
        #expect(other == before)
      }
    }
  }

  /// For every number of ranks what was received and held is what was predicted, and all ranks have
  /// the same report.
  @Test(arguments: [Objective.bytes, .time, .macs]) func onFourRanksBytesAreThosePredicted(
    objective: Objective
  ) throws {
    let cases = try ScalingCase.read(path: Self.small)
    let reports = try ThreadCommunicator.run(ranks: 4) { communicator in
      let benchmark = try ScalingBenchmark<Float>(
        communicator, objective: objective, repetitions: 2, ranksPerHost: 4)
      let series = try cases.flatMap { try benchmark.measure($0, ScalingKind.allCases) }
      return try ScalingReport(
        ranks: 4, kind: communicator.kind, dtype: "float32", objective: objective.rawValue,
        machine: "standard", repetitions: 2, results: series
      ).json()
    }
    #expect(Set(reports).count == 1)
    let report = try JSONDecoder().decode(Report.self, from: Data(reports[0].utf8))
    #expect(report.results.count == 2 * cases.count - 1)
    var travelled = 0
    for series in report.results {
      let entry = try #require(cases.first { $0.name == series.name })
      #expect(series.points.map(\.ranks) == [1, 2, 3, 4])
      let first = try #require(series.points.first)
      for point in series.points {
        let place = "\(series.name), \(series.scaling), \(point.ranks) ranks"
        #expect(
          point.measured.bytesReceivedPerRank == point.predicted.bytesReceivedPerRank, "\(place)")
        #expect(point.measured.peakBytesPerRank == point.predicted.peakBytesPerRank, "\(place)")
        #expect(point.measured.bytesReceivedPerRank.count == 4)
        // Ranks beyond those that work receive nothing.
        #expect(
          point.measured.bytesReceivedPerRank.dropFirst(point.activeRanks).allSatisfy { $0 == 0 })
        travelled += point.measured.bytesReceivedPerRank.reduce(0, +)
        if objective == .time {
          #expect((1...point.ranks).contains(point.activeRanks))
        } else {
          #expect(point.activeRanks == point.ranks)
        }
        let growth = series.scaling == "weak" ? point.ranks : 1
        #expect(point.shapes == (try entry.bound(growth: growth)).shapes)
        let speedup = first.measured.seconds / point.measured.seconds
        let efficiency = series.scaling == "weak" ? speedup : speedup / Double(point.ranks)
        #expect(abs(point.efficiency / efficiency - 1) < 1e-9)
      }
    }
    // The problems are so small that least time is on one rank.
    if objective != .time { #expect(travelled > 0) }
  }

  /// A plan that the planner cuts over fewer ranks, made to run on all: what is asked for in vain is
  /// reported.
  @Test func ranksThatOnlyCostAreNotUsed() throws {
    let entry = ScalingCase(
      name: "tiny", form: nil, expression: "ij,jk->ik", conv: [], shapes: [[2, 2], [2, 2]],
      weak: nil)
    let series = try ThreadCommunicator.run(ranks: 3) { communicator in
      try ScalingBenchmark<Double>(communicator, repetitions: 1).measure(entry, [.strong, .weak])
    }
    #expect(series[0].map(\.scaling) == [.strong])
    #expect(series[0][0].points.map(\.ranks) == [1, 2, 3])
    #expect(series[0][0].points.map(\.activeRanks) == [1, 1, 1])
  }

  /// 24 × 30 by 30 × 18 needs 4 (720 + 540 + 432) = 6,768 bytes on one rank, besides what the kernel
  /// needs, and about half of it on two.
  @Test func whatDoesNotFitIsSkipped() throws {
    let entry = try #require(try ScalingCase.read(path: Self.small).first)
    let series = try ThreadCommunicator.run(ranks: 4) { communicator in
      // Rank 2's host has least.
      try ScalingBenchmark<Float>(
        communicator, objective: .bytes, repetitions: 1,
        hostBytes: communicator.rank == 2 ? 6700 : 1 << 30, ranksPerHost: 1
      ).measure(entry, [.strong, .weak])
    }
    for series in series {
      #expect(series[0].skipped.map(\.ranks) == [1])
      #expect(series[0].points.map(\.ranks) == [2, 3, 4])
      #expect(series[0].baselineRanks == 2)
      #expect(series[0].points[0].efficiency == 1)
      let (first, last) = (series[0].points[0], series[0].points[2])
      let expected = first.measured.seconds * 2 / (last.measured.seconds * 4)
      #expect(abs(last.efficiency / expected - 1) < 1e-9)
      let skipped = try #require(series[0].skipped.first)
      #expect(skipped.neededBytes.value >= 6768)
      #expect(skipped.availableBytes == 6700)
      #expect(
        skipped.description
          == "on 1 rank one needs \(countText(skipped.neededBytes.value)) bytes of 6,700")
      // The weak case grows with the ranks: on each a rank needs as much as one did.
      #expect(series[1].skipped.map(\.ranks) == [1, 2, 3, 4])
      #expect(series[1].baselineRanks == nil)
    }
    // Four ranks that share a host share its memory.
    let shared = try ThreadCommunicator.run(ranks: 4) { communicator in
      try ScalingBenchmark<Float>(
        communicator, objective: .bytes, repetitions: 1, hostBytes: 6000, ranksPerHost: 4
      ).measure(entry, [.strong])
    }
    #expect(shared[0][0].points.isEmpty)
    #expect(shared[0][0].baselineRanks == nil)
    #expect(shared[0][0].skipped.map(\.availableBytes) == [6000, 3000, 2000, 1500])
  }

  @Test func numbersOfRanksAreAllUpToEightThenPowersOfTwo() {
    #expect(ScalingBenchmark<Float>.rankCounts(upTo: 1) == [1])
    #expect(ScalingBenchmark<Float>.rankCounts(upTo: 6) == [1, 2, 3, 4, 5, 6])
    #expect(ScalingBenchmark<Float>.rankCounts(upTo: 9) == [1, 2, 3, 4, 5, 6, 7, 8, 9])
    #expect(ScalingBenchmark<Float>.rankCounts(upTo: 16) == [1, 2, 3, 4, 5, 6, 7, 8, 16])
    #expect(
      ScalingBenchmark<Float>.rankCounts(upTo: 100) == [1, 2, 3, 4, 5, 6, 7, 8, 16, 32, 64, 100])
    #expect(ScalingBenchmark<Float>.median([3, 1, 2]) == 2)
    #expect(ScalingBenchmark<Float>.median([4, 1, 2, 3]) == 2.5)
  }

  /// A box's elements are those of the whole tensor in its place, whatever the layout.
  @Test(arguments: [[6], [5, 7], [3, 4, 5]]) func boxesArePartsOfOneTensor(shape: [Int]) {
    func filled(_ box: Box, operand: Int = 1) -> [Double] {
      var elements = [Double](repeating: .nan, count: box.count)
      elements.withUnsafeMutableBufferPointer {
        ScalingInput.fill($0, box: box, of: shape, operand: operand)
      }
      return elements
    }
    let whole = filled(Box(shape: shape))
    #expect(whole.allSatisfy { (-1..<1).contains($0) })
    #expect(Set(whole).count == whole.count)
    #expect(whole.contains { $0 < 0 } && whole.contains { $0 > 0 })
    #expect(Set(whole).isDisjoint(with: filled(Box(shape: shape), operand: 0)))
    let box = Box(shape.map { 1..<($0 - 1) })
    let strides = shape.indices.map { shape[($0 + 1)...].reduce(1, *) }
    // Where the box's elements are in the whole, the last dimension fastest.
    let expected = box.ranges.enumerated().reduce([0]) { offsets, next in
      offsets.flatMap { offset in next.element.map { offset + $0 * strides[next.offset] } }
    }
    #expect(filled(box) == expected.map { whole[$0] })
    #expect(filled(Box(shape.map { _ in 0..<0 })) == [])
  }

  static func bad(_ name: String, _ text: String, _ message: String) -> BadCases {
    BadCases(name: name, text: text, message: message)
  }

  struct BadCases: Sendable, CustomTestStringConvertible {
    let name: String
    let text: String
    /// After the file's name.
    let message: String
    var testDescription: String { name }
  }

  static let example = "; expected a JSON list of cases, e.g. that of cluster/cases/scaling.json"
  static let good = #"{"name": "a", "expression": "ij,jk->ik", "shapes": [[2, 3], [3, 4]]}"#
  static let badCases = [
    bad("empty", "", " is not JSON" + example),
    bad("not JSON", "[1,", " is not JSON" + example),
    bad("an object", good, " is not a list" + example),
    bad("no cases", "[]", " has no cases" + example),
    bad(
      "a number", "[\(good), 7]",
      " case 2 is not an object; expected one with the keys name, form, expression, conv, shapes, "
        + "weak"),
    bad(
      "an unknown key", "[\(good.replacing("shapes", with: "shape"))]",
      " case 1 has a key 'shape', which cases do not have; expected some of name, form, expression, "
        + "conv, shapes, weak"),
    bad(
      "no name", #"[{"expression": "i->i", "shapes": [[2]]}]"#,
      " case 1: the key 'name' is missing"),
    bad(
      "no shapes", "[\(good), \(#"{"name": "b", "expression": "i->i"}"#)]",
      " case 2: the key 'shapes' is missing"),
    bad(
      "an expression of numbers", #"[{"name": "b", "expression": 5, "shapes": [[2]]}]"#,
      " case 1: the value of 'expression' is not a text"),
    bad(
      "one shape", #"[{"name": "b", "expression": "i->i", "shapes": [2]}]"#,
      " case 1: the value of 'shapes' is not a list of shapes, one per operand, each a list of "
        + "whole numbers"),
    bad(
      "conv is a number", #"[{"name": "b", "expression": "i->i", "shapes": [[2]], "conv": 1}]"#,
      " case 1: the value of 'conv' is not a text or a list of texts, as --conv takes them"),
    bad(
      "weak is null", #"[{"name": "b", "expression": "i->i", "shapes": [[2]], "weak": null}]"#,
      " case 1: the value of 'weak' is not a text, the name of a mode"),
    bad(
      "half an index", #"[{"name": "b", "expression": "i->i", "shapes": [[2.5]]}]"#,
      " case 1: 'shapes' has an extent of 2.5; expected whole numbers from 0 on"),
    bad(
      "a negative extent", #"[{"name": "b", "expression": "i->i", "shapes": [[-2]]}]"#,
      " case 1: 'shapes' has an extent of -2.0; expected whole numbers from 0 on"),
    bad(
      "shapes that do not fit", "[\(good.replacing("[3, 4]", with: "[5, 4]"))]",
      " case 'a': …"),
    bad(
      "a broken expression", "[\(good.replacing("jk->ik", with: "jk->ix"))]", " case 'a': …"),
    bad(
      "a rule that is none",
      #"[{"name": "b", "expression": "h,h->h|h", "shapes": [[9], [3]], "conv": "h:pace=2"}]"#,
      " case 'b': …"),
    bad(
      "an unknown weak mode", "[\(good.dropLast()), \"weak\": \"m\"}]",
      " case 'a': the expression has no mode 'm' to grow; expected one of i, j, k"),
    bad(
      "a weak mode that is convolved",
      #"[{"name": "b", "expression": "h,h->h|h", "shapes": [[9], [3]], "weak": "h"}]"#,
      " case 'b': the mode 'h' is convolved, so that work does not grow with it; expected another "
        + "mode for 'weak'"),
  ]

  @Test(arguments: badCases) func whatIsWrongWithAFileIsNamed(bad: BadCases) throws {
    let folder = try TestFolder()
    try folder.write("cases.json", bad.text)
    try BadInput(
      bad.name, ["bench", "scaling", "--cases", "cases.json"],
      "convoy: error: cases.json:\(bad.message)"
    ).check(in: folder)
  }

  static let badOptions = [
    BadInput(
      "no such file", ["bench", "scaling", "--cases", "none.json"],
      "convoy: error: none.json: there is no such file" + example),
    BadInput(
      "a folder", ["bench", "scaling", "--cases", "."],
      "convoy: error: .: is a folder, a device or a pipe" + example),
    BadInput(
      "endless", ["bench", "scaling", "--cases", "/dev/zero"],
      "convoy: error: /dev/zero: is a folder, a device or a pipe" + example),
    BadInput(
      "a filter that fits none", ["bench", "scaling", "--cases", small, "--filter", "tucker"],
      "convoy: error: \(small): no case has 'tucker' in its name; there are 'matmul', …"),
    BadInput(
      "no repetitions", ["bench", "scaling", "--cases", small, "--repetitions", "0"],
      "convoy: error: --repetitions 0: expected a number from 1 to 100000…"),
    BadInput(
      "a kind that is none", ["bench", "scaling", "--cases", small, "--kind", "medium"],
      "convoy: error: the value 'medium' is invalid for '--kind <kind>'…"),
    BadInput(
      "a type that is none", ["bench", "scaling", "--cases", small, "--dtype", "float16"],
      "convoy: error: the value 'float16' is invalid for '--dtype <type>'…"),
    BadInput(
      "a machine that is not there",
      ["bench", "scaling", "--cases", small, "--machine", "none.json"],
      "convoy: error: none.json: there is no such file; 'convoy calibrate --out none.json' writes a "
        + "whole one"),
    BadInput(
      "a drawing in no folder",
      ["bench", "scaling", "--cases", small, "--svg", "/nowhere/scaling.svg"], code: 1,
      "convoy: error: cannot write into the folder /nowhere: there is no such folder"),
    BadInput(
      "no cases", ["bench", "scaling"],
      "convoy: error: missing expected argument '--cases"
        + " <file.json>'…"),
  ]

  @Test(arguments: badOptions) func badOptionsAreNamed(input: BadInput) throws {
    try input.check(in: TestFolder())
  }

  @Test func aModeThatGrowsTooFarIsAnError() {
    let entry = ScalingCase(
      name: "b", form: nil, expression: "i,i->i", conv: [], shapes: [[1 << 40], [1 << 40]],
      weak: "i")
    #expect(throws: ScalingCase.Problem.weakExtent("i", growth: 1 << 30)) {
      try entry.bound(growth: 1 << 30)
    }
  }

  /// Every series has a line in the plot and one in the legend, every point a marker; names are
  /// escaped.
  @Test func theDrawingIsXML() throws {
    let entry = ScalingCase(
      name: "a<b & \"c\" \u{1}", form: nil, expression: "mk,kn->mn", conv: [],
      shapes: [[8, 8], [8, 8]], weak: "m")
    let series = try ThreadCommunicator.run(ranks: 3) { communicator in
      try ScalingBenchmark<Float>(communicator, objective: .bytes, repetitions: 1)
        .measure(entry, [.strong, .weak])
    }
    let report = ScalingReport(
      ranks: 3, kind: "threads", dtype: "float32", objective: "bytes", machine: "standard",
      repetitions: 1, results: series[0])
    let elements = XMLCheck.elements(of: ScalingDrawing(report).svg)
    #expect(elements["svg"] == 1)
    #expect(elements["polyline"] == 2)
    #expect(elements["circle"] == 6)
    #expect(ScalingDrawing(report).svg.contains(">a&lt;b &amp; &quot;c&quot;  , weak</text>"))
    let nothing = ScalingReport(
      ranks: 3, kind: "threads", dtype: "float32", objective: "bytes", machine: "standard",
      repetitions: 1, results: [ScalingSeries(entry, .weak, points: [], skipped: [])])
    #expect(XMLCheck.elements(of: ScalingDrawing(nothing).svg)["text"] ?? 0 > 5)
  }

  @Test func helpIsThere() throws {
    let bench = try Convoy.run(["bench", "--help"], in: TestFolder())
    #expect(bench.output.contains("  scaling  "))
    let help = try Convoy.run(["bench", "scaling", "--help"], in: TestFolder())
    #expect(help.code == 0)
    for word in [
      "--cases", "--filter", "--kind", "--repetitions", "--objective", "--machine", "--dtype",
      "--json", "--svg", "t(1) / (q t(q))",
    ] {
      #expect(help.output.contains(word), "\(word)")
    }
  }
}

/// Counts the elements of an XML document by name; none where it is not well-formed.
private final class XMLCheck: NSObject, XMLParserDelegate {
  private var counts: [String: Int] = [:]

  static func elements(of text: String) -> [String: Int] {
    let check = XMLCheck()
    let parser = XMLParser(data: Data(text.utf8))
    parser.delegate = check
    return parser.parse() ? check.counts : [:]
  }

  func parser(
    _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
    qualifiedName: String?, attributes: [String: String] = [:]
  ) {
    counts[name, default: 0] += 1
  }
}
