import Partitioning

/// The search on one mesh: dynamic programming over values and the layouts they rest in,
///
///     best(S, T) = min over S = A ⊎ B, grids and layouts T_A, T_B of
///                  best(A, T_A) + move(T_A → needed) + best(B, T_B) + move(T_B → needed)
///                  + work(grid) + move(computed → T)
///
/// A result rests where it was computed, its partial sums reduced onto further cuts of its
/// dimensions; or partial, the sum being left to a later step, which is linear in it. That fuses
/// such a step with the next as far as traffic goes: an MTTKRP leaves its tensor where it is.
final class MeshSearch {
  let expression: BoundExpression
  let options: DistributionOptions
  let mesh: Mesh
  let pool: LayoutPool
  let model: CostModel
  /// Multiply-adds of a good order: redundant work is measured against them.
  let referenceMacs: Double
  /// Whether everything is tried: all ways to place axes, and any number of layouts per value.
  let isExact: Bool
  let effort: SearchEffort
  var assembly: PlanAssembly
  /// Only plans of less are of interest. It may be lowered during the search.
  var limit = SearchCost.infinite

  /// Layouts kept per value where the search is bounded.
  static let keptLayouts = 40
  /// Kinds of layouts kept beyond those; of values that are no partial sums, all.
  static let keptKinds = 60
  /// Of the reference's work per rank, what a step may do redundantly when only bytes count.
  static let redundantShare = 0.05

  init(
    _ expression: BoundExpression, options: DistributionOptions, mesh: Mesh,
    referenceMacs: Double, isExact: Bool, effort: SearchEffort
  ) {
    self.effort = effort
    self.expression = expression
    self.options = options
    self.mesh = mesh
    self.referenceMacs = referenceMacs
    self.isExact = isExact
    pool = LayoutPool(mesh: mesh, ranksPerNode: options.machine.ranksPerNode, effort: effort)
    model = CostModel(
      objective: options.objective, machine: options.machine,
      elementBytes: Double(options.elementBytes))
    assembly = PlanAssembly(expression, isCanonical: true)
  }

  /// The node of an operand, prepared where it has to be.
  func leaf(_ operand: Int) -> SearchNode {
    let needsGradient = options.needsGradient?[operand] ?? false
    let raw = SearchNode(value: operand, operand: operand, needsGradient: needsGradient)
    let isOnly = expression.operands.count == 1
    let prepared: Int
    if isOnly {
      assembly.finish()
      prepared = assembly.values.count - 1
    } else {
      prepared = assembly.prepare(operand: operand)
      if prepared == operand { return raw }
    }
    let node = SearchNode(value: prepared, operand: nil, needsGradient: needsGradient)
    var best: [Int: SearchNode.Resting] = [:]
    relax(&best, [raw], assembly.steps[assembly.steps.count - 1], isRoot: isOnly)
    node.restings = pruned(best)
    return node
  }

  /// The node of a set of operands, contracted in the last step in one of some ways to split it.
  func join(_ splits: [(SearchNode, SearchNode)], isRoot: Bool) -> SearchNode {
    var best: [Int: SearchNode.Resting] = [:]
    var value = 0
    for (a, b) in splits {
      value = assembly.contract(a.value, b.value, macs: 0, isLast: isRoot)
      relax(&best, [a, b], assembly.steps[assembly.steps.count - 1], isRoot: isRoot)
    }
    let node = SearchNode(
      value: value, operand: nil,
      needsGradient: splits.contains { $0.needsGradient || $1.needsGradient })
    node.restings = pruned(best)
    return node
  }

