import Testing

@testable import Planning

/// How much searches do, in counts.
@Suite struct SearchEffortTests {
  private func layer() throws -> BoundExpression {
    try BoundExpression(
      "bshw,rt,rs,rh,rw->bthw|hw",
      shapes: [[256, 64, 32, 32], [27, 64], [27, 64], [27, 3], [27, 3]],
      rules: ConvRules(options: ["*:kind=correlation"]))
  }

  /// A layer on the most ranks, in a fraction of the steps that 64 take; more are refused.
  @Test func asManyRanksAsCanBePlannedFor() throws {
    let expression = try layer()
    let effort = SearchEffort()
    let options = DistributionOptions(ranks: DistributionOptions.mostRanks, objective: .bytes)
    let plan = try DistributedPlan(expression, options: options, effort: effort)
    #expect(plan.mesh.ranks == 65_536)
    #expect((1...500_000).contains(effort.count))
    for ranks in [65_537, 1 << 20, .max] {
      let error = #expect(throws: DistributionError.tooManyRanks(ranks, limit: 65_536)) {
        try DistributedPlan(expression, options: DistributionOptions(ranks: ranks))
      }
      #expect(error?.description == "cannot plan for \(ranks) ranks; the most is 65536")
    }
  }

  /// A search stops where its effort ends, and says so; one that may do as much as it takes finds the same.
  @Test func effortEnds() throws {
    let expression = try layer()
    let options = DistributionOptions(ranks: 4)
    let free = SearchEffort()
    let plan = try DistributedPlan(expression, options: options, effort: free)
    let enough = SearchEffort(limit: free.count + 1)
    #expect(try DistributedPlan(expression, options: options, effort: enough) == plan)
    for limit in [0, 10, free.count / 2] {
      let effort = SearchEffort(limit: limit)
      #expect(throws: SearchEffort.Exhausted.self) {
        try DistributedPlan(expression, options: options, effort: effort)
      }
      #expect(effort.count < limit + 10_000)
    }
  }

  /// A search for an order takes a tenth of the run at most, but for small runs what greedy orders take too;
  /// and it ends near its limit, whatever it meets.
  @Test func ordersAreSearchedForAsLongAsItPays() throws {
    // 2·10⁹ macs are a second: a tenth of it are 10⁸ steps of a nanosecond.
    #expect(OrderSearch.autoLimit(cost: 2e9) == 100_000_000)
    #expect(OrderSearch.autoLimit(cost: 1) == 10_000_000)
    #expect(OrderSearch.autoLimit(cost: 1e300) == 300_000_000)
    let outer = ExpressionBuilder(
      operands: (0..<20).map { [$0] }, output: Array(0..<20),
      extents: .init(uniqueKeysWithValues: (0..<20).map { ($0, 3) })
    ).expression
    let bonds = ExpressionBuilder.regular(40, degree: 3, extents: 2...8, seed: 1)
    for expression in [outer, bonds] {
      let search = OrderSearch(network: NetworkModes(expression), seed: 0)
      var budget = SearchBudget(limit: 1_000_000)
      let naive = ContractionTree.leftToRight(leafCount: expression.operands.count)
      guard case .exhausted = search.capped(known: naive, budget: &budget) else {
        Issue.record("found in \(budget.work)")
        continue
      }
      #expect((1_000_000...3_000_000).contains(budget.work))
    }
  }
}
