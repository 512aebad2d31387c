import Kernels
import Partitioning
import Planning

extension DistributedPlan {
  /// The plan to run an expression by once: as `init(_:options:)` finds it; or, for the objective `time`
  /// and where its steps take so long, by the kernels' own estimates, that a search is worth its time, with the order that one process
  /// would run fastest (`Plan.init(fastest:needsGradient:)`), if that is faster by these estimates. A machine model
  /// knows rates, but not which kernel a step gets.
  ///
  /// ```swift
  /// let plan = try DistributedPlan(running: bound, options: DistributionOptions(ranks: 8))
  /// ```
  ///
  /// - Throws: as `init(_:options:)`.
  public init(
    running expression: BoundExpression, options: DistributionOptions, context: Context = .process
  ) throws {
    try self.init(
      running: expression, options: options, effort: SearchEffort(), context: context)
  }

  /// - Parameter effort: what searches do is added to it.
  init(
    running expression: BoundExpression, options: DistributionOptions, effort: SearchEffort,
    context: Context
  ) throws {
    let joint = try DistributedPlan(expression, options: options, effort: effort)
    self = joint
    guard options.objective == .time, options.optimizer == .auto, options.order == nil,
      joint.plan.canRun
    else { return }
    let seconds = joint.estimatedSeconds(options, context)
    guard seconds > Plan.worthSearchingSeconds else { return }
    let alone = try Plan(
      fastest: expression, needsGradient: options.needsGradient, context: context)
    guard alone.path != joint.plan.path else { return }
    var options = options
    options.order = ContractionOrder(of: alone)
    // A grid within the limits need not be there for this order too.
    guard let other = try? DistributedPlan(expression, options: options, effort: effort) else {
      return
    }
    if other.estimatedSeconds(options, context) < seconds { self = other }
  }

  /// Of the first rank, whose parts are among the largest, by its kernels' own estimates; and of traffic by the
  /// machine model.
  func estimatedSeconds(_ options: DistributionOptions, _ context: Context) -> Double {
    let explanation = PlanExplanation(
      self, machine: options.machine, elementBytes: options.elementBytes)
    var isNeeded = options.needsGradient ?? plan.expression.shapes.map { _ in false }
    return plan.steps.indices.reduce(0) { total, index in
      let needed = plan.steps[index].operands.map { isNeeded[$0] }
      isNeeded.append(needed.contains(true))
      let nest = ContractionNest(StepPart(plan.steps[index], steps[index], rank: 0))
      let nanoseconds = StepEstimates.roles(needed).reduce(0) {
        $0 + LoweredNest(nest, writing: $1, context: context).nanoseconds
      }
      let slices = steps[index].grid.isSliced ? mesh.sliceCount : 1
      return total + explanation.steps[index].communicationSeconds
        + nanoseconds * 1e-9 * Double(slices)
    }
  }
}
