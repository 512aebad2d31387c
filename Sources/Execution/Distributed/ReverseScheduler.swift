import Partitioning
import Planning

/// Lays out a reverse run: from the gradient of the output to those of the operands.
///
/// The gradient of what a layout holds lies in its dual: where ranks hold copies, the gradient is
/// the sum of theirs, and where they hold terms of a sum, each term has the same gradient. So every
/// redistribution of the forward run is gone through in reverse, between the duals: a gather becomes
/// a reduction, and a halo is added to where it came from.
///
/// The gradient of an operand that is replicated is summed to one copy, which is then gathered; or
/// it is left as the ranks' terms of the sum, for which nothing travels.
///
/// Of a plan in slices the steps after the slices come first, then, slice by slice, what the slice
/// computed, once more (`ForwardScheduler.replay`), and the sliced steps back; then the steps before
/// them. The gradient of an operand that the slices cut is put together from theirs; of one that
/// they share it is added up.
///
/// What the adjoints read of the forward pass is the caller's; or, from the operands alone, it is computed
/// first once more, and each value let go with the adjoint that reads it.
struct ReverseScheduler {
  /// A gradient on its way, and where it goes next.
  private struct Leg {
    let transfer: Int
    let operand: Int
    /// To gather the copies.
    let gather: Int?
    /// Whether no further slice brings more of it.
    let isLast: Bool
    let item: Int
  }

  /// One run of a step's adjoints.
  private struct Item {
    let step: Int
    let slice: Int
    let isLast: Bool
    /// How many came before.
    let number: Int
  }

  /// A redistribution, which all slices share.
  private enum Passage: Hashable {
    case result(step: Int)
    case operand(Int)
    case gather(Int)
  }

  private let plan: DistributedPlan
  private let overlap: Bool
  private let asTerms: Bool
  /// By value, whether its gradient is needed.
  private let needs: [Bool]
  private var replay: ForwardScheduler
  private var builder: ScheduleBuilder {
    get { replay.builder }
    _modify { yield &replay.builder }
  }
  /// The buffers that the record supplies, by step and position.
  private var operands: [[Int?]]
  private let outputGradient: Int
  /// By value, the gradient's buffer, and the layout it is in.
  private var gradients: [Int: (buffer: Int, layout: Layout)] = [:]
  private var arriving: [Int: Int] = [:]
  private var legs: [Leg] = []
  private var itemCount = 0
  private var passages: [Passage: Int] = [:]
  /// By value, the gradient that slices add to, where the step computes it.
  private var sums: [Int: SliceSum] = [:]
  /// By value, the gradient that is put together from slices, where it rests.
  private var collected: [Int: Int] = [:]

  init(
    _ plan: DistributedPlan, needed: [Bool], asTerms: Bool, recomputing: Bool, overlap: Bool
  ) {
    self.plan = plan
    self.overlap = overlap
    self.asTerms = asTerms
    var needs = needed
    for step in plan.plan.steps { needs.append(step.operands.contains { needs[$0] }) }
    self.needs = needs
    let kept = plan.kept()
    operands = plan.plan.steps.map { $0.operands.map { _ in nil } }
    var builder: ScheduleBuilder
    let replayed = ForwardScheduler.replay(plan, needs: needs)
    if recomputing {
      var forward = ForwardScheduler(
        plan, overlap: overlap,
        purpose: ForwardScheduler.recomputation(plan, needs: needs, replay: replayed),
        given: [plan.output])
      builder = forward.build()
      builder.letGo()
      outputGradient = plan.inputs.count
    } else {
      builder = ScheduleBuilder(given: kept.map(\.layout) + [plan.output])
      outputGradient = kept.count
    }
    var resting: [Int: Int] = [:]
    for (index, kept) in kept.enumerated() {
      guard let buffer = recomputing ? builder.kept[kept.step][kept.position] : index else {
        continue
      }
      switch plan.keeping(step: kept.step, position: kept.position) {
      case .resting: resting[plan.plan.steps[kept.step].operands[kept.position]] = buffer
      case .needed:
        operands[kept.step][kept.position] = buffer
      case .nothing: break
      }
    }
    replay = ForwardScheduler(
      plan, overlap: overlap,
      purpose: replayed, builder: builder, resting: resting)
    self.builder.results = needed.map { _ in nil }
  }

