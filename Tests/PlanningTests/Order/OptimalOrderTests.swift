import Testing

@testable import Planning

@Suite struct OptimalOrderTests {
  /// The macs of the forward pass, or the training cost if there is a mask: what is minimised.
  private func minimised(
    _ order: ContractionOrder, _ expression: BoundExpression, _ mask: [Bool]?
  ) -> Double {
    let cost = order.cost(of: expression, needsGradient: mask)
    return mask == nil ? cost.macs : cost.trainingMacs
  }

  /// All binary trees of an independent reference, 125 random expressions a case.
  @Test(arguments: 0..<8)
  func equalsBruteForce(block: Int) throws {
    for seed in (125 * block)..<(125 * block + 125) {
      let expression = ExpressionBuilder.random(seed: seed)
      let mask = ExpressionBuilder.randomMask(for: expression, seed: seed)
      let reference = OrderReference(expression, needsGradient: mask)
      let trees = reference.allTrees()
      let best = try #require(trees.min())

      let order = try findOrder(of: expression, optimizer: .optimal, needsGradient: mask)
      #expect(reference.weightedMacs(of: order) == best.cost, "seed \(seed)")
      #expect(minimised(order, expression, mask) == best.cost, "seed \(seed)")
      let sets = try #require(reference.operandSets(of: order))
      let largest = order.pairs.indices.map {
        reference.elements(of: sets[order.operandCount + $0])
      }
      #expect(largest.max() ?? 0 == best.largest, "seed \(seed)")
      #expect(order.optimizer == .optimal)
    }
  }

  /// The search of many operands, from the best known tree and from a bad one.
  @Test(arguments: 0..<8)
  func cappedSearchEqualsBruteForce(block: Int) throws {
    for seed in (125 * block)..<(125 * block + 125) {
      let expression = ExpressionBuilder.random(seed: seed)
      let mask = ExpressionBuilder.randomMask(for: expression, seed: seed)
      let reference = OrderReference(expression, needsGradient: mask)
      let trees = reference.allTrees()
      let best = try #require(trees.min()).cost

      let network = NetworkModes(expression, needsGradient: mask)
      let search = OrderSearch(network: network, seed: 1)
      let naive = ContractionTree.leftToRight(leafCount: expression.operands.count)
      for known in [search.greedy(), naive] {
        var budget = SearchBudget(limit: 10_000_000)
        let outcome = search.capped(known: known, budget: &budget)
        guard case .optimal(let tree) = outcome else {
          Issue.record("seed \(seed): \(outcome)")
          continue
        }
        let order = tree.order(foundBy: .optimal)
        #expect(reference.weightedMacs(of: order) == best, "seed \(seed)")
      }
    }
  }

  /// A mode for every set of the five operands, in the output and not: 62 bundles, and with six
  /// operands 126, more than one word.
  @Test(arguments: [5, 6], 0..<5)
  func modesOfEverySetOfOperands(count: Int, seed: Int) throws {
    var random = TestRandom(seed)
    var builder = ExpressionBuilder(operands: .init(repeating: [], count: count), output: [])
    for mode in 0..<2 * ((1 << count) - 1) {
      for operand in 0..<count where (mode / 2 + 1) >> operand & 1 == 1 {
        builder.operands[operand].append(mode)
      }
      if mode % 2 == 1 { builder.output.append(mode) }
      builder.extents[mode] = [1, 1, 1, 1, 1, 1, 1, 2, 3].randomElement(using: &random)
    }
    try expectLeast(builder.expression, mask: nil)
  }

  /// A bad known tree leads through the low caps: one a hundred times too dear is still no limit.
  @Test func risingCaps() throws {
    let expression = ExpressionBuilder.regular(9, degree: 4, extents: 2...4, seed: 3)
    let least = OrderReference(expression).leastCost()
    let network = NetworkModes(expression)
    for factor in [1.5, 8, 9, 64, 100, 1e6] {
      var search = CappedSearch(network, budget: SearchBudget(limit: 10_000_000))
      let naive = ContractionTree.leftToRight(leafCount: 9)
      guard case .optimal(let tree) = search.run(known: naive, cost: factor * least) else {
        Issue.record("no order for factor \(factor)")
        continue
      }
      #expect(tree.cost(in: network) == least, "factor \(factor)")
    }
  }

