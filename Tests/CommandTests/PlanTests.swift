import Foundation
import Testing

/// `plan`: the table and the JSON of good expressions, with costs worked out by hand.
@Suite struct PlanTests {
  struct Step: Decodable {
    var operands: [Int]
    var contraction: String
    var macs: Double
  }

  typealias Report = PlanKeys<Step, Double>

  struct Example: Sendable, CustomTestStringConvertible {
    var expression: String
    var shapes: [String]
    var options: [String] = []
    var path: [[Int]]
    var macs: Double
    var leftToRightMacs: Double
    var paperMacs: Double
    var largestIntermediate: Double

    var testDescription: String { ([expression] + shapes + options).joined(separator: " ") }
    var arguments: [String] {
      ["plan", expression] + shapes.flatMap { ["--shape", $0] } + options
    }
  }

  static let examples = [
    // Left to right 50·2·50 + 50·50·2; from the right 2·50·2 + 50·2·2.
    Example(
      expression: "ij,jk,kl->il", shapes: ["50,2", "2,50", "50,2"], path: [[1, 2], [0, 1]],
      macs: 400, leftToRightMacs: 10_000, paperMacs: 400, largestIntermediate: 100),
    // The filters first: 3·4, then 2·10·6. Left to right, the feature keeps 10 + 5 − 2 = 13 while
    // a filter is to come: 2·13·3 + 2·10·4. The paper counts the same inputs for the best order.
    Example(
      expression: "xh,h,h->xh|h", shapes: ["2,10", "3", "4"], path: [[1, 2], [0, 1]],
      macs: 132, leftToRightMacs: 158, paperMacs: 132, largestIntermediate: 20),
    // (10 − 1)/2 + 1 = 5 outputs with 3 taps in each of 2 rows; the paper counts all 10 inputs.
    Example(
      expression: "xh,h->xh|h", shapes: ["2,10", "3"], options: ["--conv", "h:stride=2"],
      path: [[0, 1]], macs: 30, leftToRightMacs: 30, paperMacs: 60, largestIntermediate: 10),
    // A mode is named without its parentheses; 10 − 2·(3 − 1) = 6 outputs.
    Example(
      expression: "(in)(pos),(out)(in)(pos)->(out)(pos)|(pos)", shapes: ["5,10", "4,5,3"],
      options: ["--conv", "pos:padding=valid,dilation=2"], path: [[0, 1]],
      macs: 4 * 5 * 6 * 3, leftToRightMacs: 360, paperMacs: 4 * 5 * 10 * 3,
      largestIntermediate: 24),
    Example(
      expression: ",->", shapes: ["", ""], path: [[0, 1]], macs: 1, leftToRightMacs: 1,
      paperMacs: 1, largestIntermediate: 1),
  ]

