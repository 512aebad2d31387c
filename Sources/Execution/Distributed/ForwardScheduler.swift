import Partitioning
import Planning

/// Lays out a forward run.
///
/// Steps that do not depend on slices come first, then all sliced steps for each slice, then the
/// rest. Before a kernel runs, the operands of the next one are sent on their way, as far as they
/// rest already; what a kernel made is sent right after it, and awaited by the step that reads it.
///
/// The reverse pass of a plan in slices replays them (`ForwardScheduler+Replay.swift`).
struct ForwardScheduler {
  /// What a schedule is for.
  enum Purpose: Equatable {
    case result
    /// The result, keeping what the reverse pass needs.
    case recording
    /// What the reverse pass needs alone: which operands of steps it keeps, and which it uses to run them
    /// or to keep them where they are needed.
    case recomputing(uses: [[Bool]], keeps: [[Bool]])
    /// The reverse pass, by step and position: which operands of sliced steps it uses to run them
    /// or their adjoints, and which the adjoints read.
    case replay(uses: [[Bool]], readBack: [[Bool]])
  }

  /// One run of a step.
  struct Item {
    let step: Int
    let slice: Int
    /// Whether no further slice of the step follows.
    let isLast: Bool
  }

  /// An operand where it is needed; slice 0 where that does not depend on the slice.
  struct Place: Hashable {
    let step: Int
    let position: Int
    let slice: Int
  }

  let plan: DistributedPlan
  private let overlap: Bool
  let purpose: Purpose
  var builder: ScheduleBuilder
  private var items: [Item] = []
  /// By step and position; `nil` where the operand rests where it is needed.
  private var operandMovements: [[Int?]] = []
  private var resultMovements: [Int?] = []
  /// The buffer in which a value rests, or is about to: at the present slice, if it is sliced.
  private var resting: [Int: Int] = [:]
  /// Values on their way to where they rest.
  private var arriving: [Int: (transfer: Int, releasingSource: Bool)] = [:]
  /// When a value was computed: the item, and its slice.
  private var computed: [Int: (item: Int, slice: Int)] = [:]
  private(set) var places: [Place: (buffer: Int, transfer: Int?)] = [:]
  /// Of steps that add up their slices.
  private var sums: [Int: SliceSum] = [:]

  /// A whole run.
  ///
  /// - Parameter given: buffers that the caller supplies beside the operands.
  init(_ plan: DistributedPlan, overlap: Bool, purpose: Purpose, given: [Layout] = []) {
    self.init(
      plan, overlap: overlap, purpose: purpose,
      builder: ScheduleBuilder(given: plan.inputs + given))
    items = Self.items(plan)
    for input in plan.inputs.indices { resting[input] = input }
    builder.kept = plan.plan.steps.map { $0.operands.map { _ in nil } }
  }

  /// - Parameter resting: the buffers of values that are there from the start.
  init(
    _ plan: DistributedPlan, overlap: Bool, purpose: Purpose, builder: ScheduleBuilder,
    resting: [Int: Int] = [:]
  ) {
    self.plan = plan
    self.overlap = overlap
    self.purpose = purpose
    self.builder = builder
    self.resting = resting
    for (index, step) in plan.plan.steps.enumerated() {
      let distribution = plan.steps[index]
      let text = plan.plan.contractionText(step)
      operandMovements.append(
        step.operands.enumerated().map { position, value in
          guard uses(step: index, position: position) else { return nil }
          return movement(
            from: plan.layout(of: value), to: distribution.operands[position], step: index
          ) { "\($0.verb) operand \(position) of '\(text)'" }
        })
      resultMovements.append(
        !runs(index)
          ? nil
          : movement(from: distribution.computed, to: distribution.result, step: index) {
            "\($0.verb) the result of '\(text)'"
          })
    }
  }

