extension DistributedPlan {
  /// The joint search's plan; or, for the objective `time` and where its steps take so long, by a cost
  /// model, that a search is worth its time, with the order that one process would run fastest, if
  /// that is faster by the same model. A machine model knows rates, but not which kernel a step gets.
  ///
  /// - Parameter effort: what searches do is added to it.
  package init(
    _ expression: BoundExpression, options: DistributionOptions, costs: any StepCostModel,
    effort: SearchEffort
  ) throws {
    let joint = try DistributedPlan(expression, options: options, effort: effort)
    self = try joint.fastest(options, costs, effort)
  }

  private func fastest(
    _ options: DistributionOptions, _ costs: any StepCostModel, _ effort: SearchEffort
  ) throws -> DistributedPlan {
    guard options.objective == .time, options.optimizer == .auto, options.order == nil,
      plan.canRun
    else { return self }
    let seconds = estimatedSeconds(options, costs)
    guard seconds > Plan.worthSearchingSeconds else { return self }
    let alone = try Plan(
      plan.expression,
      options: PlanOptions(needsGradient: options.needsGradient, runs: .often), costs: costs)
    guard alone.path != plan.path else { return self }
    var options = options
    options.order = ContractionOrder(of: alone)
    // A grid within the limits need not be there for this order too.
    let other = try? DistributedPlan(plan.expression, options: options, effort: effort)
    guard let other, other.estimatedSeconds(options, costs) < seconds else { return self }
    return other
  }

  /// Of the first rank, whose parts are among the largest, by a cost model; and of traffic by the
  /// machine model.
  func estimatedSeconds(
    _ options: DistributionOptions, _ costs: any StepCostModel
  ) -> Double {
    let explanation = PlanExplanation(
      self, machine: options.machine, elementBytes: options.elementBytes)
    var estimates = costs.estimates(of: plan.expression)
    var isNeeded = options.needsGradient ?? plan.expression.shapes.map { _ in false }
    return plan.steps.indices.reduce(0) { total, index in
      let needed = plan.steps[index].operands.map { isNeeded[$0] }
      isNeeded.append(needed.contains(true))
      let nanoseconds = estimates.nanoseconds(
        plan.steps[index], steps[index], rank: 0, needed: needed)
      let slices = steps[index].grid.isSliced ? mesh.sliceCount : 1
      return total + explanation.steps[index].communicationSeconds
        + nanoseconds * 1e-9 * Double(slices)
    }
  }
}
