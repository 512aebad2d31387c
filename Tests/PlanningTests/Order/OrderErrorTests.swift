import Testing

@testable import Planning

@Suite struct OrderErrorTests {
  private let scalars = { (count: Int) in
    ExpressionBuilder(operands: .init(repeating: [], count: count), output: []).expression
  }

  @Test(arguments: Optimizer.allCases)
  func gradientMaskOfAnotherLength(optimizer: Optimizer) {
    #expect(throws: OrderError.gradientMask(count: 1, operands: 3)) {
      try findOrder(of: scalars(3), optimizer: optimizer, needsGradient: [true])
    }
  }

  @Test(arguments: Optimizer.allCases)
  func noOperands(optimizer: Optimizer) {
    #expect(throws: OrderError.noOperands) {
      try findOrder(of: scalars(0), optimizer: optimizer)
    }
  }

  /// A closed chain of matrices has nothing that can be done beforehand.
  @Test func tooManyOperandsForOptimal() throws {
    let rings = [64, 65].map { count in
      ExpressionBuilder(
        operands: (0..<count).map { [$0, ($0 + 1) % count] }, output: [],
        extents: .init(uniqueKeysWithValues: (0..<count).map { ($0, 2) })
      ).expression
    }
    #expect(throws: OrderError.tooManyOperands(operands: 65, limit: 64)) {
      try findOrder(of: rings[1], optimizer: .optimal)
    }
    #expect(try findOrder(of: rings[1], optimizer: .auto).pairs.count == 64)
    #expect(try findOrder(of: scalars(65), optimizer: .optimal).pairs.count == 64)
  }

  @Test func workLimit() throws {
    let network = ExpressionBuilder.regular(24, degree: 4, extents: 2...8, seed: 2)
    let search = OrderSearch(network: NetworkModes(network), seed: 0)
    let error = #expect(throws: OrderError.self) { try search.optimal(limit: 10_000) }
    guard case .workLimit(24, let work, let subsets) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(work > 10_000 && work < 10_000_000)
    #expect(subsets >= 24)
  }

  /// Wherever a search is cut short, in work or in memory, it says so instead of calling the tree it
  /// began with optimal; and what it does call optimal is.
  @Test func searchesCutShortSaySo() throws {
    let expression = ExpressionBuilder.regular(10, degree: 4, extents: 2...8, seed: 2)
    let network = NetworkModes(expression)
    let least = OrderReference(expression).leastCost()
    let naive = ContractionTree.leftToRight(leafCount: 10)
    let limits = (4..<11).map { 1 << $0 }
    var outcomes = Set<Bool>()
    for (work, subsets) in limits.map({ (1_000_000, $0) }) + limits.map({ (16 * $0, 1_000_000) }) {
      var search = CappedSearch(
        network, budget: SearchBudget(limit: work, maximumSubsets: subsets))
      switch search.run(known: naive, cost: naive.cost(in: network)) {
      case .optimal(let tree):
        #expect(tree.cost(in: network) == least, "work \(work), subsets \(subsets)")
        outcomes.insert(true)
      case .exhausted:
        outcomes.insert(false)
      }
    }
    #expect(outcomes == [true, false])
    #expect(naive.cost(in: network) > least)
  }

  @Test func messages() {
    #expect(
      OrderError.noOperands.description
        == "cannot order an expression without operands: give it at least one")
    #expect(
      OrderError.gradientMask(count: 1, operands: 3).description
        == "the gradient mask has 1 entries for 3 operands: give one for each")
    #expect(
      OrderError.tooManyOperands(operands: 65, limit: 64).description
        == "optimizer 'optimal' takes at most 64 operands, the expression has 65: "
        + "use 'greedy' or 'auto'")
    #expect(
      OrderError.workLimit(operands: 40, work: 7, subsets: 5).description
        == "optimizer 'optimal' gave up on 40 operands after 7 units of work (5 subsets kept): "
        + "use 'greedy' or 'auto'")
  }
}
