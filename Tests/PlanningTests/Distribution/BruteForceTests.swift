import Testing

@testable import Planning

/// The search against all plans there are (`BruteForce`), for few operands on few ranks.
@Suite struct BruteForceTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let operands: Int
    let ranks: Int
    let seeds: [Int]

    var testDescription: String { "\(operands) operands on \(ranks) ranks" }
  }

  /// Seeds that stand apart have once found a better plan than the search's.
  static let cases = [
    Case(operands: 1, ranks: 8, seeds: Array(0..<8)),
    Case(operands: 2, ranks: 2, seeds: Array(0..<20)),
    Case(operands: 2, ranks: 3, seeds: Array(0..<20)),
    Case(operands: 2, ranks: 4, seeds: Array(0..<20)),
    Case(operands: 2, ranks: 6, seeds: Array(0..<20) + [67, 152]),
    Case(operands: 2, ranks: 7, seeds: Array(0..<10) + [19, 36, 56]),
    Case(operands: 2, ranks: 8, seeds: Array(0..<12) + [57, 58, 62, 90]),
    Case(operands: 3, ranks: 2, seeds: Array(0..<12)),
    Case(operands: 3, ranks: 3, seeds: Array(0..<12)),
    Case(operands: 3, ranks: 4, seeds: Array(0..<12) + [32, 42, 80, 82]),
    Case(operands: 3, ranks: 6, seeds: Array(0..<12) + [31, 44]),
    Case(operands: 3, ranks: 8, seeds: Array(0..<4) + [17]),
    Case(operands: 4, ranks: 2, seeds: Array(0..<10)),
    Case(operands: 4, ranks: 4, seeds: Array(0..<8) + [42]),
    Case(operands: 4, ranks: 6, seeds: Array(0..<6) + [25, 31]),
    Case(operands: 4, ranks: 8, seeds: Array(0..<2) + [10, 11]),
  ]

  @Test(arguments: cases, [Objective.bytes, .time])
  func nothingIsBetter(_ example: Case, objective: Objective) throws {
    for seed in example.seeds {
      let expression = DistributionExamples.random(
        operands: example.operands, modes: max(2, example.operands - 1)...5,
        seed: 1000 * example.operands + 100 * example.ranks + seed)
      let options = DistributionOptions(ranks: example.ranks, objective: objective)
      let plan = try DistributedPlan(expression, options: options)
      #expect(plan.search.isExact)
      let best = BruteForce.best(expression, ranks: example.ranks, objective: objective)
      let text = DistributionExamples.text(expression)
      #expect(plan.search.cost <= best * (1 + 1e-9), "seed \(seed), best \(best): \(text)")
      let counted = PlanCost(plan, options: options).total
      #expect(isEqual(counted, plan.search.cost), "seed \(seed): \(text)")
    }
  }
}

/// Up to the rounding of sums in another order.
func isEqual(_ a: Double, _ b: Double) -> Bool { abs(a - b) <= 1e-12 * max(abs(a), abs(b)) }
