import Testing

@testable import Planning

@Suite struct OrderCostTests {
  /// A (10 × 2), B (2 × 30), C (30 × 5): (AB)C is 600 + 1500, A(BC) is 300 + 100.
  @Test func matrixChain() throws {
    let chain = try BoundExpression("ij,jk,kl->il", shapes: [[10, 2], [2, 30], [30, 5]])
    let best = try findOrder(of: chain, optimizer: .optimal)
    #expect(best.pairs == [.init(1, 2), .init(0, 3)])
    #expect(best.linearPath == [[1, 2], [0, 1]])
    let cost = best.cost(of: chain)
    #expect(cost.steps.map(\.macs) == [300, 100])
    #expect(cost.steps.map(\.elements) == [10, 50])
    #expect(cost.macs == 400)
    #expect(cost.trainingMacs == 1200)
    #expect(cost.largestIntermediate == 50)

    let naive = try findOrder(of: chain, optimizer: .leftToRight)
    #expect(naive.pairs == [.init(0, 1), .init(2, 3)])
    #expect(naive.linearPath == [[0, 1], [0, 1]])
    #expect(naive.cost(of: chain).steps.map(\.macs) == [600, 1500])
    #expect(naive.cost(of: chain).largestIntermediate == 300)
  }

  /// A (3 × 12), B (12 × 4), C (4 × 2): (AB)C is 144 + 24 with AB of 12 elements, A(BC) is 96 + 72
  /// with BC of 24. Of equal costs the one that holds less; also where A(BC) is the first to be found.
  @Test func tiesGoToTheSmallerIntermediate() throws {
    for (text, shapes) in [
      ("ij,jk,kl->il", [[3, 12], [12, 4], [4, 2]]),
      ("jk,kl,ij->il", [[12, 4], [4, 2], [3, 12]]),
      ("kl,jk,ij->il", [[4, 2], [12, 4], [3, 12]]),
      ("ij,kl,jk->il", [[3, 12], [4, 2], [12, 4]]),
    ] {
      let bound = try BoundExpression(text, shapes: shapes)
      for optimizer in [Optimizer.auto, .optimal] {
        let cost = try findOrder(of: bound, optimizer: optimizer).cost(of: bound)
        #expect(cost.macs == 168)
        #expect(cost.largestIntermediate == 12, "\(text)")
      }
      #expect(try Plan(bound).largestIntermediate == 12)
    }
  }

  /// N = 10 padded to 13, K = 3 and 2, stride 2: n = ⌊(13 − 3 − 1)/2⌋ + 1 = 5.
  /// - Filters first: 3·2, then 5 outputs with the composite of extent 4: 6 + 20.
  /// - In order: 13 − 2 = 11 positions with 3 taps, then 5 with 2: 33 + 10.
  /// - The third first: 12 positions with 2 taps, then 5 with 3: 24 + 15 = 39.
  ///
  /// The paper counts 3·2 + 10·4 = 46, and 10·3 + 11·2 = 52.
  @Test func twoFiltersOnOneMode() throws {
    let rules = try ConvRules(options: ["x:stride=2,padding=1:2"])
    let expression = try BoundExpression("x,x,x->x|x", shapes: [[10], [3], [2]], rules: rules)
    #expect(expression.outputShape == [5])
    let best = try findOrder(of: expression, optimizer: .optimal)
    #expect(best.linearPath == [[1, 2], [0, 1]])
    #expect(best.cost(of: expression).steps.map(\.macs) == [6, 20])
    #expect(best.cost(of: expression).steps.map(\.elements) == [4, 5])
    #expect(best.cost(of: expression).paperMacs == 46)

    let naive = try findOrder(of: expression, optimizer: .leftToRight).cost(of: expression)
    #expect(naive.steps.map(\.macs) == [33, 10])
    #expect(naive.steps.map(\.elements) == [11, 5])
    #expect(naive.paperMacs == 52)
    #expect(naive.largestIntermediate == 11)

    let third = ContractionOrder(
      operandCount: 3, pairs: [.init(0, 2), .init(1, 3)], optimizer: .optimal)
    #expect(third.cost(of: expression).macs == 39)
  }

  /// b t s · (n_h K_h)(n_w K_w) with n = 16 for stride 2 on 32 rows padded by one.
  @Test func convolutionLayer() throws {
    let rules = try ConvRules(options: ["*:stride=2,padding=1:1,kind=correlation"])
    let layer = try BoundExpression(
      "bshw,tshw->bthw|hw", shapes: [[8, 3, 32, 32], [16, 3, 3, 3]], rules: rules)
    let cost = try findOrder(of: layer).cost(of: layer, needsGradient: [false, true])
    let channels = 8 * 16 * 3
    #expect(cost.macs == Double(channels * 16 * 3 * 16 * 3))
    #expect(cost.trainingMacs == 2 * cost.macs)
    #expect(cost.paperMacs == Double(channels * 32 * 3 * 32 * 3))
    #expect(cost.largestIntermediate == Double(8 * 16 * 16 * 16))
  }

