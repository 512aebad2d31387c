extension Plan {
  /// The most operands whose every order is compared by a cost per step.
  public static var mostOperandsByStepCost: Int { 6 }

  /// The name of the search in `optimizer`.
  private static var stepCostOptimizer: String { "step-cost" }

  /// The plan whose steps cost least together, whatever it is that they cost: seconds of the kernels
  /// that run them, for instance. Dynamic programming over sets of operands:
  ///
  ///     best(S) = min over S = A ⊎ B of best(A) + best(B) + cost(step that joins A and B)
  ///
  /// where the values of A and B are stored as their own best orders leave them.
  ///
  /// ```swift
  /// let plan = try Plan(bound, needsGradient: nil) { step, _ in Double(step.resultShape.reduce(1, *)) }
  /// ```
  ///
  /// - Parameters:
  ///   - needsGradient: which operands need one; `nil`: none.
  ///   - cost: of a step, whose `macs` are not yet counted, given which of its operands need a gradient. It is asked once for every way
  ///     to split a set: 301 times for 6 operands.
  /// - Throws: `OrderError`, for more than `mostOperandsByStepCost` operands.
  public init(
    _ expression: BoundExpression, needsGradient: [Bool]?,
    cost: (_ step: Step, _ needed: [Bool]) -> Double
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
    var assembly = PlanAssembly(expression)
    var best: [Int: (value: Int, cost: Double, parts: (Int, Int)?)] = [:]
    for operand in 0..<count {
      best[1 << operand] = (assembly.prepare(operand: operand), 0, nil)
    }
    let everything = (1 << count) - 1
    for set in 1...everything where best[set] == nil {
      var part = (set - 1) & set
      while part > 0 {
        defer { part = (part - 1) & set }
        // Each split once: the part with the first operand is the first.
        guard part & set & -set != 0, let a = best[part], let b = best[set ^ part] else { continue }
        let value = assembly.contract(a.value, b.value, macs: 0, isLast: set == everything)
        let step = assembly.steps[assembly.steps.count - 1]
        let total = a.cost + b.cost + cost(step, [isNeeded(part), isNeeded(set ^ part)])
        if total < best[set]?.cost ?? .infinity { best[set] = (value, total, (part, set ^ part)) }
      }
    }
    var pairs: [ContractionOrder.Pair] = []
    func number(_ set: Int) -> Int {
      guard let parts = best[set]?.parts else { return set.trailingZeroBitCount }
      let (a, b) = (number(parts.0), number(parts.1))
      pairs.append(.init(a, b))
      return count + pairs.count - 1
    }
    _ = number(everything)
    self.init(
      expression,
      order: ContractionOrder(operandCount: count, pairs: pairs, optimizer: .optimal),
      needsGradient: needsGradient, optimizer: Self.stepCostOptimizer)
  }
}