  mutating func build() -> ScheduleBuilder {
    guard let last = plan.plan.steps.indices.last, needs[plan.inputs.count + last] else {
      return builder
    }
    placeOutputGradient(last)
    let (before, sliced, after) = ForwardScheduler.phases(plan)
    goBack(through: after, slice: 0, isLast: true)
    for slice in 0..<(sliced.isEmpty ? 0 : plan.mesh.sliceCount) {
      replay.replay(slice: slice)
      goBack(through: sliced, slice: slice, isLast: slice == plan.mesh.sliceCount - 1)
    }
    goBack(through: before, slice: 0, isLast: true)
    finishLegs()
    return builder
  }

  private mutating func goBack(through steps: [Int], slice: Int, isLast: Bool) {
    for step in steps.reversed() where needs[plan.inputs.count + step] {
      goBack(Item(step: step, slice: slice, isLast: isLast, number: itemCount))
      advance(before: itemCount)
      itemCount += 1
    }
  }

  /// The caller's gradient is the same on all copies of the output. Where the last step was computed
  /// redundantly each rank's share in it must be told apart: the first has all of it.
  private mutating func placeOutputGradient(_ last: Int) {
    let copies = Set(plan.output.replicationAxes)
      .intersection(plan.steps[last].computed.replicationAxes).sorted()
    guard !copies.isEmpty else {
      gradients[plan.inputs.count + last] = (outputGradient, plan.output)
      return
    }
    let layout = Layout(mesh: plan.mesh, cuts: plan.output.cuts, partialAxes: copies)
    let first = builder.allocate(.box(layout, slice: 0))
    builder.keepFirstCopy(of: outputGradient, in: first, axes: copies)
    gradients[plan.inputs.count + last] = (first, layout)
  }

  private mutating func goBack(_ item: Item) {
    let step = plan.plan.steps[item.step]
    let distribution = plan.steps[item.step]
    guard let gradient = resultGradient(item) else { return }
    let positions = step.operands.indices.filter { needs[step.operands[$0]] }
    for position in positions {
      let operand = step.operands[position]
      let layout = distribution.operands[position]
      // Slices add up the gradient of an operand that they share.
      let isSum = distribution.grid.isSliced && !layout.isSliced
      let content = RunSchedule.Content.box(layout, slice: layout.isSliced ? item.slice : 0)
      let (part, isAdding) =
        isSum
        ? sums[operand, default: SliceSum()].next(&replay.builder, content)
        : (builder.allocate(content), false)
      let other = step.operands.count == 2 ? self.operand(item, 1 - position) : nil
      builder.run(
        RunSchedule.Kernel(
          step: item.step, slice: item.slice, role: position == 0 ? .first : .second),
        sources: position == 0 ? [gradient, other] : [other, gradient], into: part,
        adding: isAdding)
      // What is no longer read makes room before anything is received.
      if let other {
        if distribution.grid.isSliced {
          replay.releaseReplayed(item.step, position: 1 - position, slice: item.slice)
        } else {
          builder.release(other)
        }
      }
      if position == positions.last { releaseResultGradient(gradient, item) }
      guard !isSum || item.isLast else { continue }
      let result = isSum ? sums[operand]?.finish(&replay.builder) ?? part : part
      send(result, of: operand, from: layout.dual, item)
    }
  }

  private func operand(_ item: Item, _ position: Int) -> Int? {
    plan.isSliced(item.step)
      ? replay.replayed(item.step, position: position, slice: item.slice)
      : operands[item.step][position]
  }

  /// The gradient of a step's result, where the step computes the result.
  private mutating func resultGradient(_ item: Item) -> Int? {
    let value = plan.inputs.count + item.step
    let target = plan.steps[item.step].computed.dual
    if let transfer = arriving.removeValue(forKey: value) {
      builder.finish(transfer, releasingSource: true)
    }
    guard let (gradient, layout) = gradients[value] else { return nil }
    guard !Redistribution(from: layout, to: target).isIdentity else { return gradient }
    let text = plan.plan.contractionText(plan.plan.steps[item.step])
    let movement = passage(.result(step: item.step), from: layout, to: target, step: item.step) {
      "\($0) the gradient of '\(text)'"
    }
    let slice = target.isSliced ? item.slice : 0
    let moved = builder.allocateTarget(of: movement, slice: slice)
    // A whole gradient of which every slice takes its part stays until the last has it.
    builder.finish(
      builder.start(movement, slice: slice, from: gradient, into: moved),
      releasingSource: item.isLast || layout.isSliced || !target.isSliced)
    // What all slices share is brought once.
    if !target.isSliced { gradients[value] = (moved, target) }
    return moved
  }

