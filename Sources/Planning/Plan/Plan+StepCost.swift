extension Plan {
  /// The most operands whose every order is compared by a cost per step.
  public static var mostOperandsByStepCost: Int { 6 }

  /// The name of the search by a cost per step in `optimizer`.
  public static var stepCostOptimizer: String { "step-cost" }

  /// The plan whose steps cost least together, whatever it is that they cost: seconds of the kernels
  /// that run them, for instance. Dynamic programming over sets of operands:
  ///
  ///     best(S) = min over S = A ⊎ B of best(A) + best(B) + cost(step that joins A and B)
  ///
  /// with each value in two layouts, if the search finds so many: which one is better depends on the steps
  /// to come. What costs more than a plan that is known is left out: the one that joins all other operands
  /// before the largest, and any that the caller knows.
  ///
  /// ```swift
  /// let plan = try Plan(bound, needsGradient: nil) { step, _, _ in Double(step.resultShape.reduce(1, *)) }
  /// ```
  ///
  /// - Parameters:
  ///   - needsGradient: which operands need one; `nil`: none.
  ///   - known: the cost of some plan.
  ///   - cost: of a step, whose `macs` are not yet counted, given which of its operands need a gradient, and
  ///     a limit: whatever is not less than it may be answered where the cost is not. It is asked once or
  ///     more for every way to split a set, of which 6 operands have 301.
  /// - Throws: `OrderError`, for more than `mostOperandsByStepCost` operands.
  package init(
    _ expression: BoundExpression, needsGradient: [Bool]?, known: Double = .infinity,
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
    let found = withoutActuallyEscaping(cost) { cost in
      var search = StepCostSearch(expression, needsGradient: needsGradient, cost: cost)
      // A plan that is known may be none of those that are searched.
      return search.order(atMost: known) ?? search.order(atMost: .infinity)
    }
    self.init(
      expression,
      order: ContractionOrder(
        operandCount: count, pairs: found?.pairs ?? [], optimizer: .optimal),
      needsGradient: needsGradient, optimizer: Self.stepCostOptimizer,
      arrangements: found?.arrangements ?? [])
  }
}
