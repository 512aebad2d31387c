/// What the steps of plans cost on the machine that is to run them. It is given to planners from
/// outside, so that Planning knows the times of kernels without knowing kernels.
///
/// A model is pure: equal questions have equal answers on every rank.
///
/// ```swift
/// let plan = try Plan(bound, costs: KernelCosts())   // of the module Execution
/// ```
public protocol StepCostModel: Sendable {
  /// The costs of one expression's steps, asked for again and again: orders have many steps in
  /// common, and what they cost is only found out once.
  func estimates(of expression: BoundExpression) -> any StepEstimates
}

/// The costs of the steps of one expression.
///
/// ```swift
/// var estimates = KernelCosts().estimates(of: plan.expression)
/// for step in plan.steps { print(estimates.nanoseconds(step, needed: [], limit: .infinity)) }
/// ```
public protocol StepEstimates {
  /// Nanoseconds that one thread takes for a step and for the gradients of the operands that need one.
  ///
  /// - Parameters:
  ///   - needed: by operand; those not given need none.
  ///   - limit: what is not less may be answered by anything that is not.
  mutating func nanoseconds(_ step: Step, needed: [Bool], limit: Double) -> Double

  /// The same of one rank's part, at one slice.
  mutating func nanoseconds(
    _ step: Step, _ distribution: StepDistribution, rank: Int, needed: [Bool]
  ) -> Double
}

extension StepEstimates {
  /// Of all steps of a plan together.
  mutating func nanoseconds(of plan: Plan, needsGradient: [Bool]?) -> Double {
    var isNeeded = needsGradient ?? plan.expression.shapes.map { _ in false }
    return plan.steps.reduce(0) { total, step in
      let needed = step.operands.map { isNeeded[$0] }
      isNeeded.append(needed.contains(true))
      return total + nanoseconds(step, needed: needed, limit: .infinity)
    }
  }
}