  @Test(arguments: 4...10)
  func regularNetworksEqualExhaustiveSearch(count: Int) throws {
    for (seed, extents) in [2...8, 3...3, 1...4].enumerated() {
      let expression = ExpressionBuilder.regular(
        count, degree: 4, extents: extents, seed: 10 * count + seed)
      try expectLeast(expression, mask: nil)
    }
  }

  @Test(arguments: [1, 2])
  func tensorRingsEqualExhaustiveSearch(stride: Int) throws {
    let expression = ExpressionBuilder.tensorRing(inputs: 3, outputs: 4, stride: stride)
    #expect(expression.operands.count == 9)
    try expectLeast(expression, mask: nil)
    try expectLeast(expression, mask: [false] + .init(repeating: true, count: 8))
  }

  /// Both searches against the reference's.
  private func expectLeast(_ expression: BoundExpression, mask: [Bool]?) throws {
    let reference = OrderReference(expression, needsGradient: mask)
    let least = reference.leastCost()
    let order = try findOrder(of: expression, optimizer: .optimal, needsGradient: mask)
    #expect(reference.weightedMacs(of: order) == least)
    let network = NetworkModes(expression, needsGradient: mask)
    let naive = ContractionTree.leftToRight(leafCount: expression.operands.count)
    var budget = SearchBudget(limit: 100_000_000)
    let outcome = OrderSearch(network: network, seed: 0).capped(known: naive, budget: &budget)
    guard case .optimal(let tree) = outcome else {
      Issue.record("\(outcome)")
      return
    }
    #expect(reference.weightedMacs(of: tree.order(foundBy: .optimal)) == least)
  }

  /// Work, not time, so that a slow machine cannot fail it: 100 million pairs are some tenths of a
  /// second.
  @Test(arguments: 1...4)
  func twentyTensorsAreWithinReach(seed: Int) throws {
    for extents in [2...8, 2...2, 5...5] {
      let expression = ExpressionBuilder.regular(20, degree: 4, extents: extents, seed: seed)
      let search = OrderSearch(network: NetworkModes(expression), seed: 0)
      let tree = try search.optimal(limit: 100_000_000)
      let greedy = try findOrder(of: expression, optimizer: .greedy).cost(of: expression).macs
      let cost = tree.order(foundBy: .optimal).cost(of: expression).macs
      #expect(cost <= greedy)
      #expect(OrderReference(expression).weightedMacs(of: tree.order(foundBy: .optimal)) == cost)
    }
  }

  /// Where every order costs the same, the bound proves it at once.
  @Test func equalOrdersAreNoWork() throws {
    let scalars = ExpressionBuilder(operands: .init(repeating: [], count: 40), output: [])
    let vectors = ExpressionBuilder(
      operands: .init(repeating: [0], count: 40), output: [0], extents: [0: 7])
    for (builder, cost) in [(scalars, 39.0), (vectors, 273.0)] {
      let search = OrderSearch(network: NetworkModes(builder.expression), seed: 0)
      let order = try search.optimal(limit: 1_000_000).order(foundBy: .optimal)
      #expect(order.cost(of: builder.expression).macs == cost)
    }
  }

  /// Two small tensors are first multiplied, though they share no mode, for the large one to be
  /// read but once.
  @Test func outerProductsAreFound() throws {
    let expression = try BoundExpression("a,b,abc->c", shapes: [[10], [10], [10, 10, 1000]])
    let order = try findOrder(of: expression, optimizer: .optimal)
    #expect(order.pairs.first == .init(0, 1))
    #expect(order.cost(of: expression).macs == 100 + 100_000)
  }

  @Test func convolutionModeOfThreeOperands() throws {
    let expression = try BoundExpression(
      "ijk,jl,lmq,njpq->ijknp|j",
      shapes: [[4, 7, 9], [10, 5], [5, 4, 2], [6, 8, 9, 2]])
    let reference = OrderReference(expression)
    let best = try #require(reference.allTrees().min())
    for optimizer in [Optimizer.optimal, .auto] {
      let order = try findOrder(of: expression, optimizer: optimizer)
      #expect(order.optimizer == .optimal)
      #expect(order.cost(of: expression).macs == best.cost)
    }
  }
}
