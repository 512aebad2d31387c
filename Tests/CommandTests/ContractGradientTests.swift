import Foundation
import Testing

/// `contract --result-gradient G.npy --gradients PREFIX`: result and gradients are what the definition
/// says, in plain loops (`Tests/python/oracle.py`), and bytes and peak of both passes are what was
/// predicted.
///
/// Operands hold small integers, of which every order of evaluation makes the same sums exactly.
@Suite(
  .enabled(
    if: Python.hasNumpy,
    "'\(Python.interpreter)' cannot import numpy: install it, or set CONVOY_PYTHON to one that can."
  ))
struct ContractGradientTests {
  typealias Example = DistributedContractTests.Example

  static let examples: [(example: Example, resultShape: [Int])] = [
    (Example(expression: "ij,jk->ik", shapes: [[7, 5], [5, 6]]), [7, 6]),
    (Example(expression: "ijk->ki", shapes: [[3, 4, 5]]), [5, 3]),
    (Example(expression: "iij->j", shapes: [[4, 4, 3]]), [3]),
    (Example(expression: ",i->i", shapes: [[], [5]]), [5]),
    (Example(expression: "i,i->", shapes: [[13], [13]]), []),
    (
      Example(expression: "ab,bc,cd,da->bd", shapes: [[3, 4], [4, 2], [2, 5], [5, 3]]), [4, 5]
    ),
    // One operand to four on a mode.
    (
      Example(
        expression: "bh->bh|h", shapes: [[2, 9]], rules: ["h:stride=2,padding=1:2"]), [2, 6]
    ),
    (
      Example(
        expression: "bshw,tshw->bthw|hw", shapes: [[2, 2, 7, 6], [3, 2, 3, 2]],
        rules: ["h:stride=2,kind=correlation", "w:padding=1:2,dilation=2"]), [2, 3, 4, 7]
    ),
    (
      Example(
        expression: "xh,h,h->xh|h", shapes: [[3, 11], [4], [2]], rules: ["h:padding=full,stride=3"]),
      [3, 5]
    ),
    (
      Example(
        expression: "ah,ah,h,ah->ah|h", shapes: [[2, 9], [2, 3], [2], [2, 2]],
        rules: ["h:dilation=2,padding=3:4,kind=correlation"]), [2, 8]
    ),
    (
      Example(
        expression: "bshw,rt,rs,rh,rw->bthw|hw",
        shapes: [[2, 2, 5, 4], [2, 3], [2, 2], [2, 3], [2, 3]], rules: ["*:kind=correlation"]),
      [2, 3, 5, 4]
    ),
    // Around a circle.
    (
      Example(expression: "bh,h->bh|h", shapes: [[2, 9], [4]], rules: ["h:boundary=circular"]),
      [2, 9]
    ),
    (
      Example(
        expression: "bhw,hw,h->bw|hw", shapes: [[2, 5, 6], [3, 2], [2]],
        rules: ["*:boundary=circular,padding=wrap,stride=2,dilation=2"]), [2, 3]
    ),
    (
      Example(
        expression: "h,h,h,h->h|h", shapes: [[8], [3], [2], [2]],
        rules: ["h:boundary=circular,padding=wrap,kind=correlation"]), [8]
    ),
  ]

  /// What `oracle.py gradients` reads of one run.
  struct OracleRun: Encodable {
    let text: String
    let options: [String]
    let operands: [String]
    let resultGradient: String
    let result: String
    let gradients: [String]
  }

