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
    return search.auto()
  }
}

/// The searches, and which of them for what.
struct OrderSearch {
  let network: NetworkModes
  let seed: UInt64

  /// Up to so many operands all trees are compared, without a cap: 3¹⁰ / 2 splits.
  static let exhaustiveOperands = 10
  /// Work of `optimal` before it gives up (`SearchBudget`): some ten seconds.
  static let optimalLimit = 10_000_000_000
  /// Work of `auto`, beside that of the greedy orders: at least as much as they take for ten
  /// operands, and at most some tenths of a second.
  static let autoLimits = 10_000_000...300_000_000
  /// Multiply-adds a nanosecond that a run is taken to make, as of small tensors on one core.
  static let macsPerNanosecond = 2.0

  private var count: Int { network.leaves.count }
  private var isSmall: Bool { count <= Self.exhaustiveOperands }

  /// What a search may take: a tenth of the time that the best known order runs.
  static func autoLimit(cost: Double) -> Int {
    let share = min(cost / macsPerNanosecond / 10, Double(autoLimits.upperBound))
    return max(autoLimits.lowerBound, Int(share))
  }

  func optimal(limit: Int) throws(OrderError) -> ContractionTree {
    if isSmall { return exhaustive() }
    let simplified = SimplifiedNetwork(network)
    var trees: [ContractionTree] = []
    var budget = SearchBudget(limit: limit)
    for part in simplified.parts {
      let search = OrderSearch(network: part.network, seed: seed)
      guard search.count <= SubsetNetwork.maximumOperands else {
        throw .tooManyOperands(operands: search.count, limit: SubsetNetwork.maximumOperands)
      }
      let known = search.isSmall ? search.leftToRight : search.greedyOrLeftToRight().tree
      switch search.least(known: known, budget: &budget) {
      case .optimal(let tree): trees.append(tree)
      case .exhausted(let work, let subsets):
        throw .workLimit(operands: count, work: work, subsets: subsets)
      }
    }
    return simplified.tree(trees)
  }

  /// - Parameter limit: Work beside that of the greedy orders; `nil`: in proportion to what there is to gain.
  func auto(limit: Int? = nil) -> ContractionOrder {
    if isSmall { return exhaustive().order(foundBy: .optimal) }
    let simplified = SimplifiedNetwork(network)
    let searches = simplified.parts.map { OrderSearch(network: $0.network, seed: seed) }
    var trees = searches.map { $0.isSmall ? $0.exhaustive() : $0.greedyOrLeftToRight().tree }
    let known = simplified.tree(trees)
    var budget = SearchBudget(limit: limit ?? Self.autoLimit(cost: known.cost(in: network)))
    var isOptimal = true
    for (index, search) in searches.enumerated() where !search.isSmall {
      if search.count <= SubsetNetwork.maximumOperands,
        case .optimal(let tree) = search.least(known: trees[index], budget: &budget)
      {
        trees[index] = tree
      } else {
        isOptimal = false
      }
    }
    let tree = simplified.tree(trees)
    if isOptimal { return tree.order(foundBy: .optimal) }
    return leftToRight.cost(in: network) <= tree.cost(in: network)
      ? leftToRight.order(foundBy: .leftToRight) : tree.order(foundBy: .greedy)
  }

  func greedy() -> ContractionTree {
    var search = GreedySearch(network, seed: seed)
    return search.run()
  }

  private var leftToRight: ContractionTree { .leftToRight(leafCount: count) }

  /// The cheaper of the two.
  func greedyOrLeftToRight() -> (tree: ContractionTree, optimizer: Optimizer) {
    let greedy = greedy()
    return leftToRight.cost(in: network) < greedy.cost(in: network)
      ? (leftToRight, .leftToRight) : (greedy, .greedy)
  }

  /// All trees of few operands.
  func exhaustive() -> ContractionTree {
    let search = ExhaustiveSearch(network.leaves, in: network)
    return ContractionTree(leafCount: count, children: search.steps)
  }

  /// The cheapest tree, by whichever search suits the number of operands.
  private func least(
    known: ContractionTree, budget: inout SearchBudget
  ) -> CappedSearch.Outcome {
    isSmall ? .optimal(exhaustive()) : capped(known: known, budget: &budget)
  }

  /// The search of many operands.
  /// - Parameter known: The tree to beat.
  func capped(known: ContractionTree, budget: inout SearchBudget) -> CappedSearch.Outcome {
    var search = CappedSearch(network, budget: budget)
    defer { budget = search.budget }
    return search.run(known: known, cost: known.cost(in: network))
  }
}
