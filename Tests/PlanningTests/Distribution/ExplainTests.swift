import Partitioning
import Testing

@testable import Planning

/// What a plan says about itself, against what was worked out by hand and what the search counted.
@Suite struct ExplainTests {
  static func plan(
    _ text: String, _ shapes: [[Int]], ranks: Int, _ objective: Objective = .bytes,
    rules: ConvRules = ConvRules()
  ) throws -> DistributedPlan {
    try DistributedPlan(
      BoundExpression(text, shapes: shapes, rules: rules),
      options: .init(ranks: ranks, objective: objective))
  }

  /// 64³ on 2 × 2 × 2 ranks: each needs 32 × 32 of either operand and has half of it, and receives
  /// half of its 32 × 32 terms of the result.
  @Test func theProductOnACubeOfRanks() throws {
    let plan = try Self.plan("ij,jk->ik", [[64, 64], [64, 64]], ranks: 8)
    let explanation = PlanExplanation(plan, machine: .standard, elementBytes: 4)
    let half = Double(4 * 32 * 32 / 2)
    let step = try #require(explanation.steps.first)
    #expect(explanation.steps.count == 1)
    #expect(step.contraction == "ij,jk->ik")
    #expect(step.grid == "i2 j2 k2")
    #expect(step.operands == ["i/2 j/2 ×2", "j/2 k/2 ×2"])
    #expect(step.macs == 32 * 32 * 32)
    #expect(step.operandBytes == [half, half])
    #expect(step.bytesOut == half)
    #expect(abs(step.lowerBoundBytes - 3 * half) < 1e-6)
    #expect(step.tensorBytes == 3 * 4 * 32 * 32)
    #expect(explanation.receivedBytes == Array(repeating: 3 * 4 * 32 * 32 / 2, count: 8))
    // Three messages of half a box each, inside one node; 32³ multiply-adds take longer than their
    // 3 · 32 · 32 elements take from memory.
    let machine = MachineModel.standard
    let computing = max(
      2 * step.macs / machine.flopsPerSecond, step.tensorBytes / machine.memoryBytesPerSecond)
    let link = machine.insideNode
    let messages = 3 * (link.latencySeconds + half / link.bytesPerSecond)
    #expect(abs(step.seconds - computing - messages) < 1e-12)
    #expect(explanation.summary == nil)
  }

  @Test func elementsOfEightBytesCountTwice() throws {
    let plan = try Self.plan("ij,jk->ik", [[64, 64], [64, 64]], ranks: 8)
    let single = PlanExplanation(plan, machine: .standard, elementBytes: 4)
    let double = PlanExplanation(plan, machine: .standard, elementBytes: 8)
    #expect(double.receivedBytes == single.receivedBytes.map { 2 * $0 })
    #expect(double.steps[0].bytesIn == 2 * single.steps[0].bytesIn)
    #expect(double.steps[0].lowerBoundBytes == 2 * single.steps[0].lowerBoundBytes)
    #expect(double.steps[0].macs == single.steps[0].macs)
  }

