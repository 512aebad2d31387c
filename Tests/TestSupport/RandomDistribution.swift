import Partitioning
import Planning

/// A valid distribution of a plan over some ranks that nobody would choose, determined by its seed:
/// every axis of the ranks cuts some mode of each step or repeats its work, values rest in any layout,
/// sums are left for later, and some plans run in slices.
///
/// ```swift
/// let random = RandomDistribution(plan, ranks: 6, seed: 3)
/// let result = try DistributedContraction<Double>(random.plan, communicator: communicator)(boxes)
/// ```
public struct RandomDistribution: Sendable {
  public let plan: DistributedPlan

  /// - Parameter slicing: whether some plans run in slices.
  public init(_ plan: Plan, ranks: Int, seed: UInt64, slicing: Bool = true) {
    var drawing = DistributionDrawing(plan, ranks: ranks, seed: seed, slicing: slicing)
    self.plan = drawing.distribution()
  }
}

/// One draw of a distribution.
private struct DistributionDrawing {
  let plan: Plan
  /// Of the job; of some, not all work.
  let ranks: Int
  let mesh: Mesh
  let slicedMode: Int?
  var random: SeededGenerator

  init(_ plan: Plan, ranks: Int, seed: UInt64, slicing: Bool) {
    var random = SeededGenerator(seed: mixed(seed) ^ UInt64(ranks))
    self.plan = plan
    self.ranks = ranks
    let working = random.chance(0.1) ? random.integer(in: 1...ranks) : ranks
    let slicedMode =
      slicing && random.chance(0.4)
      ? Self.slicedModes(plan).randomElement(using: &random) : nil
    var axes = Mesh.primeFactors(of: working).shuffled(using: &random)
    // Sometimes coarser, and sometimes with an axis of one rank.
    if axes.count > 1 && random.chance(0.3) { axes = [axes[0] * axes[1]] + axes[2...] }
    if random.chance(0.1) { axes.insert(1, at: random.integer(in: 0...axes.count)) }
    mesh = Mesh(axes: axes, slices: slicedMode == nil ? [] : [random.integer(in: 1...3)])
    self.slicedMode = slicedMode
    self.random = random
  }

  /// Plain modes of which no step takes a diagonal.
  private static func slicedModes(_ plan: Plan) -> [Int] {
    plan.expression.modes.indices.filter { mode in
      plan.expression.modes[mode].convolution == nil
        && plan.steps.contains { StepModes($0).cuttable.contains(mode) }
        && plan.steps.map { StepModes($0) }.allSatisfy { modes in
          modes.cuttable.contains(mode) || !modes.entries.contains { $0.mode == mode }
        }
    }
  }

  mutating func distribution() -> DistributedPlan {
    let inputs = plan.expression.shapes.map { placed($0) }
    var layouts = inputs
    var steps: [StepDistribution] = []
    for (index, step) in plan.steps.enumerated() {
      let distribution = distributed(
        step, resting: step.operands.map { layouts[$0] }, isLast: index == plan.steps.count - 1)
      steps.append(distribution)
      layouts.append(distribution.result)
    }
    let last = layouts[layouts.count - 1]
    let isEnd = last.partialAxes.isEmpty && random.chance(0.5)
    return DistributedPlan(
      plan: plan, ranks: ranks, mesh: mesh, inputs: inputs, steps: steps,
      output: isEnd ? last : placed(plan.expression.outputShape), slicedMode: slicedMode,
      search: SearchSummary(objective: .bytes, isExact: false, cost: 0, lowerBound: 0))
  }

  /// Where an operand starts or the result ends: a partition, copies, or copies of a partition.
  private mutating func placed(_ shape: [Int]) -> Layout {
    var axes = shape.map { _ in [Int]() }
    let share = random.choice([1.0: 3, 0.0: 1, 0.5: 1])
    for axis in mesh.axes.indices.shuffled(using: &random)
    where !shape.isEmpty && random.chance(share) {
      axes[random.integer(in: 0...shape.count - 1)].append(axis)
    }
    return Layout(shape: shape, mesh: mesh, axes: axes)
  }

  private mutating func distributed(
    _ step: Step, resting: [Layout], isLast: Bool
  ) -> StepDistribution {
    let modes = StepModes(step)
    // Sums left to this step may be left to the next one too, but not two along one axis.
    var kept: [[Int]] = []
    for layout in resting {
      let free = layout.partialAxes.filter { !kept.joined().contains($0) }
      kept.append(free.filter { _ in random.chance(0.6) })
    }
    var cuts: [Int: [Int]] = [:]
    let cuttable = modes.cuttable.filter { $0 != slicedMode }
    for axis in mesh.axes.indices.shuffled(using: &random) where !kept.joined().contains(axis) {
      guard random.chance(0.85), let mode = cuttable.randomElement(using: &random) else { continue }
      cuts[mode, default: []].append(axis)
    }
    if let slicedMode, modes.entries.contains(where: { $0.mode == slicedMode }) {
      cuts[slicedMode] = Array(mesh.sliceAxes)
    }
    let grid = StepGrid(
      mesh: mesh,
      cuts: modes.entries.compactMap { entry in
        cuts[entry.mode].map { .init(mode: entry.mode, extent: entry.extent, axes: $0) }
      })
    let computed = modes.result(on: grid, partialAxes: Array(kept.joined()))
    return StepDistribution(
      grid: grid,
      operands: step.operands.indices.map {
        modes.operand($0, on: grid, partialAxes: kept[$0])
      },
      computed: computed, result: rested(computed, isLast: isLast))
  }

  /// Where a result rests: sums are reduced onto some dimension, or to copies, or left as they are;
  /// what is cut and what is copied mostly stays so.
  private mutating func rested(_ computed: Layout, isLast: Bool) -> Layout {
    if !isLast && random.chance(0.2) { return computed }
    var lists = computed.cuts.map(\.axes)
    func isSlice(_ axis: Int) -> Bool { axis >= mesh.axes.count }
    let unsliced = isLast || random.chance(0.4)
    if unsliced { lists = lists.map { $0.filter { !isSlice($0) } } }
    var loose: [Int] = []
    for dimension in lists.indices {
      lists[dimension].removeAll { axis in
        let moves = !isSlice(axis) && random.chance(0.15)
        if moves { loose.append(axis) }
        return moves
      }
    }
    var partial: [Int] = []
    for axis in computed.partialAxes {
      if random.chance(0.35) { partial.append(axis) } else { loose.append(axis) }
    }
    loose += computed.replicationAxes.filter { _ in random.chance(0.5) }
    for axis in loose.shuffled(using: &random) {
      guard !lists.isEmpty && random.chance(0.8) else { continue }
      let dimension = random.integer(in: 0...lists.count - 1)
      let first = lists[dimension].count { isSlice($0) }
      lists[dimension].insert(axis, at: random.integer(in: first...lists[dimension].count))
    }
    return Layout(shape: computed.shape, mesh: mesh, axes: lists, partialAxes: partial)
  }
}
