import Planning

/// What the reverse pass of a plan in slices does of the forward pass once more, slice by slice:
/// of every sliced step it brings the operands that it uses to where the step needs them, and runs
/// the steps whose results are among these.
extension ForwardScheduler {
  var isReplay: Bool {
    if case .replay = purpose { return true }
    return false
  }

  /// Which operands of sliced steps a reverse pass needs, by step and position.
  ///
  /// - Parameter needs: by value, whether its gradient is needed.
  static func replay(_ plan: DistributedPlan, needs: [Bool]) -> Purpose {
    var uses = plan.plan.steps.map { $0.operands.map { _ in false } }
    var readBack = uses
    // Backwards: whether a step runs again depends on who reads its result.
    for step in plan.plan.steps.indices.reversed() where plan.isSliced(step) {
      let operands = plan.plan.steps[step].operands
      let runs = isUsed(plan, uses, resultOf: step)
      for position in operands.indices {
        readBack[step][position] = operands.count == 2 && needs[operands[1 - position]]
        uses[step][position] = runs || readBack[step][position]
      }
    }
    return .replay(uses: uses, readBack: readBack)
  }

  private static func isUsed(
    _ plan: DistributedPlan, _ uses: [[Bool]], resultOf step: Int
  ) -> Bool {
    guard let consumer = plan.slicedConsumer(of: step),
      let position = plan.plan.steps[consumer].operands.firstIndex(of: plan.inputs.count + step)
    else { return false }
    return uses[consumer][position]
  }

  /// What a run that computes once more what the adjoints read begins and ends with.
  ///
  /// - Parameters:
  ///   - needs: by value, whether its gradient is needed.
  ///   - replay: what is done again slice by slice, in any case.
  static func recomputation(
    _ plan: DistributedPlan, needs: [Bool], replay: Purpose
  ) -> Purpose {
    var uses = plan.plan.steps.map { $0.operands.map { _ in false } }
    var keeps = uses
    /// By value.
    var isRead = needs.map { _ in false }
    for step in plan.plan.steps.indices.reversed() {
      let operands = plan.plan.steps[step].operands
      let runs = isRead[plan.inputs.count + step]
      for (position, operand) in operands.enumerated() {
        switch plan.keeping(step: step, position: position) {
        case .resting: keeps[step][position] = replay.uses(step: step, position: position)
        case .needed: keeps[step][position] = needs[operands[1 - position]]
        case .nothing: break
        }
        let isKept = keeps[step][position]
        uses[step][position] = runs || isKept && !plan.isSliced(step)
        isRead[operand] = runs || isKept
      }
    }
    return .recomputing(uses: uses, keeps: keeps)
  }

  func uses(step: Int, position: Int) -> Bool { purpose.uses(step: step, position: position) }

  /// Whether this schedule runs a step.
  func runs(_ step: Int) -> Bool {
    switch purpose {
    case .result, .recording: true
    case .replay(let uses, _): Self.isUsed(plan, uses, resultOf: step)
    case .recomputing(let uses, let keeps):
      plan.plan.steps.indices.contains { consumer in
        plan.plan.steps[consumer].operands.indices.contains {
          plan.plan.steps[consumer].operands[$0] == plan.inputs.count + step
            && (uses[consumer][$0] || keeps[consumer][$0])
        }
      }
    }
  }

  /// What this schedule keeps of a step's operand.
  func keeping(step: Int, position: Int) -> DistributedPlan.Keeping {
    switch purpose {
    case .result, .replay: .nothing
    case .recording: plan.keeping(step: step, position: position)
    case .recomputing(_, let keeps):
      keeps[step][position] ? plan.keeping(step: step, position: position) : .nothing
    }
  }

  /// One slice; its buffers are there until `releaseReplayed`.
  mutating func replay(slice: Int) {
    for step in plan.plan.steps.indices where plan.isSliced(step) {
      let item = item(step, slice: slice)
      let used = operands(item).indices.filter { uses(step: step, position: $0) }
      for position in used { supply(item, position) }
      for position in used { receive(item, position) }
      if runs(step) { run(item, index: 0) }
    }
  }

  /// Whether the adjoints of a step read one of its operands.
  func readsBack(_ step: Int, position: Int) -> Bool {
    guard case .replay(_, let readBack) = purpose else { return false }
    return readBack[step][position]
  }

  /// The buffer of an operand of a sliced step, where the step needs it.
  func replayed(_ step: Int, position: Int, slice: Int) -> Int? {
    places[place(item(step, slice: slice), position)]?.buffer
  }

  mutating func releaseReplayed(_ step: Int, position: Int, slice: Int) {
    releaseOperands(item(step, slice: slice), at: [position])
  }

  private func item(_ step: Int, slice: Int) -> Item {
    Item(step: step, slice: slice, isLast: slice == plan.mesh.sliceCount - 1)
  }
}

extension ForwardScheduler.Purpose {
  /// Whether an operand of a step is brought to where the step needs it.
  func uses(step: Int, position: Int) -> Bool {
    switch self {
    case .result, .recording: true
    case .replay(let uses, _), .recomputing(let uses, _): uses[step][position]
    }
  }
}