  private mutating func movement(
    from source: Layout, to target: Layout, step: Int, name: (Redistribution) -> String
  ) -> Int? {
    Redistribution(from: source, to: target).isIdentity
      ? nil : builder.addMovement(from: source, to: target, step: step, name: name)
  }

  /// The steps that do not depend on slices, those that run in slices, and those that follow.
  static func phases(
    _ plan: DistributedPlan
  ) -> (before: [Int], sliced: [Int], after: [Int]) {
    var depends: [Bool] = plan.inputs.map { _ in false }
    for (step, distribution) in zip(plan.plan.steps, plan.steps) {
      depends.append(distribution.grid.isSliced || step.operands.contains { depends[$0] })
    }
    let steps = plan.steps.indices
    return (
      steps.filter { !depends[plan.inputs.count + $0] }, steps.filter { plan.isSliced($0) },
      steps.filter { depends[plan.inputs.count + $0] && !plan.isSliced($0) }
    )
  }

  private static func items(_ plan: DistributedPlan) -> [Item] {
    let (before, sliced, after) = phases(plan)
    func once(_ steps: [Int]) -> [Item] {
      steps.map { Item(step: $0, slice: 0, isLast: true) }
    }
    let slices = plan.mesh.sliceCount
    return once(before)
      + (0..<slices).flatMap { slice in
        sliced.map { Item(step: $0, slice: slice, isLast: slice == slices - 1) }
      } + once(after)
  }

  mutating func build() -> ScheduleBuilder {
    for (index, item) in items.enumerated() {
      keepResting(item)
      let used = operands(item).indices.filter { uses(step: item.step, position: $0) }
      for position in used { supply(item, position) }
      for position in used { receive(item, position) }
      if overlap && index + 1 < items.count { supplyEarly(items[index + 1], before: index) }
      if runs(item.step) { run(item, index: index) } else { keepOperands(item) }
    }
    guard let last = plan.plan.steps.indices.last, runs(last) else { return builder }
    builder.results = [output(of: last)]
    return builder
  }

  func operands(_ item: Item) -> [Int] { plan.plan.steps[item.step].operands }

  func place(_ item: Item, _ position: Int) -> Place {
    let isSliced = plan.steps[item.step].operands[position].isSliced
    return Place(step: item.step, position: position, slice: isSliced ? item.slice : 0)
  }

  /// Waits until a value rests.
  private mutating func settle(_ value: Int) {
    guard let (transfer, releasingSource) = arriving.removeValue(forKey: value) else { return }
    builder.finish(transfer, releasingSource: releasingSource)
  }

  /// Sends an operand to where it is needed, unless that has happened.
  mutating func supply(_ item: Item, _ position: Int) {
    let value = operands(item)[position]
    let place = place(item, position)
    guard places[place] == nil, let movement = operandMovements[item.step][position] else { return }
    settle(value)
    guard let source = resting[value] else { return }
    let target = builder.allocateTarget(of: movement, slice: place.slice)
    let transfer = builder.start(movement, slice: place.slice, from: source, into: target)
    places[place] = (target, transfer)
  }

  /// Waits until an operand is where it is needed.
  mutating func receive(_ item: Item, _ position: Int) {
    let value = operands(item)[position]
    let place = place(item, position)
    guard operandMovements[item.step][position] != nil else {
      settle(value)
      places[place] = resting[value].map { ($0, nil) }
      return
    }
    guard let (buffer, transfer) = places[place], let transfer else { return }
    // The value itself is no longer needed once its last slice has travelled.
    let isLast =
      item.isLast || !plan.steps[item.step].operands[position].isSliced
      || plan.layout(of: value).isSliced
    builder.finish(transfer, releasingSource: isLast)
    places[place] = (buffer, nil)
  }

