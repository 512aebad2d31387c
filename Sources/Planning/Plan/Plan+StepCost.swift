extension Plan {
  /// The most operands whose every order is compared by a cost per step.
  public static var mostOperandsByStepCost: Int { 6 }

  /// By what factor a set's second layout may be dearer than its best and still be of use.
  private static var worstLayout: Double { 1.5 }

  /// The name of the search in `optimizer`.
  private static var stepCostOptimizer: String { "step-cost" }

  /// The plan whose steps cost least together, whatever it is that they cost: seconds of the kernels
  /// that run them, for instance. Dynamic programming over sets of operands:
  ///
  ///     best(S) = min over S = A ⊎ B of best(A) + best(B) + cost(step that joins A and B)
  ///
  /// with each value in two layouts, if the search finds so many: which one is better depends on the steps
  /// to come.
  ///
  /// ```swift
  /// let plan = try Plan(bound, needsGradient: nil) { step, _, _ in Double(step.resultShape.reduce(1, *)) }
  /// ```
  ///
  /// - Parameters:
  ///   - needsGradient: which operands need one; `nil`: none.
  ///   - cost: of a step, whose `macs` are not yet counted, given which of its operands need a gradient, and
  ///     a limit: whatever is not less than it may be answered where the cost is not. It is asked once or
  ///     more for every way to split a set, of which 6 operands have 301.
  /// - Throws: `OrderError`, for more than `mostOperandsByStepCost` operands.
  public init(
    _ expression: BoundExpression, needsGradient: [Bool]?,
    cost: (_ step: Step, _ needed: [Bool], _ limit: Double) -> Double
  ) throws(OrderError) {
    let count = expression.operands.count
    guard count > 0 else { throw .noOperands }
    guard count <= Self.mostOperandsByStepCost else {
      throw .tooManyOperands(operands: count, limit: Self.mostOperandsByStepCost)
    }
    if let needsGradient, needsGradient.count != count {
      throw .gradientMask(count: needsGradient.count, operands: count)
    }
    func isNeeded(_ set: Int) -> Bool {
      (0..<count).contains { set >> $0 & 1 == 1 && needsGradient?[$0] ?? false }
    }
    typealias Arrangement = PlanAssembly.Arrangement
    /// The best way to one set of operands with its result stored in one arrangement.
    struct Way {
      let value: Int
      let modes: [Int?]
      let cost: Double
      let parts: (first: Int, firstWay: Int, second: Int, secondWay: Int)?
      let arrangement: Arrangement
    }
    var assembly = PlanAssembly(expression)
    var ways: [Int: [Way]] = [:]
    for operand in 0..<count {
      let value = assembly.prepare(operand: operand)
      ways[1 << operand] = [
        Way(
          value: value, modes: assembly.values[value].modes, cost: 0, parts: nil,
          arrangement: .appended)
      ]
    }
    let everything = (1 << count) - 1
    for set in 1...everything where ways[set] == nil {
      // By the order of modes: arrangements that come to the same are one way.
      var best: [[Int?]: Way] = [:]
      var part = (set - 1) & set
      while part > 0 {
        defer { part = (part - 1) & set }
        // Each split once: the part with the first operand is the first.
        guard part & set & -set != 0 else { continue }
        for (i, a) in (ways[part] ?? []).enumerated() {
          for (j, b) in (ways[set ^ part] ?? []).enumerated()
          where a.cost + b.cost < best.values.map(\.cost).min() ?? .infinity {
            var seen: [[Int?]] = []
            for arrangement in Arrangement.allCases {
              let value = assembly.contract(
                a.value, b.value, macs: 0, arrangement: arrangement, isLast: set == everything)
              let modes = assembly.values[value].modes
              guard !seen.contains(modes) else { continue }
              seen.append(modes)
              let step = assembly.steps[assembly.steps.count - 1]
              let limit = Self.worstLayout * (best.values.map(\.cost).min() ?? .infinity)
              let parts = a.cost + b.cost
              let total =
                parts + cost(step, [isNeeded(part), isNeeded(set ^ part)], limit - parts)
              guard total < best[modes]?.cost ?? .infinity else { continue }
              best[modes] = Way(
                value: value, modes: modes, cost: total, parts: (part, i, set ^ part, j),
                arrangement: arrangement)
            }
          }
        }
      }
      // Two layouts are enough to choose from: more would multiply the search.
      ways[set] = Array(
        best.values.sorted { ($0.cost, $0.value) < ($1.cost, $1.value) }.prefix(2))
    }
    var pairs: [ContractionOrder.Pair] = []
    var arrangements: [Arrangement] = []
    func number(_ set: Int, _ index: Int) -> Int {
      guard let way = ways[set]?[index], let parts = way.parts else {
        return set.trailingZeroBitCount
      }
      let a = number(parts.first, parts.firstWay)
      let b = number(parts.second, parts.secondWay)
      pairs.append(.init(a, b))
      arrangements.append(way.arrangement)
      return count + pairs.count - 1
    }
    _ = number(everything, 0)
    self.init(
      expression,
      order: ContractionOrder(operandCount: count, pairs: pairs, optimizer: .optimal),
      needsGradient: needsGradient, optimizer: Self.stepCostOptimizer, arrangements: arrangements)
  }
}