  /// Tries every grid of a step, and keeps for every layout that the result may rest in the
  /// cheapest way there.
  func relax(
    _ best: inout [Int: SearchNode.Resting], _ operands: [SearchNode], _ step: Step, isRoot: Bool
  ) {
    // A tensor that no machine can address would only overflow the counts.
    guard (step.operandShapes + [step.resultShape]).allSatisfy(Plan.isAddressable) else { return }
    let modes = StepModes(step)
    let gradients = operands.count { $0.needsGradient }
    let enumeration = GridEnumeration(
      modes: modes, mesh: mesh, slicedMode: options.slices?.mode,
      isCanonical: mayRenameRanks(operands), mayIdle: isExact && options.objective == .bytes)
    let all = enumeration.candidates(axes: Array(mesh.axes.indices))
    let leastMacs = all.reduce(.infinity) { min($0, $1.macs) }
    for partial in partialCombinations(operands) {
      let occupied = Set(partial.joined())
      let candidates =
        occupied.isEmpty
        ? all : enumeration.candidates(axes: mesh.axes.indices.filter { !occupied.contains($0) })
      effort.count += candidates.count
      for candidate in candidates where isAdmissible(candidate, leastMacs) {
        if effort.isExhausted { return }
        relax(
          &best, operands, modes, candidate, partial: partial, gradients: gradients,
          isRoot: isRoot)
      }
    }
  }

  /// Whether this step may stand for those that differ in the names of the ranks: where no layout is
  /// given, in a step of operands only, of which every tree has at most one. (Two operands of up to
  /// three, or the first with another.) Names matter where messages between nodes cost more.
  private func mayRenameRanks(_ operands: [SearchNode]) -> Bool {
    let placements = (options.inputs ?? []) + [options.output]
    let isGiven = placements.contains { $0 != .free && $0 != .replicated }
    let count = expression.operands.count
    return !isGiven && operands.count == min(2, count)
      && operands.allSatisfy { $0.operand != nil }
      && (count <= 3 || operands.contains { $0.operand == 0 })
      && !(isExact && options.objective == .time && mesh.ranks > options.machine.ranksPerNode)
  }

  private func relax(
    _ best: inout [Int: SearchNode.Resting], _ operands: [SearchNode], _ modes: StepModes,
    _ candidate: GridEnumeration.Candidate, partial: [[Int]], gradients: Int, isRoot: Bool
  ) {
    effort.count += 1
    let grid = candidate.grid
    var needed: [Int] = []
    var cost = SearchCost.zero
    var elements = 0.0
    for (position, node) in operands.enumerated() {
      let layout = pool.number(
        modes.operand(position, on: grid, partialAxes: partial[position]))
      guard let supply = supply(of: node, in: layout) else { return }
      cost = cost + supply.cost
      guard cost < limit else { return }
      elements += pool.largestBox(layout)
      needed.append(layout)
    }
    let computed = pool.number(
      modes.result(on: grid, partialAxes: Array(partial.joined())))
    elements += pool.largestBox(computed)
    guard elements <= options.stepElementLimit else { return }
    let runs = grid.isSliced ? Double(mesh.sliceCount) : 1
    let passes = Double(1 + gradients)
    cost =
      cost
      + model.work(macs: candidate.macs * passes, elements: elements * runs * passes)
    if isRoot, let known = best.values.first, !(cost < known.cost) { return }
    for result in restingLayouts(pool[computed], isRoot: isRoot) {
      effort.count += 1
      let target = pool.number(result)
      var total = cost + model.traffic(pool.volume(from: computed, to: target))
      if gradients > 0 {
        total = total + reverse(from: pool[target], to: pool[computed])
      }
      if isRoot { total = total + placing(result) }
      guard total < limit else { continue }
      let known = isRoot ? best.values.first : best[target]
      if let known, !(total < known.cost) { continue }
      // Of the last step only the best is of use.
      if isRoot { best.removeAll() }
      best[target] = SearchNode.Resting(
        layout: target, partialAxes: result.partialAxes, cost: total,
        decision: .init(operands: operands, needed: needed, grid: grid, computed: computed))
    }
  }

  /// When only bytes count, work must still be shared out: grids that leave ranks idle or let them
  /// do the same work are for steps that cannot be cut finer, or that hardly matter.
  private func isAdmissible(
    _ candidate: GridEnumeration.Candidate, _ leastMacs: Double
  ) -> Bool {
    options.objective != .bytes || candidate.isFull || candidate.macs <= leastMacs
      || candidate.macs * Double(mesh.ranks) <= Self.redundantShare * referenceMacs
  }

