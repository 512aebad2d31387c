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

  func uses(step: Int, position: Int) -> Bool {
    guard case .replay(let uses, _) = purpose else { return true }
    return uses[step][position]
  }

  /// Whether this schedule runs a step.
  func runs(_ step: Int) -> Bool {
    guard case .replay(let uses, _) = purpose else { return true }
    return Self.isUsed(plan, uses, resultOf: step)
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
