import Partitioning

extension StepModes {
  /// The step as lower bounds on its communication see it; `nil` for a step of one operand, of which
  /// nothing needs to travel.
  public var volume: ContractionVolume? {
    guard step.operands.count == 2 else { return nil }
    var classes = ContractionVolume(m: 1, n: 1, k: 1)
    for entry in entries where cuttable.contains(entry.mode) {
      let extent = Double(entry.extent)
      // A filter's dimension is never cut: a convolution mode cuts the feature and the result.
      let first = entry.isInOperand[0] && entry.feature != 1
      let second = entry.isInOperand[1] && entry.feature != 0
      switch (first, second, entry.isInResult) {
      case (true, true, true): classes.batch *= extent
      case (true, false, true): classes.m *= extent
      case (false, true, true): classes.n *= extent
      case (true, true, false): classes.k *= extent
      case (true, false, false): classes.firstAlone *= extent
      case (false, true, false): classes.secondAlone *= extent
      case (false, false, true): classes.resultAlone *= extent
      case (false, false, false): break
      }
    }
    return ContractionVolume(
      batch: classes.batch, m: classes.m, n: classes.n, k: classes.k,
      firstAlone: classes.firstAlone, secondAlone: classes.secondAlone,
      resultAlone: classes.resultAlone, first: elementsRead(0), second: elementsRead(1),
      result: step.resultShape.reduce(1) { $0 * Double($1) })
  }

  /// Elements of an operand that the step reads at all: a stride longer than the taps reach leaves
  /// gaps, and padding may leave the last ones out.
  private func elementsRead(_ position: Int) -> Double {
    zip(step.operandModes[position], step.operandShapes[position]).reduce(1.0) { product, pair in
      let entry = pair.0.flatMap { mode in entries.first { $0.mode == mode } }
      guard let entry, entry.feature == position, let window = entry.window else {
        return product * Double(pair.1)
      }
      let reach = Double(window.high - window.low + 1)
      let stride = Double(window.stride)
      let read = Double(entry.extent) * min(stride, reach) + max(0, reach - stride)
      return product * min(Double(pair.1), read)
    }
  }

  /// Multiply-adds of the whole step.
  var macs: Double { entries.reduce(1) { $0 * Double($1.extent) * Double($1.taps) } }

  /// Elements that some rank receives at least, where the step's tensors start and end once over
  /// all ranks.
  func receivedLowerBound(ranks: Int) -> Double {
    volume?.receivedLowerBound(ranks: Double(ranks)) ?? 0
  }
}

extension DistributedPlan {
  /// The sum of the steps' own lower bounds, in the unit of the objective.
  ///
  /// With gradients a step's work counts once more for each operand that needs one. Its traffic
  /// counts twice where both do: the reverse pass then runs every redistribution backwards, and on
  /// the average over the ranks a redistribution and its reverse move the same.
  ///
  /// - Parameter needsGradient: of the operands; `nil`: none does.
  static func lowerBound(
    of plan: Plan, ranks: Int, objective: Objective, machine: MachineModel, elementBytes: Int,
    needsGradient: [Bool]? = nil
  ) -> Double {
    let bandwidth = max(machine.insideNode.bytesPerSecond, machine.betweenNodes.bytesPerSecond)
    var hasGradient = needsGradient ?? plan.expression.operands.map { _ in false }
    return plan.steps.reduce(0) { sum, step in
      let gradients = step.operands.count { hasGradient[$0] }
      hasGradient.append(gradients > 0)
      let modes = StepModes(step)
      let macs = modes.macs / Double(ranks) * Double(1 + gradients)
      let bytes =
        modes.receivedLowerBound(ranks: ranks) * Double(elementBytes) * (gradients == 2 ? 2 : 1)
      switch objective {
      case .macs: return sum + macs
      case .bytes: return sum + bytes
      case .time: return sum + machine.computeSeconds(macs: macs, bytes: 0) + bytes / bandwidth
      }
    }
  }
}
