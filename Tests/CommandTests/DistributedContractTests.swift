import Foundation
import Testing

/// `contract --ranks P`: threads of one process as ranks, against one rank, and against `plan`.
///
/// Operands hold small integers, of which every order of evaluation makes the same sums exactly, so
/// results compare byte by byte.
@Suite struct DistributedContractTests {
  struct Example: Sendable, CustomTestStringConvertible {
    let expression: String
    let shapes: [[Int]]
    var rules: [String] = []

    var testDescription: String { ([expression] + rules).joined(separator: " ") }
  }

  static let examples = [
    Example(expression: "ij,jk->ik", shapes: [[17, 23], [23, 13]]),
    Example(expression: "ab,bc,cd->ad", shapes: [[7, 11], [11, 5], [5, 9]]),
    Example(expression: "ijk,jr,kr->ir", shapes: [[6, 7, 8], [7, 3], [8, 3]]),
    Example(
      expression: "bshw,rt,rs,rh,rw->bthw|hw",
      shapes: [[4, 3, 9, 8], [2, 5], [2, 3], [2, 3], [2, 3]], rules: ["*:kind=correlation"]),
    Example(
      expression: "bshw,tshw->bthw|hw", shapes: [[3, 4, 11, 10], [5, 4, 3, 3]],
      rules: ["h:stride=2,kind=correlation", "w:padding=1:2,dilation=2"]),
    Example(
      expression: "bh,h->bh|h", shapes: [[2, 13], [4]], rules: ["h:boundary=circular"]),
    Example(expression: "xh,h,h->xh|h", shapes: [[3, 19], [5], [2]], rules: ["h:padding=full"]),
    // Scalars, as results and as operands.
    Example(expression: "i,i->", shapes: [[29], [29]]),
    Example(expression: ",i->i", shapes: [[], [5]]),
    Example(expression: "->", shapes: [[]]),
    // Steps of one operand.
    Example(expression: "ijk->ki", shapes: [[5, 4, 6]]),
    Example(expression: "iij->j", shapes: [[5, 5, 9]]),
    Example(expression: "...i,i->...", shapes: [[3, 1, 8], [8]]),
    // Fewer of everything than ranks; and nothing at all.
    Example(expression: "ij,jk->ik", shapes: [[2, 1], [1, 3]]),
    Example(expression: "ij,jk->ik", shapes: [[2, 0], [0, 2]]),
  ]

  struct Report: Decodable {
    struct Bytes: Decodable, Equatable {
      var bytesReceivedPerRank: [Int]
      var peakBytesPerRank: [Int]
    }

    struct Step: Decodable {
      var contraction: String
      var computeSeconds: Double
      var communicationSeconds: Double
    }

    var ranks: Int
    var seconds: Double
    var predicted: Bytes
    var measured: Bytes
    var highWaterBytesPerRank: [Int]
    var steps: [Step]
    var hash: String
  }

  /// Writes −2 … 2, in either order of elements in the file, and returns the files' names.
  static func write(
    _ shapes: [[Int]], in folder: TestFolder, _ element: Npy.Element = .float32,
    isFortranOrder: Bool = false
  ) throws -> [String] {
    try shapes.enumerated().map { operand, shape in
      let elements = (0..<shape.reduce(1, *)).map { Double(($0 * 7 + operand * 3) % 11 % 5 - 2) }
      try folder.write(
        "\(operand).npy",
        Npy.file(
          .init(
            element: element, isFortranOrder: isFortranOrder, shape: shape, elements: elements)))
      return "\(operand).npy"
    }
  }

  static func report(_ folder: TestFolder) throws -> Report {
    try JSONDecoder().decode(Report.self, from: folder.bytes("report.json"))
  }