  /// The operands' partial axes, wherever those of two operands differ.
  private func partialCombinations(_ operands: [SearchNode]) -> [[[Int]]] {
    operands.reduce([[]]) { combinations, node in
      combinations.flatMap { combination in
        node.partialChoices.filter { Set($0).isDisjoint(with: combination.joined()) }
          .map { combination + [$0] }
      }
    }
  }

  /// The layouts that a result may rest in.
  private func restingLayouts(_ computed: Layout, isRoot: Bool) -> [Layout] {
    let partial = computed.partialAxes
    if isRoot {
      // The output is no term of a sum, and on one rank only, unless it has to be everywhere. By
      // rounding, other cuts than those of the boxes computed may be better for it.
      let idle = partial + computed.replicationAxes
      let whole =
        isExact && !idle.isEmpty
        ? .replicated(computed.shape, mesh: mesh) : computed.withoutAxes(Array(mesh.sliceAxes))
      let axes = isExact && !idle.isEmpty ? Array(mesh.axes.indices) : idle
      return whole.refinements(by: axes, refinement(axes))
    }
    var layouts: [Layout] = []
    let subsets: [[Int]] =
      isExact
      ? (0..<(1 << partial.count)).map { bits in
        partial.indices.filter { bits >> $0 & 1 == 1 }.map { partial[$0] }
      } : partial.isEmpty ? [[]] : [[], partial]
    for reduced in subsets {
      layouts += computed.refinements(by: reduced, refinement(reduced))
    }
    return layouts
  }

  private func refinement(_ axes: [Int]) -> Refinement {
    guard isExact && axes.count <= 3 else { return .together }
    return options.objective == .time ? .even : .any
  }

  /// The cheapest way to have a value where it is needed.
  func supply(
    of node: SearchNode, in needed: Int
  ) -> (cost: SearchCost, origin: SearchNode.Origin)? {
    if let known = node.supplies[needed] { return known }
    let found =
      node.operand.map { start(operand: $0, node, needed: needed) }
      ?? carry(node, needed: needed)
    node.supplies[needed] = .some(found)
    return found
  }

  private func carry(
    _ node: SearchNode, needed: Int
  ) -> (cost: SearchCost, origin: SearchNode.Origin)? {
    let partial = pool[needed].partialAxes
    var best: (cost: SearchCost, origin: SearchNode.Origin)?
    for resting in node.restings where resting.partialAxes == partial {
      if let best, !(resting.cost < best.cost) { break }
      var cost = resting.cost + model.traffic(pool.volume(from: resting.layout, to: needed))
      if node.needsGradient {
        cost = cost + reverse(from: pool[needed], to: pool[resting.layout])
      }
      if best.map({ cost < $0.cost }) ?? true { best = (cost, .resting(resting)) }
    }
    return best
  }

  /// Where an operand best starts.
  private func start(
    operand: Int, _ node: SearchNode, needed: Int
  ) -> (cost: SearchCost, origin: SearchNode.Origin) {
    let layout = pool[needed]
    let shape = layout.shape
    let starts: [Layout]
    switch options.inputs?[operand] ?? .free {
    case .replicated: starts = [.replicated(shape, mesh: mesh)]
    case .cut(let dimension):
      starts = [
        Layout(
          shape: shape, mesh: mesh,
          axes: shape.indices.map { $0 == dimension ? Array(mesh.axes.indices) : [] })
      ]
    case .axes(let axes): starts = [Layout(shape: shape, mesh: mesh, axes: axes)]
    case .free:
      // With a halo, by rounding, other cuts than that of the boxes needed may be better.
      let whole =
        isExact && layout.hasWindows
        ? .replicated(shape, mesh: mesh) : layout.withoutAxes(Array(mesh.sliceAxes))
      let axes = whole.replicationAxes
      starts = whole.refinements(by: axes, refinement(axes))
    }
    var best: (cost: SearchCost, origin: SearchNode.Origin)?
    for start in starts {
      effort.count += 1
      let number = pool.number(start)
      var cost = model.traffic(pool.volume(from: number, to: needed))
      if node.needsGradient {
        cost = cost + reverse(from: layout, to: start)
        if !start.replicationAxes.isEmpty && !options.gradientsAsTerms {
          cost = cost + gathering(start)
        }
      }
      if best.map({ cost < $0.cost }) ?? true { best = (cost, .operand(operand, layout: number)) }
    }
    return best ?? (.infinite, .operand(operand, layout: needed))
  }