  /// A convolution mode without filters is padded and strided before any step: extent n, here 4.
  @Test func convolutionModeWithoutFilters() throws {
    let rules = try ConvRules(options: ["x:stride=2,padding=0:0"])
    let expression = try BoundExpression("ax,a->x|x", shapes: [[3, 8], [3]], rules: rules)
    #expect(try findOrder(of: expression).cost(of: expression).macs == 12)
  }

  /// A mode that one operand has to itself counts in that operand's step and in no other; a
  /// diagonal counts once: 4·9·5, then 5·6.
  @Test func privateModesAndDiagonals() throws {
    let expression = try BoundExpression("iip,ij,jk->k", shapes: [[4, 4, 9], [4, 5], [5, 6]])
    let naive = try findOrder(of: expression, optimizer: .leftToRight).cost(of: expression)
    #expect(naive.steps.map(\.macs) == [180, 30])
    #expect(naive.steps.map(\.elements) == [5, 6])
  }

  /// Without gradients (BC) first is cheaper: 1000 + 1100 against 1100 + 1100. If only C needs
  /// one, A·B is forward only: 1100·1 + 1100·2 against 1000·2 + 1100·2.
  @Test func gradientsChangeTheOrder() throws {
    let expression = try BoundExpression(
      "ij,jk,kl->il", shapes: [[11, 10], [10, 10], [10, 10]])
    let forward = try findOrder(of: expression, optimizer: .optimal)
    #expect(forward.pairs[0] == .init(1, 2))
    let mask = [false, false, true]
    let training = try findOrder(of: expression, optimizer: .optimal, needsGradient: mask)
    #expect(training.pairs[0] == .init(0, 1))
    #expect(training.cost(of: expression, needsGradient: mask).trainingMacs == 3300)
    #expect(forward.cost(of: expression, needsGradient: mask).trainingMacs == 4200)
  }

  /// Every field of the cost against the reference, along orders of every kind.
  @Test func costsEqualTheReference() throws {
    for seed in 0..<300 {
      let expression = ExpressionBuilder.random(seed: 50_000 + seed)
      let mask = expression.operands.indices.map { ($0 + seed) % 3 == 0 }
      let reference = OrderReference(expression, needsGradient: mask)
      for optimizer in Optimizer.allCases {
        let order = try findOrder(of: expression, optimizer: optimizer, seed: 3)
        let sets = try #require(reference.operandSets(of: order))
        let cost = order.cost(of: expression, needsGradient: mask)
        let output = expression.outputShape.reduce(1.0) { $0 * Double($1) }
        var largest = output
        for (step, pair) in order.pairs.enumerated() {
          let (a, b) = (sets[pair.first], sets[pair.second])
          #expect(cost.steps[step].macs == reference.macs(a, b))
          #expect(cost.steps[step].trainingMacs == reference.weightedMacs(a, b))
          #expect(cost.steps[step].paperMacs == reference.paperMacs(a, b))
          #expect(cost.steps[step].elements == reference.elements(of: a.union(b)))
          largest = max(largest, cost.steps[step].elements)
        }
        #expect(cost.largestIntermediate == largest)
        #expect(cost.macs == cost.steps.map(\.macs).reduce(0, +))
        #expect(cost.trainingMacs == cost.steps.map(\.trainingMacs).reduce(0, +))
        #expect(cost.paperMacs == cost.steps.map(\.paperMacs).reduce(0, +))
      }
    }
  }

  @Test func oneOperand() throws {
    let expression = try BoundExpression("ij->i", shapes: [[3, 4]])
    for optimizer in Optimizer.allCases {
      let order = try findOrder(of: expression, optimizer: optimizer)
      #expect(order.pairs.isEmpty)
      #expect(order.linearPath == [[0]])
      let cost = order.cost(of: expression)
      #expect(cost.macs == 0)
      #expect(cost.largestIntermediate == 3)
      #expect(order.optimizer != .auto)
    }
  }

  @Test func emptyExtentsCostNothing() throws {
    let expression = try BoundExpression("ij,jk,kl->il", shapes: [[2, 0], [0, 3], [3, 4]])
    for optimizer in Optimizer.allCases {
      let order = try findOrder(of: expression, optimizer: optimizer)
      #expect(order.cost(of: expression).steps.last?.elements == 8)
    }
    #expect(try findOrder(of: expression).cost(of: expression).macs == 0)
  }

  /// Costs that no Double holds stop at the largest one, and are never NaN.
  @Test func hugeCostsStayFinite() throws {
    var builder = ExpressionBuilder(operands: [], output: Array(0..<200))
    builder.operands = (0..<200).map { [$0] }
    for mode in 0..<200 { builder.extents[mode] = mode == 199 ? 0 : 1000 }
    let naive = try findOrder(of: builder.expression, optimizer: .leftToRight)
    #expect(naive.cost(of: builder.expression).macs == .greatestFiniteMagnitude)
    #expect(naive.cost(of: builder.expression).steps.last?.macs == 0)
    let greedy = try findOrder(of: builder.expression, optimizer: .greedy)
    #expect(greedy.cost(of: builder.expression).macs < .greatestFiniteMagnitude)
  }
}
