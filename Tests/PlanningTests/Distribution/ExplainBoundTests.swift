import Testing

@testable import Planning

/// The lower bounds that a plan is held against.
@Suite struct ExplainBoundTests {
  static func step(
    _ text: String, _ shapes: [[Int]], rules: ConvRules = ConvRules()
  ) throws -> StepModes {
    let plan = try Plan(BoundExpression(text, shapes: shapes, rules: rules))
    return StepModes(try #require(plan.steps.last))
  }

  @Test func modesAreClassedByTheTensorsTheyAreIn() throws {
    let volume = try #require(
      try Self.step("abmk,bakn->banm", [[2, 3, 5, 7], [3, 2, 7, 11]]).volume)
    #expect(volume == ContractionVolume(batch: 6, m: 5, n: 11, k: 7))
    let swapped = try #require(try Self.step("kn,mk->mn", [[7, 11], [5, 7]]).volume)
    #expect(swapped == ContractionVolume(m: 11, n: 5, k: 7))
    #expect(try Self.step("ii->i", [[3, 3]]).volume == nil)
  }

  /// A layer: h and w are cut with b, by the output's extent; taps are not cut.
  @Test func convolutionsCutTheResult() throws {
    let shapes = [[32, 64, 28, 28], [48, 64, 3, 3]]
    let volume = try #require(try Self.step("bshw,tshw->bthw|hw", shapes).volume)
    #expect(
      volume
        == ContractionVolume(
          m: 32 * 28 * 28, n: 48, k: 64, first: 32 * 64 * 28 * 28, second: 48 * 64 * 9))
    // Summed over its rows, and not part of the result.
    let summed = try #require(try Self.step("bh,th->bt|h", [[4, 10], [5, 3]]).volume)
    #expect(
      summed
        == ContractionVolume(m: 4, n: 5, k: 1, firstAlone: 10, first: 40, second: 15, result: 20))
    // The feature is the second operand.
    let second = try #require(try Self.step("h,bh->bh|h", [[3], [4, 10]]).volume)
    #expect(second == ContractionVolume(m: 1, n: 40, k: 1, first: 3, second: 40, result: 40))
  }

  /// Every fourth result index reads 3 of the 4 there are; the first reads as many as the others.
  @Test func whatNoTapReadsIsNotCounted() throws {
    let strided = ConvRules(all: ConvRule(stride: 4, padding: .valid))
    let volume = try #require(
      try Self.step("bh,h->bh|h", [[5, 16], [3]], rules: strided).volume)
    #expect(volume.first == 5 * 12)
    let dense = ConvRules(all: ConvRule(stride: 2, padding: .valid))
    // 15 results read 2 · 15 + 1 of 32.
    let overlapping = try #require(
      try Self.step("bh,h->bh|h", [[5, 32], [3]], rules: dense).volume)
    #expect(overlapping.first == 5 * 31)
  }

  /// Two filters of one mode make a longer one, of which either is a window.
  @Test func filtersMeetInAConvolutionOfTheirOwn() throws {
    let plan = try Plan(
      BoundExpression("xh,rh,rh->xr|h", shapes: [[50, 1000], [4, 3], [4, 5]]))
    let first = try #require(plan.steps.first)
    #expect(first.convolutions.first?.feature == nil)
    let volume = try #require(StepModes(first).volume)
    #expect(volume.batch == 4)
    #expect(volume.first + volume.second == 4 * 3 + 4 * 5)
    #expect(volume.result == 4 * 7)
  }

  struct Step: Sendable, CustomTestStringConvertible {
    let text: String
    let shapes: [[Int]]
    let ranks: Int

    var testDescription: String { "\(text) of \(shapes) on \(ranks)" }
  }

  static let steps = [
    Step(text: "mk,kn->mn", shapes: [[64, 32], [32, 48]], ranks: 8),
    Step(text: "mk,kn->mn", shapes: [[96, 96], [96, 96]], ranks: 27),
    Step(text: "amk,akn->amn", shapes: [[4, 16, 16], [4, 16, 16]], ranks: 8),
    Step(text: "i,j->ij", shapes: [[64], [64]], ranks: 16),
    Step(text: "i,i->", shapes: [[64], [64]], ranks: 4),
    Step(text: "ijk,kr->ijr", shapes: [[32, 32, 32], [32, 8]], ranks: 12),
    Step(text: "bshw,tshw->bthw|hw", shapes: [[8, 16, 16, 16], [16, 16, 3, 3]], ranks: 8),
    Step(text: "bsh,th->bsth|h", shapes: [[2, 4, 64], [8, 5]], ranks: 16),
  ]

  @Test(arguments: steps) func noPlanOfOneStepReceivesLess(_ step: Step) throws {
    let plan = try ExplainTests.plan(step.text, step.shapes, ranks: step.ranks)
    let explanation = PlanExplanation(plan, machine: .standard, elementBytes: 4)
    let most = Double(explanation.receivedBytes.max() ?? 0)
    #expect(explanation.steps[0].lowerBoundBytes <= most * (1 + 1e-9))
    #expect(explanation.steps[0].lowerBoundBytes == plan.search.lowerBound)
  }

  /// 64³ on 8 ranks: 64³ / 8 multiply-adds and 3 · 32² / 2 elements each.
  @Test func boundsAreInTheUnitOfTheObjective() throws {
    let plan = try Plan(BoundExpression("ij,jk->ik", shapes: [[64, 64], [64, 64]]))
    func bound(_ objective: Objective, _ needsGradient: [Bool]? = nil) -> Double {
      DistributedPlan.lowerBound(
        of: plan, ranks: 8, objective: objective, machine: .standard, elementBytes: 4,
        needsGradient: needsGradient)
    }
    let (macs, bytes) = (64.0 * 64 * 64 / 8, 4.0 * 3 * 32 * 32 / 2)
    #expect(bound(.macs) == macs)
    #expect(abs(bound(.bytes) - bytes) < 1e-6)
    #expect(abs(bound(.time) - 2 * macs / 80e9 - bytes / 5e9) < 1e-15)
    // Each gradient is a product of its own; the way back moves as much as the way there, if all
    // three tensors are on it.
    #expect(bound(.macs, [true, true]) == 3 * macs)
    #expect(bound(.macs, [false, true]) == 2 * macs)
    #expect(abs(bound(.bytes, [true, true]) - 2 * bytes) < 1e-6)
    #expect(abs(bound(.bytes, [false, true]) - bytes) < 1e-6)
  }

  /// The first step's result needs a gradient where one of its operands does.
  @Test func gradientsGoThroughTheTree() throws {
    let plan = try Plan(
      BoundExpression("ij,jk,kl->il", shapes: [[4, 8], [8, 16], [16, 2]]),
      options: PlanOptions(optimizer: .leftToRight))
    let bound = DistributedPlan.lowerBound(
      of: plan, ranks: 1, objective: .macs, machine: .standard, elementBytes: 4,
      needsGradient: [true, false, false])
    #expect(bound == 2 * plan.macs)
  }

  @Test(arguments: 0..<30) func noPlanCostsLessWorkThanItsBound(seed: Int) throws {
    let expression = DistributionExamples.random(operands: 2 + seed % 2, modes: 2...4, seed: seed)
    let plan = try DistributedPlan(
      expression, options: .init(ranks: 1 + seed % 8, objective: .macs))
    #expect(plan.search.lowerBound > 0)
    #expect(plan.search.cost >= plan.search.lowerBound * (1 - 1e-12))
  }

  /// Steps of which nothing need travel, though by rounding a little more than nothing seemed to: there is no ratio
  /// to it, in the table or in numbers.
  @Test func noRatioToNothing() throws {
    let expression = try BoundExpression(
      "a(x1),b(x1),ab,abcdefg,cd,ef,g->abcd",
      shapes: [[8, 3], [8, 3], [8, 8], [8, 8, 8, 8, 4, 4, 4], [8, 8], [4, 4], [4]])
    for ranks in [2, 3, 4, 6, 8, 12, 24] {
      let plan = try DistributedPlan(
        expression, options: DistributionOptions(ranks: ranks, optimizer: .greedy))
      let explanation = PlanExplanation(plan, machine: .standard, elementBytes: 4)
      for step in explanation.steps {
        // A bound is of whole elements, or near: less than a thousandth of one is rounding.
        #expect(step.lowerBoundBytes == 0 || step.lowerBoundBytes > 0.004, "\(ranks): \(step)")
        #expect((step.ratio == nil) == (step.lowerBoundBytes == 0))
      }
    }
  }
}
