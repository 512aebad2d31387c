import Kernels
import Planning

extension Plan {
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
  public init(
    fastest expression: BoundExpression, needsGradient: [Bool]? = nil, context: Context = .process
  ) throws {
    let plan = try Plan(expression, options: PlanOptions(needsGradient: needsGradient))
    try self.init(fastest: expression, needsGradient: needsGradient, fewestMacs: plan, context)
  }

  private init(
    fastest expression: BoundExpression, needsGradient: [Bool]?, fewestMacs plan: Plan,
    _ context: Context
  ) throws {
    guard (3...Self.mostOperandsByStepCost).contains(expression.operands.count), plan.canRun else {
      self = plan
      return
    }
    var estimates = StepEstimates(expression, context)
    let known = estimates.nanoseconds(of: plan, needsGradient: needsGradient)
    let found = try Plan(expression, needsGradient: needsGradient, known: known) {
      estimates.nanoseconds($0, needed: $1, limit: $2)
    }
    // The search may not come by the arrangement of that plan's results.
    self = estimates.nanoseconds(of: found, needsGradient: needsGradient) <= known ? found : plan
  }

  /// From this estimate on a search for the fastest plan may pay even for one run. It takes some 40 ms
  /// for the layers of docs/performance.md (5 to 580), but a first run several times its estimate, for it
  /// meets its memory for the first time.
  static var worthSearchingSeconds: Double { 0.04 }

  /// The plan to run an expression by once: the fastest, where the one of fewest multiply-adds takes
  /// so long, by estimate, that a search is worth its time; with any optimizer but `auto` the plan that it finds.
  ///
  /// ```swift
  /// let result = try Contraction<Float>(Plan(running: bound))(operands)
  /// ```
  ///
  /// - Throws: `OrderError`.
  public init(
    running expression: BoundExpression, options: PlanOptions = PlanOptions(),
    context: Context = .process
  ) throws {
    let plan = try Plan(expression, options: options)
    guard options.optimizer == .auto, plan.canRun,
      plan.estimatedSeconds(needsGradient: options.needsGradient, context: context)
        > Self.worthSearchingSeconds
    else {
      self = plan
      return
    }
    try self.init(
      fastest: expression, needsGradient: options.needsGradient, fewestMacs: plan, context)
  }

  /// Whether every tensor can be addressed, and every step be lowered.
  var canRun: Bool { firstUnaddressableShape == nil && firstStepOfTooManyTaps == nil }

  /// Seconds of a run on one thread, forward and for the gradients that are needed, by the kernels' own
  /// estimates: of use to compare plans, while a machine may be faster or slower by a factor. Of a plan that
  /// no machine can run: infinity.
  ///
  /// ```swift
  /// try Plan(fastest: bound).estimatedSeconds()  // not more than that of any other plan
  /// ```
  public func estimatedSeconds(
    needsGradient: [Bool]? = nil, context: Context = .process
  ) -> Double {
    guard canRun else { return .infinity }
    var estimates = StepEstimates(expression, context)
    return estimates.nanoseconds(of: self, needsGradient: needsGradient) * 1e-9
  }
}