  /// Sends operands of the next item that do not depend on the present one, nor on a result that
  /// is only just on its way.
  private mutating func supplyEarly(_ next: Item, before index: Int) {
    for (position, value) in operands(next).enumerated()
    where uses(step: next.step, position: position) {
      if value >= plan.inputs.count {
        guard let made = computed[value] else { continue }
        let producer = plan.steps[value - plan.inputs.count]
        let slices = plan.mesh.sliceCount
        let slice =
          !producer.grid.isSliced
          ? 0 : plan.steps[next.step].grid.isSliced ? next.slice : slices - 1
        guard made.slice == slice, arriving[value] == nil || made.item + 2 <= index else {
          continue
        }
      }
      supply(next, position)
    }
  }

  mutating func run(_ item: Item, index: Int) {
    let distribution = plan.steps[item.step]
    let value = plan.inputs.count + item.step
    let isSum = distribution.grid.isSliced && !distribution.computed.isSliced
    let slice = distribution.computed.isSliced ? item.slice : 0
    let content = RunSchedule.Content.box(distribution.computed, slice: slice)
    let (part, isAdding) =
      isSum
      ? sums[item.step, default: SliceSum()].next(&builder, content)
      : (builder.allocate(content), false)
    let sources = operands(item).indices.map { places[place(item, $0)]?.buffer }
    builder.run(
      RunSchedule.Kernel(step: item.step, slice: item.slice, role: .result),
      sources: sources + (sources.count == 1 ? [nil] : []), into: part, adding: isAdding)
    keepOperands(item)
    releaseOperands(
      item, at: operands(item).indices.filter { !readsBack(item.step, position: $0) })
    guard !isSum || item.isLast else { return }
    let result = isSum ? sums[item.step]?.finish(&builder) ?? part : part
    computed[value] = (index, item.slice)
    guard let movement = resultMovements[item.step] else {
      resting[value] = result
      return
    }
    settle(value)
    // A result that is put together from slices is allocated once.
    let isCollected = distribution.computed.isSliced && !distribution.result.isSliced
    let known = isCollected ? resting[value] : nil
    let target = known ?? builder.allocateTarget(of: movement, slice: slice)
    resting[value] = target
    arriving[value] = (
      builder.start(movement, slice: slice, from: result, into: target), releasingSource: true
    )
    if !overlap { settle(value) }
  }

  mutating func releaseOperands(_ item: Item, at positions: [Int]) {
    for position in positions {
      let value = operands(item)[position]
      guard let buffer = places[place(item, position)]?.buffer else { continue }
      let isShared: Bool
      if operandMovements[item.step][position] == nil {
        isShared = !plan.layout(of: value).isSliced
      } else {
        isShared = !plan.steps[item.step].operands[position].isSliced
      }
      if item.isLast || !isShared { builder.release(buffer) }
    }
  }

  /// Keeps what a replay of the step begins with, before it travels to where the step needs it.
  private mutating func keepResting(_ item: Item) {
    for (position, value) in operands(item).enumerated()
    where keeping(step: item.step, position: position) == .resting {
      settle(value)
      if let buffer = resting[value] { keep(buffer, item, position) }
    }
  }

  private mutating func keepOperands(_ item: Item) {
    for position in operands(item).indices
    where keeping(step: item.step, position: position) == .needed {
      if let buffer = places[place(item, position)]?.buffer { keep(buffer, item, position) }
    }
  }

  private mutating func keep(_ buffer: Int, _ item: Item, _ position: Int) {
    builder.keep(buffer)
    builder.kept[item.step][position] = buffer
  }

  /// Brings the last step's result to where the output ends.
  private mutating func output(of step: Int) -> Int? {
    let value = plan.inputs.count + step
    settle(value)
    let text = plan.plan.expression.text
    guard let result = resting[value],
      let movement = movement(
        from: plan.layout(of: value), to: plan.output, step: step,
        name: { "\($0.verb) the result of '\(text)'" })
    else { return resting[value] }
    let target = builder.allocateTarget(of: movement)
    let transfer = builder.start(movement, from: result, into: target)
    builder.finish(transfer, releasingSource: true)
    return target
  }
}
