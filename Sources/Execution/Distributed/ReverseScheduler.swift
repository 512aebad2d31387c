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
struct ReverseScheduler {
  private typealias Role = RunSchedule.Kernel

  /// A gradient on its way, and where it goes next.
  private struct Leg {
    let transfer: Int
    let operand: Int
    /// To gather the copies.
    let gather: Int?
    let item: Int
  }

  private let plan: DistributedPlan
  private let overlap: Bool
  private let asTerms: Bool
  /// By value, whether its gradient is needed.
  private let needs: [Bool]
  private var builder: ScheduleBuilder
  /// The buffers that the record supplies, by step and position.
  private var operands: [[Int?]] = []
  private let outputGradient: Int
  /// By value, the gradient's buffer, and the layout it is in.
  private var gradients: [Int: (buffer: Int, layout: Layout)] = [:]
  private var arriving: [Int: Int] = [:]
  private var legs: [Leg] = []

  init(_ plan: DistributedPlan, needed: [Bool], asTerms: Bool, overlap: Bool) {
    self.plan = plan
    self.overlap = overlap
    self.asTerms = asTerms
    var needs = needed
    for step in plan.plan.steps { needs.append(step.operands.contains { needs[$0] }) }
    self.needs = needs
    var given: [Layout] = []
    operands = zip(plan.plan.steps, plan.steps).map { step, distribution in
      guard step.operands.count == 2 else { return [nil] }
      given += distribution.operands
      return [given.count - 2, given.count - 1]
    }
    outputGradient = given.count
    builder = ScheduleBuilder(given: given + [plan.output])
    builder.results = needed.map { _ in nil }
  }

  mutating func build() -> ScheduleBuilder {
    guard let last = plan.plan.steps.indices.last, needs[plan.inputs.count + last] else {
      return builder
    }
    placeOutputGradient(last)
    for (item, step) in plan.plan.steps.indices.reversed().enumerated()
    where needs[plan.inputs.count + step] {
      goBack(through: step, item: item)
      advance(before: item)
    }
    finishLegs()
    return builder
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

  private mutating func goBack(through index: Int, item: Int) {
    let step = plan.plan.steps[index]
    let distribution = plan.steps[index]
    let text = plan.plan.contractionText(step)
    let value = plan.inputs.count + index
    if let transfer = arriving.removeValue(forKey: value) {
      builder.finish(transfer, releasingSource: true)
    }
    guard var (gradient, layout) = gradients.removeValue(forKey: value) else { return }
    if !Redistribution(from: layout, to: distribution.computed.dual).isIdentity {
      let movement = builder.addMovement(
        from: layout, to: distribution.computed.dual, step: index
      ) { "\($0.verb) the gradient of '\(text)'" }
      let target = builder.allocateTarget(of: movement)
      builder.finish(
        builder.start(movement, from: gradient, into: target), releasingSource: true)
      (gradient, layout) = (target, distribution.computed.dual)
    }
    for (position, operand) in step.operands.enumerated() where needs[operand] {
      let result = builder.allocate(.box(distribution.operands[position], slice: 0))
      let other = step.operands.count == 2 ? operands[index][1 - position] : nil
      builder.run(
        RunSchedule.Kernel(step: index, slice: 0, role: position == 0 ? .first : .second),
        sources: position == 0 ? [gradient, other] : [other, gradient], into: result)
      send(result, of: operand, from: distribution.operands[position].dual, step: index, item: item)
    }
    builder.release(gradient)
  }

  /// Sends an operand's gradient to where it rests.
  private mutating func send(
    _ gradient: Int, of value: Int, from source: Layout, step: Int, item: Int
  ) {
    let rest = plan.layout(of: value)
    let isOperand = value < plan.inputs.count
    let isSummed = isOperand && !asTerms
    let target = isSummed ? rest.oneCopy(like: source) : rest.dual
    let name = isOperand ? "the gradient of operand \(value)" : "a gradient"
    let gather =
      isSummed && target != rest
      ? builder.addMovement(from: target, to: rest, step: step) { "\($0.verb) \(name)" } : nil
    guard !Redistribution(from: source, to: target).isIdentity else {
      if let gather {
        startGather(gather, of: value, from: gradient, item: item)
      } else if isOperand {
        finishOperand(value, gradient)
      } else {
        gradients[value] = (gradient, target)
      }
      return
    }
    let movement = builder.addMovement(from: source, to: target, step: step) {
      "\($0.verb) \(name)"
    }
    let buffer = builder.allocateTarget(of: movement)
    let transfer = builder.start(movement, from: gradient, into: buffer)
    if isOperand {
      legs.append(Leg(transfer: transfer, operand: value, gather: gather, item: item))
      if !overlap { finishLegs() }
    } else {
      gradients[value] = (buffer, target)
      arriving[value] = transfer
      if !overlap {
        arriving[value] = nil
        builder.finish(transfer, releasingSource: true)
      }
    }
  }

  private mutating func startGather(_ gather: Int, of operand: Int, from source: Int, item: Int) {
    let target = builder.allocateTarget(of: gather)
    let transfer = builder.start(gather, from: source, into: target)
    legs.append(Leg(transfer: transfer, operand: operand, gather: nil, item: item))
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
      if let gather = leg.gather {
        // At the end (`.max`) all legs are due, the ones that begin now as well.
        startGather(
          gather, of: leg.operand, from: target, item: item == .max ? leg.item : item)
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

extension Layout {
  /// One copy of a replicated tensor: the axes along which it is copied cut the dimensions that
  /// another layout cuts by them, and otherwise the one with the largest parts. A scalar's copies
  /// cannot be cut.
  func oneCopy(like other: Layout) -> Layout {
    guard !cuts.isEmpty else { return self }
    var lists = cuts.map(\.axes)
    for axis in replicationAxes {
      let alike = other.cuts.firstIndex { $0.axes.contains(axis) }
      let largest = cuts.indices.max { a, b in
        size(a, lists[a]) < size(b, lists[b])
      }
      lists[alike ?? largest ?? 0].append(axis)
    }
    return Layout(shape: shape, mesh: mesh, axes: lists)
  }

  private func size(_ dimension: Int, _ axes: [Int]) -> Int {
    cuts[dimension].extent / axes.reduce(1) { $0 * mesh.extent($1) }
  }
}
