import Partitioning

extension DistributedPlan {
  /// Chooses the order of contraction and the layout of every tensor together; for time and with a
  /// cost model, of the order so found and the one that a process alone would run fastest, the faster.
  ///
  /// - Throws: `OrderError`, e.g. where `optimal` is asked of more operands than it can search;
  ///   `DistributionError` where no grid keeps within `stepElementLimit`, or the options' mesh and
  ///   axes do not fit.
  public init(
    _ expression: BoundExpression, options: DistributionOptions,
    costs: (any StepCostModel)? = nil
  ) throws {
    let effort = SearchEffort()
    if let costs {
      try self.init(expression, options: options, costs: costs, effort: effort)
    } else {
      try self.init(expression, options: options, effort: effort)
    }
  }

  /// - Parameter effort: what the search does is added to it.
  /// - Throws: also `SearchEffort.Exhausted`.
  package init(
    _ expression: BoundExpression, options: DistributionOptions, effort: SearchEffort
  ) throws {
    try options.validate(for: expression)
    if let shape = (expression.shapes + [expression.outputShape]).first(
      where: { !Plan.isAddressable($0) })
    {
      throw DistributionError.tooLarge(expression: expression.text, shape: shape)
    }
    let search = try DistributionSearch(expression, options: options, effort: effort)
    // Where latency rules, ranks only get in each other's way: then fewer of them are better.
    let isFree = options.inputs?.allSatisfy { $0 == .free } ?? true
    let mayBeFewer =
      options.objective == .time && isFree && options.output == .free && options.mesh == nil
    let one = mayBeFewer && options.ranks > 1 ? search.best(ranks: 1) : nil
    var best = search.best(ranks: options.ranks, below: one?.found.cost ?? .infinite) ?? one
    var fewer = 2
    while mayBeFewer && fewer < options.ranks, let known = best,
      known.found.search.mesh.ranks < options.ranks,
      let few = search.best(ranks: fewer, below: known.found.cost)
    {
      best = few
      fewer *= 2
    }
    if effort.isExhausted { throw SearchEffort.Exhausted() }
    guard let best else {
      throw DistributionError.stepTooLarge(
        expression: expression.text, limit: options.stepElementLimit, ranks: options.ranks)
    }
    self.init(best.found, options: options, isExact: best.isExact)
  }

  /// Writes the search's decisions down, step by step of the plan.
  private init(
    _ found: DistributionSearch.Found, options: DistributionOptions, isExact: Bool
  ) {
    let search = found.search
    let expression = search.expression
    let count = expression.operands.count
    var pairs: [ContractionOrder.Pair] = []
    var inputs = expression.shapes.map { Layout.replicated($0, mesh: search.mesh) }
    var preparations: [Int: (SearchNode, SearchNode.Resting)] = [:]
    var contractions: [(SearchNode, SearchNode.Resting)] = []

    /// Returns the number of a value in the order.
    func visit(_ node: SearchNode, _ origin: SearchNode.Origin) -> Int {
      switch origin {
      case .operand(let operand, let layout):
        inputs[operand] = search.pool[layout]
        return operand
      case .resting(let resting):
        let decision = resting.decision
        let operands = zip(decision.operands, decision.needed).map { operand, needed in
          search.supply(of: operand, in: needed).map { visit(operand, $0.origin) } ?? 0
        }
        guard operands.count == 2 else {
          preparations[operands[0]] = (node, resting)
          return operands[0]
        }
        pairs.append(.init(operands[0], operands[1]))
        contractions.append((node, resting))
        return count + pairs.count - 1
      }
    }
    _ = visit(found.root, .resting(found.resting))
    let order = ContractionOrder(
      operandCount: count, pairs: pairs,
      optimizer: Optimizer(rawValue: found.optimizer) ?? .auto)
    let plan = Plan(
      expression, order: order, needsGradient: options.needsGradient, optimizer: found.optimizer)

    var steps: [StepDistribution] = []
    var next = 0
    for step in plan.steps {
      let made: (node: SearchNode, resting: SearchNode.Resting)?
      if step.operands.count == 1 {
        made = preparations[step.operands[0]]
      } else {
        made = contractions[next]
        next += 1
      }
      guard let made else { preconditionFailure("the search knows every step of its plan") }
      let modes = StepModes(step)
      let grid = made.resting.decision.grid
      let partial = step.operands.map { value in
        (value < count ? inputs[value] : steps[value - count].result).partialAxes
      }
      let resting = search.pool[made.resting.layout]
      let restingModes = search.assembly.values[made.node.value].modes
      steps.append(
        StepDistribution(
          grid: grid,
          operands: partial.indices.map {
            modes.operand($0, on: grid, partialAxes: partial[$0])
          },
          computed: modes.result(on: grid, partialAxes: Array(partial.joined())),
          result: Layout(
            shape: step.resultShape, mesh: search.mesh,
            axes: step.resultModes.map { mode in
              restingModes.firstIndex(of: mode).map { resting.cuts[$0].axes } ?? []
            }, partialAxes: resting.partialAxes)))
    }
    let result = steps.last?.result ?? .replicated(expression.outputShape, mesh: search.mesh)
    self.init(
      plan: plan, ranks: options.ranks, mesh: search.mesh, inputs: inputs, steps: steps,
      output: search.outputLayout(result), slicedMode: options.slices?.mode,
      search: SearchSummary(
        objective: options.objective, isExact: isExact, cost: found.cost.primary,
        lowerBound: Self.lowerBound(
          of: plan, ranks: search.mesh.ranks, objective: options.objective,
          machine: options.machine, elementBytes: options.elementBytes,
          needsGradient: options.needsGradient)))
  }
}

