import Kernels
import Planning

extension Plan {
  /// A quarter of a multiply-add, as minimal filtering counts, at 200 GFLOP/s.
  private static var leastNanosecondsPerMac: Double { 0.0025 }

  /// The plan that this machine's kernels run fastest, by their own estimates, forward and for the
  /// gradients that are needed: whether a layer's kernel is rebuilt from its factors or the factors
  /// are walked follows from it. The order of fewest multiply-adds is not it where that takes many
  /// thin steps.
  ///
  /// For up to `mostOperandsByStepCost` operands; beyond, the plan of fewest multiply-adds.
  ///
  /// ```swift
  /// let plan = try Plan(fastest: bound, needsGradient: [true, true, true])
  /// ```
  ///
  /// - Throws: `OrderError`.
  public init(fastest expression: BoundExpression, needsGradient: [Bool]? = nil) throws {
    let plan = try Plan(expression, options: PlanOptions(needsGradient: needsGradient))
    guard (3...Self.mostOperandsByStepCost).contains(expression.operands.count),
      plan.firstUnaddressableShape == nil, plan.firstStepOfTooManyTaps == nil
    else {
      self = plan
      return
    }
    // Different orders have many steps in common.
    var known: [ContractionNest: [ContractionNest.Role: Double]] = [:]
    try self.init(expression, needsGradient: needsGradient) { step, needed, limit in
      guard ([step.resultShape] + step.operandShapes).allSatisfy(Plan.isAddressable) else {
        return .infinity
      }
      let nest = ContractionNest(step)
      func time(_ role: ContractionNest.Role) -> Double {
        if let time = known[nest]?[role] { return time }
        let time = LoweredNest(nest, writing: role).nanoseconds
        known[nest, default: [:]][role] = time
        return time
      }
      let roles =
        [.result] + zip([ContractionNest.Role.first, .second], needed).filter(\.1).map(\.0)
      // What no kernel here undercuts; most steps of most orders are out of the question by it alone.
      let least = nest.loops.reduce(Self.leastNanosecondsPerMac) { $0 * Double($1) }
      var total = least * Double(roles.count)
      for role in roles where total < limit { total += time(role) - least }
      return total
    }
  }
}
