import Partitioning

extension PlanExplanation {
  /// What the plan comes to, in a sentence, where it is a known scheme; `nil`: it is none.
  ///
  /// *One rank*: only one works. *Data parallel*: all rank axes cut one plain mode of the result in
  /// every step that has it, so that its parts never meet.
  public var summary: String? {
    let (ranks, working) = (plan.ranks, plan.mesh.ranks)
    if ranks == 1 { return nil }
    if working == 1 {
      return "one rank is best: communication would cost more than it saves; "
        + (ranks == 2 ? "rank 1 stays idle" : "ranks 1 to \(ranks - 1) stay idle")
    }
    var parts: [String] = []
    if working < ranks {
      parts.append("\(working) of the \(ranks) ranks are best: more would cost more than they save")
    }
    if let mode = dataParallelMode {
      parts.append(
        "data parallel: mode \(plan.name(of: mode)) is cut over all \(working) ranks in every step "
          + "that has it")
      if !travelling.isEmpty { parts.append("only \(travellingText)") }
    }
    if travelling.isEmpty { parts.append("nothing travels") }
    return parts.isEmpty ? nil : parts.joined(separator: "; ")
  }

  private var dataParallelMode: Int? {
    let axes = plan.mesh.axes.indices.filter { plan.mesh.axes[$0] > 1 }
    return plan.plan.expression.output.first { mode in
      plan.plan.expression.modes[mode].convolution == nil
        && zip(plan.plan.steps, plan.steps).allSatisfy { step, distribution in
          !step.operandModes.joined().contains(mode)
            || Set(distribution.grid.axes(of: mode)).isSuperset(of: axes)
        }
    }
  }

  /// E.g. `operand 1 and the result of step 5 travel`.
  private var travellingText: String {
    if travelling.count > 6 {
      return "\(travelling.count) of the \(plan.inputs.count + plan.steps.count) tensors travel"
    }
    let names = travelling.map {
      $0 < plan.inputs.count ? "operand \($0)" : "the result of step \($0)"
    }
    guard names.count > 1 else { return names.joined() + " travels" }
    return names.dropLast().joined(separator: ", ") + " and \(names[names.count - 1]) travel"
  }
}
