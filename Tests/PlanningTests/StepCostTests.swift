import Planning
import Testing

/// Plans by a cost per step.
@Suite struct StepCostTests {
  /// Multiply-adds of a step without convolutions.
  private func macs(_ step: Step) -> Double {
    var extents: [Int: Int] = [:]
    for (modes, shape) in zip(step.operandModes, step.operandShapes) {
      for (mode, extent) in zip(modes, shape) {
        if let mode { extents[mode] = extent }
      }
    }
    return extents.values.reduce(1) { $0 * Double($1) }
  }

  /// With multiply-adds for a cost it is the search of fewest multiply-adds.
  @Test(arguments: [
    "ab,bc,cd->ad", "ab,bc,cd,de->ae", "ab,bc,cd,de,ea->", "abc,cd,be,df,ef->a",
    "ab,cb,cd,de,ef,fa->", "abx,bcx,cdx->adx",
  ])
  func ofMultiplyAddsIsOptimal(text: String) throws {
    for seed in 0..<20 {
      var extents: [Character: Int] = [:]
      for (number, mode) in "abcdefx".enumerated() {
        extents[mode] = 2 + (seed * 7919 + number * 104_729 + seed * number * 31) % 29
      }
      let inputs = text.prefix { $0 != "-" }.split(separator: ",")
      let bound = try BoundExpression(
        text, shapes: inputs.map { $0.map { extents[$0] ?? 1 } })
      let optimal = try Plan(bound, options: PlanOptions(optimizer: .optimal))
      var asked = 0
      let plan = try Plan(bound, needsGradient: nil) { step, needed, _ in
        asked += 1
        #expect(needed == [false, false])
        return macs(step)
      }
      #expect(plan.macs == optimal.macs, "\(text) \(bound.shapes)")
      // Every set of at least two, split in every way: (3ⁿ − 2ⁿ⁺¹ + 1) / 2; each part in at most two
      // layouts, and the result in two.
      let splits = try #require([3: 6, 4: 25, 5: 90, 6: 301][inputs.count])
      #expect((1...8 * splits).contains(asked))
    }
  }

  /// A bound that some plan keeps changes nothing but the number of steps that are looked at; one that none
  /// keeps is dropped.
  @Test(arguments: 0..<20) func aKnownPlanSavesWorkAlone(seed: Int) throws {
    var generator = TestRandom(seed)
    let text = "abx,bcx,cdx,dex,eax->x"
    let bound = try BoundExpression(
      text,
      shapes: ["abx", "bcx", "cdx", "dex", "eax"].map { modes in
        modes.map { Int($0.asciiValue ?? 0) * (seed + 3) % 7 + 2 }
      })
    var costs: [Set<[Int?]>: Double] = [:]
    func searched(known: Double) throws -> (plan: Plan, total: Double, asked: Int) {
      var asked = 0
      func price(_ step: Step) -> Double {
        let key = Set(step.operandModes + [step.resultModes])
        if let price = costs[key] { return price }
        let price = Double(Int.random(in: 1...1000, using: &generator))
        costs[key] = price
        return price
      }
      let plan = try Plan(bound, needsGradient: nil, known: known) { step, _, _ in
        asked += 1
        return price(step)
      }
      let total = plan.steps.filter { $0.operands.count == 2 }.reduce(0) { $0 + price($1) }
      return (plan, total, asked)
    }
    let free = try searched(known: .infinity)
    let exact = try searched(known: free.total)
    #expect(exact.plan.path == free.plan.path)
    #expect(exact.total == free.total)
    #expect(exact.asked <= free.asked)
    let impossible = try searched(known: free.total / 2)
    #expect(impossible.plan.path == free.plan.path)
  }

  /// Nothing, as the steps of empty tensors do, or more than any number; and what differs a little with the
  /// order in which a step's operands stand.
  @Test(arguments: [0, 1, .infinity], 0..<3)
  func whateverStepsCostThereIsAPlan(price: Double, largest: Int) throws {
    let text = "ab,bc,cd->ad"
    var extents = [7, 7, 7, 7]
    extents[largest] = 11
    extents[largest + 1] = price == 0 ? 0 : 13
    let shapes = [[extents[0], extents[1]], [extents[1], extents[2]], [extents[2], extents[3]]]
    let bound = try BoundExpression(text, shapes: shapes)
    for known in [0, 2, .infinity] {
      let plan = try Plan(bound, needsGradient: nil, known: known) { step, _, _ in
        step.operands[0] < step.operands[1] ? price : price.nextUp
      }
      #expect(plan.steps.count == 2)
      #expect(plan.steps.last?.resultShape == [extents[0], extents[3]])
    }
  }

  /// The result of x·f is stored as the next step likes it, not as is best for the first step alone.
  @Test(arguments: [false, true]) func layoutsAreChosenForTheStepsToCome(lastIsSpatial: Bool) throws
  {
    let bound = try BoundExpression("bsp,rs,tr->btp", shapes: [[4, 6, 50], [3, 6], [5, 3]])
    let batch = try #require(bound.operands[0][0])
    let spatial = try #require(bound.operands[0][2])
    let mode = try #require(bound.operands[1][0])
    let plan = try Plan(bound, needsGradient: nil) { step, _, _ in
      // Only walking the factors is free, and only from the layout wanted.
      guard step.operandModes.joined().contains(batch) else { return 100 }
      let large = step.operandModes.first { $0.count == 3 && $0.contains(mode) }
      guard let large else { return step.resultModes.last == spatial ? 1 : 2 }
      return large.last == (lastIsSpatial ? spatial : mode) ? 0 : 10
    }
    #expect(plan.steps[0].resultModes.last == (lastIsSpatial ? spatial : mode))
  }

  @Test func oneOperandTakesNoSearch() throws {
    let bound = try BoundExpression("aab->ba", shapes: [[3, 3, 4]])
    let plan = try Plan(bound, needsGradient: nil) { _, _, _ in 1 }
    #expect(plan.path == (try Plan(bound, options: PlanOptions()).path))
    #expect(plan.steps.last?.resultShape == [4, 3])
  }

  @Test func whoNeedsAGradientIsSaid() throws {
    let bound = try BoundExpression("ab,bc,cd->ad", shapes: [[2, 3], [3, 4], [4, 5]])
    var seen = Set<[Bool]>()
    _ = try Plan(bound, needsGradient: [true, false, false]) { _, needed, _ in
      seen.insert(needed)
      return 1
    }
    #expect(seen == [[true, false], [false, false]])
    #expect(throws: OrderError.gradientMask(count: 1, operands: 3)) {
      try Plan(bound, needsGradient: [true]) { _, _, _ in 1 }
    }
    let many = try BoundExpression(
      "a,a,a,a,a,a,a->a", shapes: Array(repeating: [2], count: 7))
    #expect(throws: OrderError.self) { try Plan(many, needsGradient: nil) { _, _, _ in 1 } }
  }
}