  @Test(arguments: examples) func theJSONHasTheNumbersWorkedOutByHand(example: Example) throws {
    let report = try Self.report(example.arguments)
    #expect(report.expression == example.expression)
    #expect(report.path == example.path)
    #expect(report.macs == example.macs)
    // Every operand needs a gradient, so every step has two adjoints of its size.
    #expect(report.trainingMacs == 3 * example.macs)
    #expect(report.leftToRightMacs == example.leftToRightMacs)
    #expect(report.largestIntermediate == example.largestIntermediate)
    #expect(report.ranks == 1)
    #expect(report.bytesReceivedPerRank == [0])
    #expect(report.steps.map(\.macs).reduce(0, +) == example.macs)
    #expect(report.steps.count == example.path.count)
    #expect(report.cost == example.macs)
    #expect(!report.hash.isEmpty)
    #expect(
      try Self.report(example.arguments + ["--cost", "paper"]).cost == example.paperMacs)
  }

  @Test func leftToRightIsWhatItSays() throws {
    for example in Self.examples {
      let report = try Self.report(example.arguments + ["--optimizer", "left-to-right"])
      #expect(report.optimizer == "left-to-right")
      #expect(report.macs == example.leftToRightMacs)
      #expect(report.leftToRightMacs == example.leftToRightMacs)
    }
  }

  /// Operands of 4·(6 + 12) bytes and a result of 4·8, all there at the end of the one step; with
  /// `--training` their gradients, of the same sizes, too.
  @Test func thePeakIsInBytesOfTheElementType() throws {
    let arguments = ["plan", "ij,jk->ik", "--shape", "2,3", "--shape", "3,4"]
    #expect(try Self.report(arguments).peakBytesPerRank == [4 * (6 + 12 + 8)])
    #expect(
      try Self.report(arguments + ["--dtype", "float64"]).peakBytesPerRank == [8 * (6 + 12 + 8)])
    let training = try Self.report(arguments + ["--training"]).peakBytesPerRank
    #expect(training.count == 1 && training[0] >= 4 * (6 + 12 + 8) + 4 * (6 + 12))
  }

  /// The example; with hundreds of operands, `greedy` still answers within seconds.
  @Test func theSameQuestionGetsTheSameBytes() throws {
    let folder = try TestFolder()
    let paper = [
      "plan", "ijk,jl,lmq,njpq->ijknp|j", "--shape", "4,7,9", "--shape", "10,5", "--shape",
      "5,4,2", "--shape", "6,8,9,2", "--json",
    ]
    let chain = (0..<200).map { "(m\($0))(m\($0 + 1))" }.joined(separator: ",")
    let shapes = (0..<200).flatMap { ["--shape", "\(2 + $0 % 3),\(2 + ($0 + 1) % 3)"] }
    let large = ["plan", chain + "->(m0)(m200)", "--optimizer", "greedy", "--json"] + shapes
    for arguments in [paper, large] {
      let first = try Convoy.run(arguments, in: folder)
      #expect(first.code == 0, "it says: \(first.errors)")
      #expect(first.errors == "")
      #expect(try Convoy.run(arguments, in: folder).output == first.output)
    }
  }

  /// Twelve vectors of 1,000 elements, each twice: from left to right all twelve modes meet in one
  /// tensor of 10³⁶ elements, which can be planned and sized, though never run.
  @Test func whatNoMachineCanRunCanStillBePlanned() throws {
    let modes = (0..<12).map { "(m\($0))" }
    let expression = (modes + modes).joined(separator: ",") + "->"
    let arguments =
      ["plan", expression, "--optimizer", "left-to-right"]
      + (0..<24).flatMap { _ in ["--shape", "1000"] }
    let report = try Self.report(arguments)
    #expect(report.largestIntermediate == 1e36)
    // The largest, and the one it was made from.
    let peak = try #require(report.peakBytesPerRank.first)
    #expect(abs(peak / 4.004e36 - 1) < 1e-3)
    let table = try Convoy.run(arguments, in: TestFolder())
    #expect(table.output.contains("peak memory     at least 4.00e36 bytes"))
  }

  @Test func aFilterTooLongToWalkIsPlannedAtOnce() throws {
    let arguments = ["plan", "i,i->i|i", "--shape", "1000000000", "--shape", "1000000000"]
    let report = try Self.report(arguments)
    #expect(report.macs == 1e18)
    #expect(report.peakBytesPerRank == [12e9])
    // As a whole number, for readers that want integers.
    let text = try Convoy.run(arguments + ["--json"], in: TestFolder()).output
    #expect(text.contains("\"macs\" : 1000000000000000000"))
  }

  /// Shapes are taken as they are printed.
  @Test(arguments: [("2x3", "scalar"), ("2×3", ""), ("2X3", " scalar "), ("2, 3", "scalar")])
  func aShapeIsTakenAsPlansPrintIt(shape: String, scalar: String) throws {
    func output(_ shape: String, _ scalar: String) throws -> String {
      let run = try Convoy.run(
        ["plan", "ij,->ij", "--shape", shape, "--shape", scalar], in: TestFolder())
      #expect(run.code == 0, "it says: \(run.errors)")
      return run.output
    }
    let table = try output(shape, scalar)
    #expect(try table == output("2,3", ""))
    #expect(table.contains("shapes          2x3 scalar\n"))
  }

  @Test func theTableIsForPeople() throws {
    let arguments = [
      "plan", "xh,h,h->xh|h", "--shape", "2,1000", "--shape", "3", "--shape", "4", "--cost",
      "paper",
    ]
    let run = try Convoy.run(arguments, in: TestFolder())
    #expect(run.code == 0)
    #expect(run.errors == "")
    // The hash is the plan's own business, the estimate the kernels'.
    let hash = try Regex("hash            [0-9a-f]{16}\n")
    let time = try Regex("[0-9]+\\.[0-9]{2} [mµn]s, one")
    #expect(
      run.output.replacing(hash, with: "").replacing(time, with: "_, one") == """
        expression      xh,h,h->xh|h
        shapes          2x1000 3 4
        result          2x1000
        optimizer       optimal
        macs            12,012, with gradients 36,036
        left to right   14,018, 1.17 times as many
        paper's count   12,012
        largest result  2,000 elements

        step  values    macs  share  elements  contraction
           3  1,2         12    0 %         6  h,h->h|h
           4  0,3     12,000  100 %     2,000  xh,h->xh|h
        peak memory     16,052 bytes (float32, one process)
        estimated time  _, one thread
        cost            12,012 (the paper's count)

        """)
  }

  static func report(_ arguments: [String]) throws -> Report {
    let run = try Convoy.run(arguments + ["--json"], in: TestFolder())
    #expect(run.code == 0, "it says: \(run.errors)")
    #expect(run.errors == "")
    return try JSONDecoder().decode(Report.self, from: Data(run.output.utf8))
  }
}