extension DistributionOptions {
  func validate(for expression: BoundExpression) throws(DistributionError) {
    guard ranks >= 1 else { throw .noRanks(ranks) }
    guard ranks <= Self.mostRanks else { throw .tooManyRanks(ranks, limit: Self.mostRanks) }
    if let mesh, mesh.ranks != ranks { throw .meshRanks(mesh: mesh.axes, ranks: ranks) }
    for (operand, shape) in expression.shapes.enumerated() {
      try validate(inputs?[operand] ?? .free, operand: operand, shape: shape)
    }
    try validate(output, operand: nil, shape: expression.outputShape)
  }

  private func validate(
    _ placement: Placement, operand: Int?, shape: [Int]
  ) throws(DistributionError) {
    guard case .axes(let axes) = placement else { return }
    let all = axes.joined()
    let known = mesh?.axes.indices ?? 0..<0
    guard mesh != nil, axes.count == shape.count, all.allSatisfy(known.contains),
      Set(all).count == all.count
    else { throw .axesDoNotFit(operand: operand, axes: axes, shape: shape, mesh: mesh?.axes) }
  }
}

/// Why no distribution could be found.
///
/// ```swift
/// do { plan = try DistributedPlan(bound, options: options) } catch { print(error) }
/// ```
public enum DistributionError: Error, Hashable, Sendable {
  /// Fewer ranks than one.
  case noRanks(Int)
  /// More than can be planned for.
  case tooManyRanks(Int, limit: Int)
  /// A mesh of another number of ranks than are planned for.
  case meshRanks(mesh: [Int], ranks: Int)
  /// A placement by axes of an operand (`nil`: the result) that the mesh does not have, or of which
  /// one is named twice, or not as many lists as dimensions. `mesh` is nil where none was given.
  case axesDoNotFit(operand: Int?, axes: [[Int]], shape: [Int], mesh: [Int]?)
  /// An operand, or the result, has more elements than can be addressed.
  case tooLarge(expression: String, shape: [Int])
  /// On no grid do the operands and the result of some step fit.
  case stepTooLarge(expression: String, limit: Double, ranks: Int)
}

extension DistributionError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .noRanks(let ranks):
      "cannot plan for \(ranks) ranks; the least is 1"
    case .tooManyRanks(let ranks, let limit):
      "cannot plan for \(ranks) ranks; the most is \(limit)"
    case .meshRanks(let mesh, let ranks):
      "a mesh of \(mesh) has \(mesh.reduce(1, *)) ranks, but \(ranks) are planned for; they must be "
        + "equal"
    case .axesDoNotFit(let operand, let axes, let shape, let mesh):
      "the axes \(axes) cannot place \(operand.map { "operand \($0)" } ?? "the result") of shape "
        + "\(shape); expected one list per dimension, each axis of "
        + (mesh.map { "the mesh \($0)" } ?? "a mesh, which must be given,") + " at most once"
    case .tooLarge(let expression, let shape):
      "cannot distribute '\(expression)': a tensor of shape \(shape) is larger than can be addressed"
    case .stepTooLarge(let expression, let limit, let ranks):
      "cannot distribute '\(expression)' over \(ranks) ranks: some step needs more than "
        + "\(limit < 1e18 ? "\(Int(limit))" : "2⁴⁸") elements of its operands and its result on one rank on every grid"
    }
  }
}
