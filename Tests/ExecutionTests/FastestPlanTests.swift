import Kernels
import TestSupport
import Testing

@testable import Execution
@testable import Planning

/// Orders chosen by the kernels' estimates.
@Suite struct FastestPlanTests {
  private static let kernels = KernelCosts()

  private static func fastest(
    _ bound: BoundExpression, needsGradient: [Bool]? = nil
  ) throws -> Plan {
    let options = PlanOptions(needsGradient: needsGradient, runs: .often)
    return try Plan(bound, options: options, costs: kernels)
  }

  /// A layer rebuilt from the factors of its reshaped kernel: walking them takes fewest multiply-adds, in four
  /// steps over large intermediates.
  private static func reshapedLayer(samples: Int, side: Int) throws -> BoundExpression {
    try BoundExpression(
      "b(s1)(s2)(s3)hw,r(t1)(s1),r(t2)(s2),r(t3)(s3),rhw->b(t1)(t2)(t3)hw|hw",
      shapes: [
        [samples, 4, 4, 4, side, side], [12, 4, 4], [12, 4, 4], [12, 4, 4], [12, 3, 3],
      ], rules: ConvRules(options: ["*:kind=correlation,padding=same"]))
  }

  @Test func isRightAndEstimatedNoSlowerThanFewestMacs() throws {
    let limits = RandomExpression.Limits(operands: 1...6, iterations: 100_000)
    for random in RandomExpressions(seed: 91, limits: limits).prefix(100) {
      let bound = try random.bound()
      let fewest = try Plan(bound)
      let fastest = try Self.fastest(bound)
      #expect(
        fastest.estimatedSeconds(Self.kernels) <= 1.000001 * fewest.estimatedSeconds(Self.kernels),
        "\(random)")
      // Small integers: sums are exact in any order.
      let operands: [Tensor<Float>] = TensorData.smallIntegers.tensors(
        random.shapes, seed: random.seed)
      let expected = try Contraction(fewest)(operands).converted(to: Double.self)
      let found = try Contraction(fastest)(operands)
      #expect(mismatch(found, expected) == nil, "\(random)")
    }
  }

  /// The plan of fewest multiply-adds may arrange its results as the search does not: then it has to be better than
  /// what the search finds.
  @Test(arguments: 0..<2) func arrangementsThatTheSearchDoesNotMake(seed: UInt64) throws {
    let limits = RandomExpression.Limits(operands: 3...4, iterations: 20_000)
    for random in RandomExpressions(seed: 4_069 + seed, limits: limits).prefix(20) {
      let bound = try random.bound()
      let needed = bound.shapes.map { _ in true }
      for needsGradient in [nil, needed] {
        let fewest = try Plan(bound, options: PlanOptions(needsGradient: needsGradient))
        let fastest = try Self.fastest(bound, needsGradient: needsGradient)
        #expect(
          fastest.estimatedSeconds(Self.kernels, needsGradient: needsGradient)
            <= 1.000001 * fewest.estimatedSeconds(Self.kernels, needsGradient: needsGradient),
          "\(random)")
      }
    }
  }

  @Test func gradientsCountToo() throws {
    let bound = try Self.reshapedLayer(samples: 2, side: 8)
    let needed = bound.shapes.map { _ in true }
    let plan = try Self.fastest(bound, needsGradient: needed)
    #expect(
      plan.estimatedSeconds(Self.kernels, needsGradient: needed)
        > plan.estimatedSeconds(Self.kernels))
    #expect(
      try plan.estimatedSeconds(Self.kernels, needsGradient: needed)
        <= 1.000001 * Self.fastest(bound).estimatedSeconds(Self.kernels, needsGradient: needed))
  }

  /// A search is made where it may pay: what runs in a millisecond has the plan that `Plan` finds.
  @Test func shortRunsAreNotSearched() throws {
    let small = try Self.reshapedLayer(samples: 1, side: 4)
    #expect(try Plan(small, costs: Self.kernels) == Plan(small))
    let large = try Self.reshapedLayer(samples: 512, side: 32)
    let running = try Plan(large, costs: Self.kernels)
    #expect(try running == Self.fastest(large))
    #expect(
      try running.estimatedSeconds(Self.kernels) <= Plan(large).estimatedSeconds(Self.kernels))
    let asked = PlanOptions(optimizer: .leftToRight)
    #expect(try Plan(large, options: asked, costs: Self.kernels) == Plan(large, options: asked))
  }

  /// The library plans as the command does: for time, where a search is worth it. What it ran shows in the bits, for
  /// the orders round differently.
  @Test func contractPlansForTime() throws {
    let bound = try Self.reshapedLayer(samples: 256, side: 32)
    let running = try Plan(bound, costs: Self.kernels)
    let fewest = try Plan(bound)
    try #require(running.path != fewest.path)
    let operands: [Tensor<Float>] = TensorData.uniform.tensors(bound.shapes, seed: 1)
    let rules = try ConvRules(options: ["*:kind=correlation,padding=same"])
    let result = try contract(bound.text, operands, rules: rules)
    let expected = try Contraction(running)(operands)
    let other = try Contraction(fewest)(operands)
    // Not in the expectations: a failure would print all elements.
    let isRunning = result.withElements(Array.init) == expected.withElements(Array.init)
    let isFewest = result.withElements(Array.init) == other.withElements(Array.init)
    #expect(isRunning && !isFewest)
  }

  @Test func whatNoMachineCanRunTakesForever() throws {
    let bound = try BoundExpression(
      "ij,ij,ij->",
      shapes: Array(repeating: [4_294_967_296, 134_217_728], count: 3))
    #expect(try Plan(bound).estimatedSeconds(Self.kernels) == .infinity)
    #expect(try Plan(bound, costs: Self.kernels) == Plan(bound))
    #expect(try Self.fastest(bound) == Plan(bound))
  }

  /// The order of one process, distributed, is right on any number of ranks.
  @Test(arguments: 1...5) func ordersCanBeGiven(ranks: Int) throws {
    let limits = RandomExpression.Limits(operands: 2...6, iterations: 20_000)
    for random in RandomExpressions(seed: 92 + UInt64(ranks), limits: limits).prefix(20) {
      let bound = try random.bound()
      let fastest = try Self.fastest(bound)
      let options = DistributionOptions(ranks: ranks, order: ContractionOrder(of: fastest))
      let plan = try DistributedPlan(bound, options: options)
      #expect(plan.plan.path == fastest.path)
      #expect(plan.plan.macs == fastest.macs)
      let operands: [Tensor<Double>] = TensorData.smallIntegers.tensors(
        bound.shapes, seed: random.seed)
      let results = try runForward(RunSchedule(plan, overlap: true), operands)
      let expected = ReferenceEvaluator(bound).evaluate(operands)
      #expect(
        mismatch(plan.output.assembled(results.map(\.box)).whole, expected) == nil, "\(random)")
    }
  }

  /// On several ranks as on one: no slower by the estimates, and only asked for time with the order left free.
  @Test(arguments: [1, 2, 3]) func ranksRunTheFasterOrder(ranks: Int) throws {
    let bound = try Self.reshapedLayer(samples: 512, side: 32)
    let options = DistributionOptions(ranks: ranks)
    let joint = try DistributedPlan(bound, options: options)
    let running = try DistributedPlan(bound, options: options, costs: Self.kernels)
    #expect(
      running.estimatedSeconds(options, Self.kernels)
        <= joint.estimatedSeconds(options, Self.kernels))
    let alone = try Self.fastest(bound)
    #expect([joint.plan.path, alone.path].contains(running.plan.path))
    var others = options
    others.objective = .bytes
    #expect(
      try DistributedPlan(bound, options: others, costs: Self.kernels)
        == DistributedPlan(bound, options: others))
    others = options
    others.optimizer = .greedy
    #expect(
      try DistributedPlan(bound, options: others, costs: Self.kernels)
        == DistributedPlan(bound, options: others))
    let small = try Self.reshapedLayer(samples: 2, side: 4)
    #expect(
      try DistributedPlan(small, options: options, costs: Self.kernels)
        == DistributedPlan(small, options: options))
  }
}
