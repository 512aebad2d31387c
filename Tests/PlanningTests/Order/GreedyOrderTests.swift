import Testing

@testable import Planning

@Suite struct GreedyOrderTests {
  private func macs(
    _ optimizer: Optimizer, _ expression: BoundExpression, seed: UInt64 = 0
  ) throws -> Double {
    let order = try findOrder(of: expression, optimizer: optimizer, seed: seed)
    #expect(OrderReference(expression).operandSets(of: order) != nil)
    return order.cost(of: expression).macs
  }

  @Test func autoIsNeverWorseThanTheOthers() throws {
    for seed in 0..<200 {
      let expression = ExpressionBuilder.random(seed: 90_000 + seed)
      let auto = try macs(.auto, expression)
      #expect(try auto <= macs(.greedy, expression))
      #expect(try auto <= macs(.leftToRight, expression))
      #expect(try auto == macs(.optimal, expression))
    }
  }

  /// Too large to be searched exactly: the better of the other two, and it says which.
  @Test func autoFallsBack() throws {
    let network = ExpressionBuilder.regular(30, degree: 4, extents: 2...8, seed: 1)
    // A chain in order, with a mode of all operands.
    var chain = ExpressionBuilder(operands: (0..<80).map { [0, $0 + 1, $0 + 2] }, output: [0])
    for mode in 0...81 { chain.extents[mode] = 2 + 7 * mode % 9 }
    for expression in [network, chain.expression] {
      let search = OrderSearch(network: NetworkModes(expression), seed: 0)
      let order = search.auto(limit: 100_000)
      let greedy = try macs(.greedy, expression)
      let naive = try macs(.leftToRight, expression)
      #expect(order.cost(of: expression).macs == min(greedy, naive))
      #expect(order.optimizer == (naive < greedy ? .leftToRight : .greedy))
    }
  }

  @Test func equalSeedsGiveEqualOrders() throws {
    let expression = ExpressionBuilder.regular(60, degree: 3, extents: 2...8, seed: 5)
    let orders = try (0..<2).map { _ in
      try findOrder(of: expression, optimizer: .greedy, seed: 42)
    }
    #expect(orders[0] == orders[1])
    let ring = ExpressionBuilder.tensorRing(inputs: 6, outputs: 6)
    for optimizer in Optimizer.allCases {
      let first = try findOrder(of: ring, optimizer: optimizer, seed: 7)
      #expect(try findOrder(of: ring, optimizer: optimizer, seed: 7) == first)
    }
  }

  /// The restarts are worth their time: over several networks they stay near the optimum.
  @Test func greedyIsNearTheOptimum() throws {
    for seed in 1...6 {
      let expression = ExpressionBuilder.regular(16, degree: 3, extents: 2...6, seed: seed)
      let optimal = try macs(.optimal, expression)
      let greedy = try macs(.greedy, expression)
      #expect(optimal <= greedy)
      #expect(greedy <= 1.5 * optimal, "seed \(seed)")
    }
  }

  /// Improvement reaches the optimum wherever a subtree of its width is the whole tree, and never
  /// makes a tree dearer.
  @Test func improvement() throws {
    for seed in 0..<40 {
      let count = seed % 2 == 0 ? 7 : 14
      let expression = ExpressionBuilder.regular(count, degree: 3, extents: 2...5, seed: seed)
      let network = NetworkModes(expression)
      var tree = ContractionTree.leftToRight(leafCount: count)
      let before = tree.cost(in: network)
      var work = 10_000_000
      tree.improve(in: network, width: 8, work: &work)
      let order = tree.order(foundBy: .greedy)
      let after = try #require(OrderReference(expression).weightedMacs(of: order))
      #expect(after <= before)
      if count == 7 { #expect(after == OrderReference(expression).leastCost()) }
    }
  }

  @Test(arguments: [(3, 2...8), (4, 2...2)])
  func threeHundredOperands(degree: Int, extents: ClosedRange<Int>) throws {
    let expression = ExpressionBuilder.regular(300, degree: degree, extents: extents, seed: 9)
    #expect(try macs(.auto, expression) < 1e-9 * macs(.leftToRight, expression))
  }

  /// A chain of matrices; parts that share nothing; scalars; a mode that all operands share.
  @Test func largeNetworksOfOtherShapes() throws {
    var chain = ExpressionBuilder(operands: (0..<300).map { [$0, $0 + 1] }, output: [0, 300])
    for mode in 0...300 { chain.extents[mode] = 2 + 7 * mode % 9 }
    #expect(try macs(.greedy, chain.expression) <= macs(.leftToRight, chain.expression))

    // Dot products: 3 macs in each of 150 pairs, 1 for each of the 149 products of them.
    var pairs = ExpressionBuilder(operands: (0..<300).map { [$0 % 150] }, output: [])
    for mode in 0..<150 { pairs.extents[mode] = 3 }
    #expect(try macs(.greedy, pairs.expression) == 150 * 3 + 149)

    let scalars = ExpressionBuilder(operands: .init(repeating: [], count: 300), output: [])
    #expect(try macs(.auto, scalars.expression) == 299)

    let shared = ExpressionBuilder(
      operands: .init(repeating: [0], count: 300), output: [0], extents: [0: 5])
    #expect(try macs(.auto, shared.expression) == 299 * 5)
  }
}
