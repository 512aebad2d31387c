import Partitioning
import TestSupport
import Testing

@testable import Planning

/// The cost that a search says its plan has, against that of the plan itself: for all objectives,
/// exact and bounded searches, with and without gradients, placements and slices.
@Suite struct SearchCostTests {
  static let ranks = [1, 2, 5, 8, 12, 16, 36, 64]

  @Test(arguments: ranks, Objective.allCases)
  func searchSaysWhatThePlanCosts(_ ranks: Int, objective: Objective) throws {
    for seed in testsAreLong ? Array(0..<3) : [ranks % 3] {
      var random = TestRandom(seed + ranks)
      let count = Int.random(in: 1...(ranks > 8 ? 4 : 8), using: &random)
      let expression = DistributionExamples.random(
        operands: count, modes: max(2, count - 1)...6, seed: seed + 77 * ranks)
      var options = DistributionOptions(ranks: ranks, objective: objective)
      options.machine.ranksPerNode = 6
      if Bool.random(using: &random) {
        options.needsGradient = expression.operands.map { _ in Bool.random(using: &random) }
      }
      options.gradientsAsTerms = Bool.random(using: &random)
      options.place(expression, &random)
      let plan = try DistributedPlan(expression, options: options)
      let counted = PlanCost(plan, options: options).total
      #expect(
        isEqual(counted, plan.search.cost),
        "seed \(seed), \(counted) is not \(plan.search.cost): \(DistributionExamples.text(expression))"
      )
    }
  }

  @Test(arguments: [1, 4, 6, 8], Objective.allCases)
  func slicesAreCounted(_ ranks: Int, objective: Objective) throws {
    for seed in 0..<(testsAreLong ? 10 : 5) {
      let expression = DistributionExamples.random(operands: 3, modes: 3...5, seed: seed)
      guard let slices = DistributionOptions.Slices(of: expression, count: 2 + seed % 3) else {
        continue
      }
      let options = DistributionOptions(ranks: ranks, objective: objective, slices: slices)
      let plan = try DistributedPlan(expression, options: options)
      let counted = PlanCost(plan, options: options).total
      #expect(
        isEqual(counted, plan.search.cost),
        "seed \(seed), \(counted) is not \(plan.search.cost): \(DistributionExamples.text(expression))"
      )
    }
  }
}

extension DistributionOptions {
  /// Places half of the operands, and the output, at random.
  mutating func place(_ expression: BoundExpression, _ random: inout TestRandom) {
    func placement(_ dimensions: Int) -> Placement {
      switch Int.random(in: 0...3, using: &random) {
      case 0: .replicated
      case 1 where dimensions > 0: .cut(dimension: Int.random(in: 0..<dimensions, using: &random))
      default: .free
      }
    }
    inputs = expression.operands.map { placement($0.count) }
    output = placement(expression.output.count)
  }
}

extension DistributionOptions.Slices {
  /// The longest plain mode.
  init?(of expression: BoundExpression, count: Int) {
    let modes = expression.modes.indices.filter { expression.modes[$0].convolution == nil }
    guard let mode = modes.max(by: { expression.modes[$0].extent < expression.modes[$1].extent })
    else { return nil }
    self.init(mode: mode, count: count)
  }
}