  /// Traffic of the reverse pass, which brings a gradient from where a value was needed to where it
  /// rested.
  private func reverse(from needed: Layout, to rest: Layout) -> SearchCost {
    model.traffic(pool.volume(from: pool.number(needed.dual), to: pool.number(rest.dual)))
  }

  /// Traffic of summing over all copies of a tensor: a reduction to one copy and a gather.
  private func gathering(_ start: Layout) -> SearchCost {
    let axes = start.replicationAxes
    guard let one = start.refinements(by: axes, .together).first else { return .zero }
    let reduced = pool.number(one)
    return model.traffic(pool.volume(from: pool.number(start.dual), to: reduced))
      + model.traffic(pool.volume(from: reduced, to: pool.number(start)))
  }

  /// Traffic from where the last step's result rests to where it has to end.
  private func placing(_ result: Layout) -> SearchCost {
    let output = outputLayout(result)
    if output == result { return .zero }
    return model.traffic(
      pool.volume(from: pool.number(result), to: pool.number(output)))
  }

  /// Where the output ends, given where the last step leaves it.
  func outputLayout(_ result: Layout) -> Layout {
    switch options.output {
    case .free: result
    case .replicated: .replicated(result.shape, mesh: mesh)
    case .cut(let dimension):
      Layout(
        shape: result.shape, mesh: mesh,
        axes: result.shape.indices.map { $0 == dimension ? Array(mesh.axes.indices) : [] })
    case .axes(let axes): Layout(shape: result.shape, mesh: mesh, axes: axes)
    }
  }

  /// Leaves out layouts that are no better than another and the way from there, but not where the
  /// search is exact and counts messages, which do not obey the triangle inequality; or where there
  /// is a reverse pass, whose way is another.
  ///
  /// Where the search is bounded, the cheapest are kept, and of those that cut the dimensions into
  /// other numbers of parts the cheapest of each kind: what a value costs to make often differs by
  /// little, and what it costs to bring it into another layout by much.
  private func pruned(_ best: [Int: SearchNode.Resting]) -> [SearchNode.Resting] {
    let sorted = best.values.sorted {
      $0.cost != $1.cost ? $0.cost < $1.cost : $0.layout < $1.layout
    }
    let isTriangular = options.objective != .time && options.needsGradient == nil
    if isExact && !isTriangular { return sorted }
    var kept: [SearchNode.Resting] = []
    var kinds = Set<[Int]>()
    for resting in sorted {
      let layout = pool[resting.layout]
      let kind = layout.cuts.indices.map { layout.parts($0) } + resting.partialAxes
      let isNew = !kinds.contains(kind)
      // Two values that are both partial along the same axes cannot be joined: one must not be.
      if !isExact && kept.count >= Self.keptLayouts
        && !(isNew && (kinds.count < Self.keptKinds || resting.partialAxes.isEmpty))
      {
        continue
      }
      let isDominated = kept.contains { other in
        other.partialAxes == resting.partialAxes
          && !(resting.cost
            < other.cost + model.traffic(pool.volume(from: other.layout, to: resting.layout)))
      }
      if isDominated { continue }
      kept.append(resting)
      kinds.insert(kind)
    }
    return kept
  }
}

extension Layout {
  /// The same without windows, and without these axes.
  func withoutAxes(_ axes: [Int]) -> Layout {
    Layout(
      mesh: mesh,
      cuts: cuts.map { cut in
        Cut(extent: cut.extent, axes: cut.axes.filter { !axes.contains($0) })
      }, partialAxes: partialAxes)
  }
}