  private mutating func releaseResultGradient(_ gradient: Int, _ item: Item) {
    let isShared = !plan.steps[item.step].computed.isSliced
    if item.isLast || !isShared { builder.release(gradient) }
    if item.isLast { gradients[plan.inputs.count + item.step] = nil }
  }

  /// Sends an operand's gradient to where it rests.
  private mutating func send(
    _ gradient: Int, of value: Int, from source: Layout, _ item: Item
  ) {
    let rest = plan.layout(of: value)
    let isOperand = value < plan.inputs.count
    let isSummed = isOperand && !asTerms
    let target = isSummed ? rest.oneCopy(like: source) : rest.dual
    let name = isOperand ? "the gradient of operand \(value)" : "a gradient"
    let gather =
      isSummed && target != rest
      ? passage(.gather(value), from: target, to: rest, step: item.step) { "\($0) \(name)" }
      : nil
    guard !Redistribution(from: source, to: target).isIdentity else {
      if let gather {
        startGather(gather, of: value, from: gradient, number: item.number)
      } else if isOperand {
        finishOperand(value, gradient)
      } else {
        gradients[value] = (gradient, target)
      }
      return
    }
    let movement = passage(.operand(value), from: source, to: target, step: item.step) {
      "\($0) \(name)"
    }
    let isCollected = source.isSliced && !target.isSliced
    let known = isCollected ? collected[value] : nil
    let slice = source.isSliced ? item.slice : 0
    let buffer = known ?? builder.allocateTarget(of: movement, slice: target.isSliced ? slice : 0)
    if isCollected { collected[value] = buffer }
    let transfer = builder.start(movement, slice: slice, from: gradient, into: buffer)
    if isOperand {
      legs.append(
        Leg(
          transfer: transfer, operand: value, gather: gather,
          isLast: !isCollected || item.isLast, item: item.number))
      if !overlap { finishLegs() }
    } else {
      if let previous = arriving.removeValue(forKey: value) {
        builder.finish(previous, releasingSource: true)
      }
      gradients[value] = (buffer, target)
      arriving[value] = transfer
      if !overlap {
        arriving[value] = nil
        builder.finish(transfer, releasingSource: true)
      }
    }
  }

  private mutating func passage(
    _ passage: Passage, from source: Layout, to target: Layout, step: Int,
    name: (_ verb: String) -> String
  ) -> Int {
    if let known = passages[passage] { return known }
    let movement = builder.addMovement(from: source, to: target, step: step) { name($0.verb) }
    passages[passage] = movement
    return movement
  }

  private mutating func startGather(
    _ gather: Int, of operand: Int, from source: Int, number: Int
  ) {
    let target = builder.allocateTarget(of: gather)
    let transfer = builder.start(gather, from: source, into: target)
    legs.append(
      Leg(transfer: transfer, operand: operand, gather: nil, isLast: true, item: number))
    if !overlap { finishLegs() }
  }

  private mutating func finishLegs() {
    // Each leg may be followed by another one, sent now.
    while let last = legs.map(\.item).max() { advance(before: last + 1) }
  }

  /// Takes every gradient one leg further that was sent before this item's.
  private mutating func advance(before item: Int) {
    let due = legs.filter { $0.item < item }
    legs.removeAll { $0.item < item }
    for leg in due {
      builder.finish(leg.transfer, releasingSource: true)
      let target = builder.transfers[leg.transfer].target
      guard leg.isLast else { continue }
      if let gather = leg.gather {
        startGather(gather, of: leg.operand, from: target, number: item)
      } else {
        finishOperand(leg.operand, target)
      }
    }
  }

  private mutating func finishOperand(_ operand: Int, _ buffer: Int) {
    builder.results[operand] = buffer
    builder.keep(buffer)
  }
}
