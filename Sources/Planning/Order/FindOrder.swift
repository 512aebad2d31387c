/// Finds an order in which to contract the operands of an expression.
///
/// ```swift
/// let order = try findOrder(of: expression)                    // auto, for evaluation
/// let training = try findOrder(
///   of: expression, optimizer: .optimal, needsGradient: [false, true, true])
/// ```
///
/// Equal arguments give equal orders on every machine. Costs are summed in `Double`: below 2⁵³
/// `optimal` is exact, beyond that up to rounding. Of optimal orders of equal cost the one with
/// the smallest largest intermediate is returned for up to 10 operands; beyond, any one.
///
/// - Parameters:
///   - expression: Bound to its shapes.
///   - optimizer: How to search.
///   - needsGradient: For every operand whether it needs a gradient: then the training cost is
///     minimised (`OrderCost.trainingMacs`). `nil`: the macs are.
///   - seed: Of the greedy search's random restarts.
/// - Throws: `OrderError`: a mask of another length than the operands; `optimal` on an expression
///   that is out of its reach. `auto` falls back to `greedy` instead.
public func findOrder(
  of expression: BoundExpression, optimizer: Optimizer = .auto, needsGradient: [Bool]? = nil,
  seed: UInt64 = 0
) throws(OrderError) -> ContractionOrder {
  let count = expression.operands.count
  guard count > 0 else { throw .noOperands }
  if let mask = needsGradient, mask.count != count {
    throw .gradientMask(count: mask.count, operands: count)
  }
  let search = OrderSearch(
    network: NetworkModes(expression, needsGradient: needsGradient), seed: seed)
  switch optimizer {
  case .leftToRight:
    return ContractionTree.leftToRight(leafCount: count).order(foundBy: .leftToRight)
  case .greedy:
    return search.greedy().order(foundBy: .greedy)
  case .optimal:
    return try search.optimal(limit: OrderSearch.optimalLimit).order(foundBy: .optimal)
  case .auto:
    return search.auto(limit: OrderSearch.autoLimit)
  }
}

/// The searches, and which of them for what.
struct OrderSearch {
  let network: NetworkModes
  let seed: UInt64

  /// Up to so many operands all trees are compared, without a cap: 3¹⁰ / 2 splits.
  static let exhaustiveOperands = 10
  /// Work of `optimal` and of `auto` before they give up (`SearchBudget`): some ten seconds, and
  /// less than one.
  static let optimalLimit = 4_000_000_000
  static let autoLimit = 150_000_000

  private var count: Int { network.leaves.count }
  private var isSmall: Bool { count <= Self.exhaustiveOperands }

  func optimal(limit: Int) throws(OrderError) -> ContractionTree {
    if isSmall { return exhaustive() }
    guard count <= SubsetNetwork.maximumOperands else {
      throw .tooManyOperands(operands: count, limit: SubsetNetwork.maximumOperands)
    }
    switch capped(limit: limit, known: greedyOrLeftToRight().tree) {
    case .optimal(let tree):
      return tree
    case .exhausted(let work, let subsets):
      throw .workLimit(operands: count, work: work, subsets: subsets)
    }
  }

  func auto(limit: Int) -> ContractionOrder {
    if isSmall { return exhaustive().order(foundBy: .optimal) }
    let known = greedyOrLeftToRight()
    if count <= SubsetNetwork.maximumOperands,
      case .optimal(let tree) = capped(limit: limit, known: known.tree)
    {
      return tree.order(foundBy: .optimal)
    }
    return known.tree.order(foundBy: known.optimizer)
  }

  func greedy() -> ContractionTree {
    var search = GreedySearch(network, seed: seed)
    return search.run()
  }

  /// The cheaper of the two.
  func greedyOrLeftToRight() -> (tree: ContractionTree, optimizer: Optimizer) {
    let greedy = greedy()
    let leftToRight = ContractionTree.leftToRight(leafCount: count)
    return leftToRight.cost(in: network) < greedy.cost(in: network)
      ? (leftToRight, .leftToRight) : (greedy, .greedy)
  }

  /// All trees of few operands.
  func exhaustive() -> ContractionTree {
    let search = ExhaustiveSearch(network.leaves, in: network)
    return ContractionTree(leafCount: count, children: search.steps)
  }

  /// The search of many operands.
  /// - Parameter known: The tree to beat.
  func capped(limit: Int, known: ContractionTree) -> CappedSearch.Outcome {
    var search = CappedSearch(network, limit: limit)
    return search.run(known: known, cost: known.cost(in: network))
  }
}