  /// The steps add up to what the search made least, for each objective.
  @Test(arguments: 0..<40) func theStepsAddUpToTheCost(seed: Int) throws {
    let expression = DistributionExamples.random(operands: 2 + seed % 3, modes: 2...4, seed: seed)
    let ranks = [2, 3, 4, 6, 8][seed % 5]
    for objective in Objective.allCases {
      let plan = try DistributedPlan(
        expression, options: .init(ranks: ranks, objective: objective))
      let steps = PlanExplanation(plan, machine: .standard, elementBytes: 4).steps
      let sum = steps.reduce(0) { sum, step in
        switch objective {
        case .macs: sum + step.macs
        case .bytes: sum + step.bytesIn + step.bytesOut
        case .time: sum + step.seconds
        }
      }
      #expect(
        abs(sum - plan.search.cost) <= 1e-9 * plan.search.cost,
        "\(DistributionExamples.text(expression)) on \(ranks) for \(objective)")
    }
  }

  @Test(arguments: 0..<40) func everyRankReceivesWhatThePlanSays(seed: Int) throws {
    let expression = DistributionExamples.random(operands: 2 + seed % 3, modes: 2...4, seed: seed)
    let plan = try DistributedPlan(
      expression, options: .init(ranks: 2 + seed % 7, objective: .time))
    let explanation = PlanExplanation(plan, machine: .standard, elementBytes: 4)
    #expect(
      explanation.receivedBytes == (0..<plan.ranks).map { 4 * plan.receivedElements(by: $0) })
    // What the busiest ranks of the movements receive, no rank exceeds.
    let most = explanation.steps.reduce(0) { $0 + $1.bytesIn + $1.bytesOut }
    #expect(Double(explanation.receivedBytes.max() ?? 0) <= most)
  }

  /// 6 rows in 3 slices on 2 ranks that cut the columns: 2 · 4 · 5 multiply-adds a slice each.
  @Test func slicesAddUp() throws {
    let bound = try BoundExpression("ij,jk->ik", shapes: [[6, 4], [4, 10]])
    var options = DistributionOptions(ranks: 2, objective: .bytes)
    options.slices = .init(mode: 0, count: 3)
    let plan = try DistributedPlan(bound, options: options)
    let explanation = PlanExplanation(plan, machine: .standard, elementBytes: 4)
    let step = try #require(explanation.steps.first)
    #expect(step.slices == 3)
    #expect(step.macs == 6 * 4 * 10 / 2)
    #expect(step.grid.hasPrefix("i3"))
    #expect(
      explanation.receivedBytes == (0..<2).map { 4 * plan.receivedElements(by: $0) })
    #expect(
      explanation.description.contains("\nslices          mode i in 3, one after the other\n"))
    #expect(explanation.description.contains("ij,jk->ik, once per slice"))
  }

  struct Scheme: Sendable, CustomTestStringConvertible {
    let text: String
    let shapes: [[Int]]
    let ranks: Int
    let objective: Objective
    let summary: String?

    var testDescription: String { "\(text) of \(shapes) on \(ranks)" }
  }

  static let schemes = [
    Scheme(
      text: "ij,jk->ik", shapes: [[8, 8], [8, 8]], ranks: 64, objective: .time,
      summary: "one rank is best: communication would cost more than it saves; ranks 1 to 63 stay "
        + "idle"),
    Scheme(
      text: "ij,jk->ik", shapes: [[8, 8], [8, 8]], ranks: 2, objective: .time,
      summary: "one rank is best: communication would cost more than it saves; rank 1 stays idle"),
    Scheme(
      text: "bi,io->bo", shapes: [[65536, 64], [64, 64]], ranks: 16, objective: .bytes,
      summary: "data parallel: mode b is cut over all 16 ranks in every step that has it; only "
        + "operand 1 travels"),
    Scheme(
      text: "b,b->b", shapes: [[4096], [4096]], ranks: 8, objective: .bytes,
      summary: "data parallel: mode b is cut over all 8 ranks in every step that has it; nothing "
        + "travels"),
    // The rows of an image go to different ranks, which is no data parallelism.
    Scheme(
      text: "h,h->h|h", shapes: [[4096], [3]], ranks: 4, objective: .bytes, summary: nil),
    Scheme(
      text: "ij,jk->ik", shapes: [[8, 8], [8, 8]], ranks: 1, objective: .time, summary: nil),
    Scheme(
      text: "ij,jk->ik", shapes: [[512, 512], [512, 512]], ranks: 8, objective: .bytes,
      summary: nil),
  ]

  @Test(arguments: schemes) func knownSchemesAreCalledByTheirName(_ scheme: Scheme) throws {
    let plan = try Self.plan(
      scheme.text, scheme.shapes, ranks: scheme.ranks, scheme.objective)
    let explanation = PlanExplanation(plan, machine: .standard, elementBytes: 4)
    #expect(explanation.summary == scheme.summary)
    let line = scheme.summary.map { "\nin short        \($0)\n" }
    #expect(explanation.description.contains("in short") == (line != nil))
    if let line { #expect(explanation.description.contains(line)) }
  }

  @Test func layoutsAreWrittenDown() throws {
    let plan = try Self.plan("ij,jk->ik", [[64, 64], [64, 64]], ranks: 8)
    let mesh = Mesh(axes: [2, 3, 5])
    func text(_ axes: [[Int]], partial: [Int] = []) -> String {
      plan.layoutText(
        Layout(shape: [64, 64], mesh: mesh, axes: axes, partialAxes: partial), modes: [0, 2])
    }
    #expect(text([[0, 1], [2]]) == "i/6 k/5")
    #expect(text([[], [1]], partial: [0]) == "k/3 +2 ×5")
    #expect(text([[], []]) == "×30")
    let alone = Layout.replicated([64, 64], mesh: Mesh(axes: []))
    #expect(plan.layoutText(alone, modes: [0, nil]) == "whole")
    let broadcast = Layout(shape: [1, 64], mesh: mesh, axes: [[0], []])
    #expect(plan.layoutText(broadcast, modes: [nil, 2]) == "1/2 ×15")
  }

  /// The hash apart, the whole of a table.
  @Test func theTableOfAProduct() throws {
    let plan = try Self.plan("ij,jk->ik", [[64, 64], [64, 64]], ranks: 8)
    let hash = plan.hashText
    #expect(hash.count == 16)
    #expect(
      plan.description.replacing(hash, with: "HASH") == """
        expression      ij,jk->ik
        shapes          64x64 64x64
        result          64x64
        optimizer       optimal
        macs            262,144, with gradients 786,432
        left to right   262,144, 1.00 times as many
        paper's count   262,144
        largest result  4,096 elements
        hash            HASH
        ranks           8, mesh 2×2×2
        objective       bytes, 6,144 received by the busiest rank of every step
        search          exact: no order and no grid is better
        lower bound     the cost is 1.00 times the sum of the steps' own bounds
        bytes received  at most 6,144 on a rank, at least 6,144, 49,152 in all
        operands start  0: i/4 j/2
                        1: j/4 k/2
        result ends     i/4 k/2

        step  values  grid      result     macs  bytes in  bytes out     time  bound  ratio  contraction
           2  0,1     i2 j2 k2  i/4 k/2  32,768     4,096      2,048  5.05 µs  6,144   1.00  ij,jk->ik
        """)
  }

  /// Nothing travels and no bound is above 0: no quotient of the two.
  @Test func theTableOfAPlanThatMovesNothing() throws {
    let plan = try Self.plan("b,b->b", [[4096], [4096]], ranks: 8)
    #expect(plan.gap == nil)
    #expect(
      plan.description.contains(
        "\nlower bound     0: no step needs anything from another rank\n"))
    let row = try #require(plan.description.split(separator: "\n").last)
    #expect(
      row.split(separator: " ") == [
        "2", "0,1", "b8", "b/8", "512", "0", "0", "307.20", "ns", "0", "–", "b,b->b",
      ])
  }

  /// A mode that nothing else has is summed first, which is no multiplication.
  @Test func theTableOfAPreparedOperand() throws {
    let plan = try Self.plan("ixj,jk->ik", [[8, 8, 16], [16, 32]], ranks: 4)
    let explanation = PlanExplanation(plan, machine: .standard, elementBytes: 4)
    #expect(explanation.steps.map(\.contraction) == plan.plan.steps.map(plan.plan.contractionText))
    #expect(explanation.steps[0].contraction.hasPrefix("ixj->"))
    #expect(explanation.steps[0].lowerBoundBytes == 0)
    let row = try #require(
      explanation.description.split(separator: "\n").first { $0.contains("ixj->") })
    #expect(row.split(separator: " ").dropFirst(2).contains("–"))
  }

  @Test func onePlanAlone() throws {
    let order = try Plan(BoundExpression("ij,jk,kl->il", shapes: [[50, 2], [2, 50], [50, 2]]))
    let plan = DistributedPlan(alone: order)
    #expect(plan.ranks == 1)
    let explanation = PlanExplanation(plan, machine: .standard, elementBytes: 4)
    #expect(explanation.receivedBytes == [0])
    #expect(explanation.steps.map(\.macs) == order.steps.map(\.macs))
    #expect(explanation.summary == nil)
  }

  /// In the time of the square of their number it would take hours.
  @Test(.timeLimit(.minutes(1))) func manyRanksAreExplainedAtOnce() throws {
    let plan = try Self.plan("ij,jk->ik", [[65536, 4096], [4096, 8192]], ranks: 65_536)
    let explanation = PlanExplanation(plan, machine: .standard, elementBytes: 4)
    #expect(explanation.receivedBytes.count == 65_536)
    let step = try #require(explanation.steps.first)
    // All boxes are equal, so every rank is the busiest.
    #expect(explanation.receivedBytes.allSatisfy { Double($0) == step.bytesIn + step.bytesOut })
    #expect(try #require(step.ratio) >= 1 - 1e-9)
  }
}
