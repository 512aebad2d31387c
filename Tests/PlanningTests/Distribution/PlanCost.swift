import Partitioning

@testable import Planning

/// What a distributed plan costs, counted again from its layouts and grids alone: boxes and messages index
/// by index (`RankBoxes`), multiply-adds from the shapes of the steps.
///
/// The objective adds up over the steps what the busiest rank does in each: its multiply-adds; the
/// bytes it receives; or the seconds of both. With gradients a step's work counts once more for
/// each operand that needs one, and every redistribution on the way from such an operand is also
/// run backwards, between the duals of its layouts. The gradient of an operand of which the ranks
/// hold copies is then summed over them: reduced to one copy on the first dimension that is long
/// enough, and gathered; or left to the caller (`gradientsAsTerms`).
struct PlanCost {
  let plan: DistributedPlan
  let options: DistributionOptions
  private let boxes: [RankBoxes]

  init(_ plan: DistributedPlan, options: DistributionOptions) {
    self.plan = plan
    self.options = options
    boxes = (0..<plan.mesh.sliceCount).map {
      RankBoxes(mesh: plan.mesh, ranksPerNode: options.machine.ranksPerNode, slice: $0)
    }
  }

  var total: Double {
    let count = plan.inputs.count
    var hasGradient = options.needsGradient ?? plan.inputs.map { _ in false }
    var cost = 0.0
    for (step, distribution) in zip(plan.plan.steps, plan.steps) {
      let gradients = step.operands.count { hasGradient[$0] }
      cost += work(step, distribution) * Double(1 + gradients)
      for (value, needed) in zip(step.operands, distribution.operands) {
        let rest = plan.layout(of: value)
        cost += move(rest, needed)
        guard hasGradient[value] else { continue }
        cost += move(needed.dual, rest.dual)
        if value < count && !options.gradientsAsTerms { cost += sumOverCopies(rest) }
      }
      cost += move(distribution.computed, distribution.result)
      if gradients > 0 { cost += move(distribution.result.dual, distribution.computed.dual) }
      hasGradient.append(gradients > 0)
    }
    if let last = plan.steps.last { cost += move(last.result, plan.output) }
    return cost
  }

  /// Bytes that the rank receives that receives most of a redistribution, summed over those.
  var busiestBytes: Double {
    PlanCost(plan, options: options.with(.bytes)).total
  }

  private func work(_ step: Step, _ distribution: StepDistribution) -> Double {
    if options.objective == .bytes { return 0 }
    let macs = boxes.reduce(0.0) { $0 + busiestMacs(step, distribution.grid, $1) }
    let runs = distribution.grid.isSliced ? boxes.count : 1
    let tensors = distribution.operands + [distribution.computed]
    // All slices are taken to be as large as the largest.
    let elements = tensors.reduce(0) { sum, layout in
      sum + (boxes.map { $0.largestBox(layout) }.max() ?? 0)
    }
    let sliceMacs = distribution.grid.isSliced ? macs : macs / Double(boxes.count)
    if options.objective == .macs { return sliceMacs }
    let machine = options.machine
    return max(
      2 * sliceMacs / (machine.flopsPerSecond * Double(machine.threadsPerRank)),
      Double(elements * runs * options.elementBytes) / machine.memoryBytesPerSecond)
  }

  private func busiestMacs(_ step: Step, _ grid: StepGrid, _ boxes: RankBoxes) -> Double {
    let loops = loops(step)
    return boxes.coordinates.map { coordinates in
      loops.reduce(1.0) { product, loop in
        let axes = grid.cuts.first { $0.mode == loop.mode }?.axes ?? []
        let part = boxes.part(of: loop.extent, axes, coordinates)
        return product * Double(part.count) * Double(loop.taps)
      }
    }.max() ?? 0
  }

  /// Of every mode of a step the indices that a grid cuts, those of the result for a convolution mode, and
  /// how many of a filter each of them takes: the whole filter, or of two filters the shorter.
  private func loops(_ step: Step) -> [(mode: Int, extent: Int, taps: Int)] {
    var extents: [Int: [Int]] = [:]
    for (modes, shape) in zip(step.operandModes, step.operandShapes) {
      // A mode that stands twice in an operand is one index.
      var seen = Set<Int>()
      for (mode, extent) in zip(modes, shape) {
        if let mode, seen.insert(mode).inserted { extents[mode, default: []].append(extent) }
      }
    }
    return extents.map { mode, extents in
      let convolution = step.convolutions.first { $0.mode == mode }
      let taps = convolution == nil || extents.count == 1 ? 1 : extents.min() ?? 1
      return (mode, convolution?.resultExtent ?? extents[0], taps)
    }
  }

  private func move(_ source: Layout, _ target: Layout) -> Double {
    if options.objective == .macs { return 0 }
    let isRepeated = source.isSliced || target.isSliced
    let machine = options.machine
    var elements = 0
    var messages = 0
    var crossesNodes = false
    for boxes in isRepeated ? boxes[...] : boxes.prefix(1) {
      let volume = boxes.volume(from: source, to: target)
      elements += volume.elements
      messages += volume.messages
      crossesNodes = crossesNodes || volume.crossesNodes
    }
    let bytes = Double(elements * options.elementBytes)
    if options.objective == .bytes { return bytes }
    let link = crossesNodes ? machine.betweenNodes : machine.insideNode
    return link.latencySeconds * Double(messages) + bytes / link.bytesPerSecond
  }

  private func sumOverCopies(_ copies: Layout) -> Double {
    let axes = copies.replicationAxes
    if axes.isEmpty || copies.cuts.isEmpty { return 0 }
    let parts = axes.reduce(1) { $0 * copies.mesh.axes[$1] }
    let longEnough = copies.cuts.indices.first {
      copies.parts($0) * parts <= copies.cuts[$0].extent
    }
    let one = Layout(
      shape: copies.shape, mesh: copies.mesh,
      axes: copies.cuts.indices.map {
        copies.cuts[$0].axes + ($0 == longEnough ?? 0 ? axes : [])
      })
    return move(copies.dual, one) + move(one, copies)
  }
}

extension DistributionOptions {
  func with(_ objective: Objective) -> DistributionOptions {
    var options = self
    options.objective = objective
    return options
  }
}