  @Test(arguments: examples, [2, 3, 5, 8])
  func manyRanksGiveTheBitsOfOne(example: Example, ranks: Int) throws {
    for (element, isFortranOrder) in [(Npy.Element.float32, false), (.float64, true)] {
      let folder = try TestFolder()
      let files = try Self.write(
        example.shapes, in: folder, element, isFortranOrder: isFortranOrder)
      let rules = example.rules.flatMap { ["--conv", $0] }
      let arguments = ["contract", example.expression] + files + rules
      let one = try Convoy.run(arguments + ["--out", "one.npy"], in: folder)
      try #require(one.code == 0, "it says: \(one.errors)")
      let many = try Convoy.run(
        arguments + ["--ranks", "\(ranks)", "--objective", "bytes", "--out", "many.npy"]
          + ["--report", "report.json"], in: folder)
      try #require(many.code == 0, "it says: \(many.errors)")
      #expect(many.output + many.errors == "")
      #expect(folder.names == (files + ["many.npy", "one.npy", "report.json"]).sorted())
      #expect(try folder.bytes("many.npy") == folder.bytes("one.npy"))

      let report = try Self.report(folder)
      #expect(report.ranks == ranks)
      #expect(report.seconds > 0)
      #expect(report.predicted == report.measured)
      #expect(report.measured.bytesReceivedPerRank.count == ranks)
      #expect(report.measured.peakBytesPerRank.count == ranks)
      // The ranks' buffers are in one process.
      let held = report.measured.peakBytesPerRank.max() ?? 0
      #expect(report.highWaterBytesPerRank.count == ranks)
      #expect(report.highWaterBytesPerRank.allSatisfy { $0 > held })
      // `plan`, which needs no files, says the same.
      let plan = try DistributedPlanTests.report(
        ["plan", example.expression, "--ranks", "\(ranks)", "--objective", "bytes"]
          + ["--dtype", element == .float32 ? "float32" : "float64"] + rules
          + example.shapes.flatMap { ["--shape", $0.map(String.init).joined(separator: ",")] })
      #expect(plan.bytesReceivedPerRank == report.measured.bytesReceivedPerRank)
      #expect(plan.peakBytesPerRank == report.measured.peakBytesPerRank)
      #expect(plan.hash == report.hash)
      #expect(plan.steps.map(\.contraction) == report.steps.map(\.contraction))
    }
  }

  /// For time one rank is best, and the others stay idle; for work it is all of them.
  @Test(arguments: ["time", "macs"]) func anyObjectiveGivesTheSameResult(objective: String) throws {
    let folder = try TestFolder()
    let files = try Self.write([[8, 8], [8, 8]], in: folder)
    let arguments = ["contract", "ij,jk->ik"] + files
    #expect(try Convoy.run(arguments + ["--out", "one.npy"], in: folder).code == 0)
    let run = try Convoy.run(
      arguments + ["--ranks", "4", "--objective", objective, "--out", "many.npy"]
        + ["--report", "report.json"], in: folder)
    #expect(run.code == 0, "it says: \(run.errors)")
    #expect(try folder.bytes("many.npy") == folder.bytes("one.npy"))
    let report = try Self.report(folder)
    #expect(report.predicted == report.measured)
    let idle = report.measured.peakBytesPerRank.count { $0 == 0 }
    #expect(idle == (objective == "time" ? 3 : 0))
  }

  @Test func theResultDoesNotReplaceAnOperand() throws {
    let folder = try TestFolder()
    let files = try Self.write([[6, 6], [6, 6]], in: folder)
    try BadInput(
      "on ranks", ["contract", "ij,jk->ik"] + files + ["--out", "0.npy", "--ranks", "3"],
      "convoy: error: --out 0.npy would replace operand 0, 0.npy; give it another name"
    ).check(in: folder)
  }

  private struct Trace: Decodable {
    struct Event: Decodable {
      struct Arguments: Decodable { var name: String }

      var name: String
      var ph: String
      var tid: Int
      var cat: String?
      var ts: Double?
      var dur: Double?
      var args: Arguments?
    }

    var traceEvents: [Event]
  }

  @Test(arguments: [1, 3]) func aTraceHasARowPerRank(ranks: Int) throws {
    let folder = try TestFolder()
    let files = try Self.write([[24, 24], [24, 24]], in: folder)
    let run = try Convoy.run(
      ["contract", "ij,jk->ik"] + files + ["--ranks", "\(ranks)", "--objective", "bytes"]
        + ["--out", "c.npy", "--trace", "trace.json"], in: folder)
    #expect(run.code == 0, "it says: \(run.errors)")
    let events = try JSONDecoder().decode(Trace.self, from: folder.bytes("trace.json")).traceEvents
    let rows = events.filter { $0.ph == "M" }
    #expect(rows.map(\.tid) == Array(0..<ranks))
    #expect(rows.map(\.args?.name) == (0..<ranks).map { "rank \($0)" })
    let spans = events.filter { $0.ph == "X" }
    #expect(rows.count + spans.count == events.count)
    #expect(spans.allSatisfy { ($0.ts ?? -1) >= 0 && ($0.dur ?? -1) >= 0 && !$0.name.isEmpty })
    for rank in 0..<ranks {
      let kinds = Set(spans.filter { $0.tid == rank }.map(\.cat))
      #expect(kinds == (ranks == 1 ? ["compute"] : ["compute", "communication"]))
    }
  }
}