  /// Compares all runs with the definition.
  static func compare(_ runs: [OracleRun], in folder: TestFolder) throws {
    try folder.write("runs.json", JSONEncoder().encode(runs))
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("python/oracle.py").path
    #expect(
      try Python.run(
        """
        import pathlib, runpy
        oracle = runpy.run_path('\(script)')
        oracle['compare'](pathlib.Path('runs.json').absolute())
        """, in: folder) == "equal\n")
  }

  private static func writeInputs(
    _ example: Example, _ resultShape: [Int], in folder: TestFolder, _ element: Npy.Element
  ) throws -> (operands: [String], resultGradient: String) {
    let files = try DistributedContractTests.write(
      example.shapes + [resultShape], in: folder, element)
    return (Array(files.dropLast()), files[files.count - 1])
  }

  @Test(arguments: [1, 2, 3, 4], Npy.Element.allCases)
  func gradientsAreThoseOfTheDefinition(ranks: Int, element: Npy.Element) throws {
    let folders = try Self.examples.map { _ in try TestFolder() }
    var runs: [OracleRun] = []
    for ((example, resultShape), folder) in zip(Self.examples, folders) {
      let (files, gradient) = try Self.writeInputs(example, resultShape, in: folder, element)
      let rules = example.rules.flatMap { ["--conv", $0] }
      let run = try Convoy.run(
        ["contract", example.expression] + files + rules
          + ["--out", "y.npy", "--result-gradient", gradient, "--gradients", "g"]
          + ["--ranks", "\(ranks)", "--objective", "bytes", "--report", "report.json"], in: folder)
      try #require(run.code == 0, "\(example): \(run.errors)")
      #expect(run.output + run.errors == "")
      let gradients = files.indices.map { "g-\($0).npy" }
      #expect(
        folder.names == (files + gradients + [gradient, "report.json", "y.npy"]).sorted())
      func absolute(_ name: String) -> String { "\(folder.path)/\(name)" }
      runs.append(
        OracleRun(
          text: example.expression, options: example.rules, operands: files.map(absolute),
          resultGradient: absolute(gradient), result: absolute("y.npy"),
          gradients: gradients.map(absolute)))
      let report = try DistributedContractTests.report(folder)
      #expect(report.ranks == ranks)
      #expect(report.predicted == report.measured, "\(example)")
      // `plan`, which needs no files, says the same of both passes.
      let plan = try DistributedPlanTests.report(
        ["plan", example.expression, "--ranks", "\(ranks)", "--objective", "bytes", "--training"]
          + ["--dtype", element == .float32 ? "float32" : "float64"] + rules
          + example.shapes.flatMap { ["--shape", $0.map(String.init).joined(separator: ",")] })
      #expect(plan.bytesReceivedPerRank == report.measured.bytesReceivedPerRank, "\(example)")
      #expect(plan.peakBytesPerRank == report.measured.peakBytesPerRank, "\(example)")
      #expect(plan.hash == report.hash)
    }
    // One process for all of them.
    try Self.compare(runs, in: folders[0])
  }

  /// Without options that only distributed plans know, in one process.
  @Test func oneProcessNeedsNoFurtherOptions() throws {
    let folder = try TestFolder()
    let example = Example(expression: "h,h->h|h", shapes: [[17], [4]])
    let (files, gradient) = try Self.writeInputs(example, [17], in: folder, .float64)
    let run = try Convoy.run(
      ["contract", "h,h->h|h"] + files
        + ["--out", "y.npy", "--result-gradient", gradient, "--gradients", "g"], in: folder)
    #expect(run.code == 0, "it says: \(run.errors)")
    try Self.compare(
      [
        OracleRun(
          text: "h,h->h|h", options: [], operands: files, resultGradient: gradient,
          result: "y.npy", gradients: ["g-0.npy", "g-1.npy"])
      ], in: folder)
  }

  /// Intermediates and gradients larger than operands: with little more than what must be there, some
  /// mode runs in slices forward and back.
  @Test(arguments: [1, 2, 4])
  func withinALimitOfMemoryBothPassesRunInSlices(ranks: Int) throws {
    let folder = try TestFolder()
    let example = Example(expression: "bi,ij,jk->bk", shapes: [[24, 4], [4, 32], [32, 3]])
    let (files, gradient) = try Self.writeInputs(example, [24, 3], in: folder, .float64)
    let start =
      ["contract", example.expression, "--optimizer", "left-to-right"] + files
      + ["--result-gradient", gradient, "--ranks", "\(ranks)", "--objective", "bytes"]
    let free = try Convoy.run(
      start + ["--out", "y.npy", "--gradients", "free", "--report", "report.json"], in: folder)
    try #require(free.code == 0, "it says: \(free.errors)")
    let peak = try DistributedContractTests.report(folder).measured.peakBytesPerRank.max() ?? 0
    let limit = peak * 6 / 10
    let run = try Convoy.run(
      start + ["--out", "z.npy", "--gradients", "limited", "--report", "report.json"]
        + ["--memory", "\(limit)"], in: folder)
    try #require(run.code == 0, "it says: \(run.errors)")
    let report = try DistributedContractTests.report(folder)
    #expect(report.predicted == report.measured)
    #expect(report.measured.peakBytesPerRank.allSatisfy { $0 <= limit })
    try Self.compare(
      [("y.npy", "free"), ("z.npy", "limited")].map { result, prefix in
        OracleRun(
          text: example.expression, options: [], operands: files, resultGradient: gradient,
          result: result, gradients: files.indices.map { "\(prefix)-\($0).npy" })
      }, in: folder)
    let table = try Convoy.run(
      ["plan", example.expression, "--optimizer", "left-to-right", "--training"]
        + example.shapes.flatMap { ["--shape", $0.map(String.init).joined(separator: ",")] }
        + ["--dtype", "float64", "--ranks", "\(ranks)", "--objective", "bytes"]
        + ["--memory", "\(limit)"], in: folder)
    #expect(table.output.contains("slices"), "it says: \(table.output)\(table.errors)")
  }

  @Test func theTraceShowsBothPasses() throws {
    let folder = try TestFolder()
    let example = Example(expression: "ij,jk->ik", shapes: [[6, 4], [4, 5]])
    let (files, gradient) = try Self.writeInputs(example, [6, 5], in: folder, .float32)
    let run = try Convoy.run(
      ["contract", "ij,jk->ik"] + files + ["--out", "y.npy", "--trace", "trace.json"]
        + ["--result-gradient", gradient, "--gradients", "g"], in: folder)
    #expect(run.code == 0, "it says: \(run.errors)")
    // One product forward, two back, one after the other.
    struct Trace: Decodable {
      struct Event: Decodable {
        var ph: String
        var cat: String?
        var ts: Double?
        var dur: Double?
      }
      var traceEvents: [Event]
    }
    let trace = try JSONDecoder().decode(Trace.self, from: folder.bytes("trace.json"))
    let products = trace.traceEvents.filter { $0.cat == "compute" }
    #expect(products.count == 3)
    for (event, next) in zip(products, products.dropFirst()) {
      #expect((event.ts ?? 0) + (event.dur ?? 0) <= (next.ts ?? 0) + 1e-3)
    }
  }

  struct Refusal: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let arguments: [String]
    let message: String
  }

  static let refusals = [
    Refusal(
      testDescription: "no prefix", arguments: ["--result-gradient", "2.npy"],
      message: "--result-gradient without --gradients"),
    Refusal(
      testDescription: "no gradient of the result", arguments: ["--gradients", "g"],
      message: "--gradients without --result-gradient"),
    Refusal(
      testDescription: "another shape",
      arguments: ["--result-gradient", "0.npy", "--gradients", "g"],
      message: "--result-gradient 0.npy has shape [6, 4], but the result of 'ij,jk->ik' has [6, 5]"),
    Refusal(
      testDescription: "another type",
      arguments: ["--result-gradient", "double.npy", "--gradients", "g"],
      message: "0.npy holds float32, double.npy holds float64"),
    Refusal(
      testDescription: "no such file",
      arguments: ["--result-gradient", "none.npy", "--gradients", "g"], message: "none.npy"),
    Refusal(
      testDescription: "a gradient in the place of the report",
      arguments: ["--result-gradient", "2.npy", "--gradients", "g", "--report", "g-1.npy"],
      message: "--gradients g-1.npy would replace --report, g-1.npy"),
    Refusal(
      testDescription: "a gradient in the place of the result",
      arguments: ["--result-gradient", "2.npy", "--gradients", "./y"],
      message: "--gradients ./y-0.npy would replace --out, y-0.npy"),
    Refusal(
      testDescription: "no such folder",
      arguments: ["--result-gradient", "2.npy", "--gradients", "none/g"],
      message: "cannot write into the folder"),
  ]

  @Test(arguments: refusals) func whatCannotBeIsRefusedBeforeAnyWork(refusal: Refusal) throws {
    let folder = try TestFolder()
    let example = Example(expression: "ij,jk->ik", shapes: [[6, 4], [4, 5]])
    let (files, _) = try Self.writeInputs(example, [6, 5], in: folder, .float32)
    try folder.write(
      "double.npy",
      Npy.file(
        .init(
          element: .float64, isFortranOrder: false, shape: [6, 5],
          elements: Array(repeating: 1, count: 30))))
    let before = folder.names
    let run = try Convoy.run(
      ["contract", "ij,jk->ik"] + files + ["--out", "y-0.npy"] + refusal.arguments, in: folder)
    #expect(run.code == (refusal.testDescription == "no such folder" ? 1 : 64), "\(run.errors)")
    #expect(run.errors.contains(refusal.message), "it says: \(run.errors)")
    #expect(run.output == "")
    #expect(folder.names == before)
  }
}
