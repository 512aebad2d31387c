extension Plan {
  /// From this estimate on a search for the fastest plan may pay even for one run. It takes some 40 ms
  /// for layers of networks (5 to 580), but a first run several times its estimate, for it meets its
  /// memory for the first time.
  static var worthSearchingSeconds: Double { 0.04 }

  /// The plan that runs fastest by a cost model, forward and for the gradients that are needed:
  /// whether a layer's kernel is rebuilt from its factors or the factors are walked follows from it.
  /// The order of fewest multiply-adds, which this plan has, is not it where that takes many thin
  /// steps.
  ///
  /// It stays with the plan of fewest multiply-adds for more than `mostOperandsByStepCost` operands, for
  /// an optimizer that was asked for, and for a single run that is too short for a search to pay.
  func fastest(
    _ options: PlanOptions, _ costs: any StepCostModel
  ) throws(OrderError) -> Plan {
    guard options.optimizer == .auto, canRun,
      (3...Self.mostOperandsByStepCost).contains(expression.operands.count)
    else { return self }
    var estimates = costs.estimates(of: expression)
    let known = estimates.nanoseconds(of: self, needsGradient: options.needsGradient)
    guard options.runs == .often || known * 1e-9 > Self.worthSearchingSeconds else {
      return self
    }
    let found = try Plan(expression, needsGradient: options.needsGradient, known: known) {
      estimates.nanoseconds($0, needed: $1, limit: $2)
    }
    // The search may not come by the arrangement of this plan's results.
    let time = estimates.nanoseconds(of: found, needsGradient: options.needsGradient)
    return time <= known ? found : self
  }

  /// Whether every tensor can be addressed, and every step be lowered.
  var canRun: Bool { firstUnaddressableShape == nil && firstStepOfTooManyTaps == nil }

  /// Seconds of a run on one thread, forward and for the gradients that are needed, by a cost model: of
  /// use to compare plans, while a machine may be faster or slower by a factor. Of a plan that no machine
  /// can run: infinity.
  ///
  /// ```swift
  /// let often = PlanOptions(runs: .often)
  /// // Not more than that of any other plan:
  /// try Plan(bound, options: often, costs: kernels).estimatedSeconds(kernels)
  /// ```
  public func estimatedSeconds(
    _ costs: any StepCostModel, needsGradient: [Bool]? = nil
  ) -> Double {
    guard canRun else { return .infinity }
    var estimates = costs.estimates(of: expression)
    return estimates.nanoseconds(of: self, needsGradient: needsGradient) * 1e-9
  }
}
