import Partitioning

/// The search for order and distribution together.
///
/// *Exact*: for up to `exactOperands` operands and ranks with at most `exactAxes` prime factors, all
/// orders and all grids are compared, by dynamic programming over subsets of the operands.
/// *Bounded*: ranks with more prime factors are arranged in meshes of three axes, in every way that
/// matters, and of each value only the best layouts are kept. Up to `subsetOperands` operands the
/// subsets are still searched; beyond, layouts are chosen along the trees of good orders, and these
/// trees are then improved step by step.
struct DistributionSearch {
  let expression: BoundExpression
  let options: DistributionOptions
  let referenceOrder: ContractionOrder
  let referenceMacs: Double
  let effort: SearchEffort

  /// The `optimizer` of a plan whose order was chosen together with its distribution.
  static let joint = "joint"
  static let exactOperands = 4
  static let exactAxes = 3
  static let subsetOperands = 5
  /// Meshes that are tried for ranks with many prime factors.
  static let meshLimit = 6
  /// Trees that local improvement evaluates.
  static let improvementLimit = 60

  /// A plan's decisions before they are written down as a plan.
  struct Found {
    let search: MeshSearch
    let root: SearchNode
    let resting: SearchNode.Resting
    let optimizer: String

    var cost: SearchCost { resting.cost }
  }

  init(
    _ expression: BoundExpression, options: DistributionOptions, effort: SearchEffort
  ) throws(OrderError) {
    self.effort = effort
    self.expression = expression
    self.options = options
    if let order = options.order {
      referenceOrder = order
    } else {
      referenceOrder = try findOrder(
        of: expression, optimizer: options.optimizer, needsGradient: options.needsGradient,
        seed: options.seed)
    }
    referenceMacs = referenceOrder.cost(of: expression).macs
  }

  private var isOrderFree: Bool { options.optimizer == .auto && options.order == nil }
  private var operandCount: Int { expression.operands.count }

  /// The meshes to search: the one that was asked for, or all that matter. Of ranks with up to three prime factors one mesh expresses all grids.
  func meshes(ranks: Int) -> [Mesh] {
    let factors = Mesh.primeFactors(of: ranks)
    let slices = options.slices.map { [$0.count] } ?? []
    if let mesh = options.mesh { return [mesh.sliced(slices)] }
    if factors.count <= Self.exactAxes { return [Mesh(axes: factors, slices: slices)] }
    var found = Set<[Int]>()
    // Every way to multiply the prime factors into three.
    func place(_ index: Int, _ products: [Int]) {
      guard index < factors.count else {
        found.insert(products.sorted(by: >))
        return
      }
      for slot in products.indices {
        var next = products
        next[slot] *= factors[index]
        place(index + 1, next)
        // Equal products are exchangeable.
        if products[slot] == 1 { break }
      }
    }
    if factors.count <= 12 {
      place(0, [1, 1, 1])
    } else {
      found.insert(Self.balanced(factors))
    }
    // Those that could be cut finer say more: the most even ones first.
    return found.filter { !$0.contains(1) }.sorted {
      $0[0] != $1[0] ? $0[0] < $1[0] : $0.lexicographicallyPrecedes($1)
    }.prefix(Self.meshLimit).map { Mesh(axes: $0, slices: slices) }
  }

  /// Prime factors multiplied into three products as even as greedily can be.
  private static func balanced(_ factors: [Int]) -> [Int] {
    var products = [1, 1, 1]
    for factor in factors {
      let least = products.indices.min { products[$0] < products[$1] } ?? 0
      products[least] *= factor
    }
    return products.sorted(by: >)
  }

  /// The best plan found with all ranks at work, and whether nothing in the space is better; nil
  /// where none is below the limit.
  func best(
    ranks: Int, below limit: SearchCost = .infinite
  ) -> (found: Found, isExact: Bool)? {
    let meshes = meshes(ranks: ranks)
    let isSmall =
      operandCount <= Self.exactOperands
      && Mesh.primeFactors(of: ranks).count <= Self.exactAxes
    let isExact = isSmall && isOrderFree
    var best: Found?
    var tree: ContractionTree?
    for mesh in meshes {
      let search = MeshSearch(
        expression, options: options, mesh: mesh, referenceMacs: referenceMacs, isExact: isSmall,
        effort: effort)
      search.limit = best?.cost ?? limit
      if isOrderFree && operandCount <= Self.subsetOperands {
        best = overSubsets(search) ?? best
      } else if let found = alongTrees(search) {
        (tree, best) = found
      }
    }
    // Better trees are looked for on the best mesh only.
    if isOrderFree, let tree, let found = best { best = improved(tree, found) }
    return best.map { ($0, isExact) }
  }

  /// All orders: for every set of operands, all ways to split it in two.
  private func overSubsets(_ search: MeshSearch) -> Found? {
    let count = operandCount
    var nodes: [Int: SearchNode] = [:]
    for operand in 0..<count { nodes[1 << operand] = search.leaf(operand) }
    let everything = (1 << count) - 1
    for set in 1...everything where nodes[set] == nil {
      var splits: [(SearchNode, SearchNode)] = []
      var part = (set - 1) & set
      while part > 0 {
        // Each split once: the part with the first operand is the first.
        if part & set & -set != 0, let a = nodes[part], let b = nodes[set ^ part] {
          splits.append((a, b))
        }
        part = (part - 1) & set
      }
      nodes[set] = search.join(splits, isRoot: set == everything)
    }
    guard let root = nodes[everything], let resting = root.restings.first else { return nil }
    return Found(
      search: search, root: root, resting: resting,
      optimizer: count <= 2 ? referenceOrder.optimizer.rawValue : Self.joint)
  }

  /// The best layouts along the trees of good orders.
  private func alongTrees(_ search: MeshSearch) -> (tree: ContractionTree, found: Found)? {
    var trees = [ContractionTree(referenceOrder)]
    if isOrderFree,
      let greedy = try? findOrder(of: expression, optimizer: .greedy, seed: options.seed)
    {
      trees.append(ContractionTree(greedy))
    }
    var memo: [[Int]: SearchNode] = [:]
    var best: (tree: ContractionTree, found: Found)?
    for tree in trees {
      let root = node(tree.root, of: tree, search, &memo).node
      guard let resting = root.restings.first else { continue }
      if let best, !(resting.cost < best.found.cost) { continue }
      best = (
        tree,
        Found(
          search: search, root: root, resting: resting,
          optimizer: options.order == nil
            ? referenceOrder.optimizer.rawValue : Plan.stepCostOptimizer)
      )
    }
    return best
  }

  /// Goes from a tree to a better one an exchange away for as long as there is one.
  private func improved(_ tree: ContractionTree, _ found: Found) -> Found {
    let search = found.search
    var (tree, best) = (tree, found)
    var memo: [[Int]: SearchNode] = [:]
    var evaluated = 0
    var neighbours = tree.neighbours()
    while let neighbour = neighbours.popLast(), evaluated < Self.improvementLimit {
      evaluated += 1
      search.limit = best.cost
      let root = node(neighbour.root, of: neighbour, search, &memo).node
      guard let resting = root.restings.first, resting.cost < best.cost else { continue }
      best = Found(search: search, root: root, resting: resting, optimizer: Self.joint)
      tree = neighbour
      neighbours = tree.neighbours()
    }
    return best
  }

  /// The search of one subtree. Equal subtrees of different trees are searched once: the key lists
  /// the operands in brackets (−1 and −2), of two branches that of the smallest operand first.
  private func node(
    _ number: Int, of tree: ContractionTree, _ search: MeshSearch,
    _ memo: inout [[Int]: SearchNode]
  ) -> (node: SearchNode, key: [Int], leaves: Set<Int>) {
    if tree.isLeaf(number) {
      if let known = memo[[number]] { return (known, [number], [number]) }
      let leaf = search.leaf(number)
      memo[[number]] = leaf
      return (leaf, [number], [number])
    }
    let children = tree.childrenOf(number)
    var branches = [children.0, children.1].map { node($0, of: tree, search, &memo) }
    branches.sort { ($0.leaves.min() ?? 0) < ($1.leaves.min() ?? 0) }
    let key = [-1] + branches[0].key + branches[1].key + [-2]
    let leaves = branches[0].leaves.union(branches[1].leaves)
    if let known = memo[key] { return (known, key, leaves) }
    let made = search.join(
      [(branches[0].node, branches[1].node)], isRoot: leaves.count == operandCount)
    memo[key] = made
    return (made, key, leaves)
  }
}

extension ContractionTree {
  init(_ order: ContractionOrder) {
    self.init(
      leafCount: order.operandCount, children: order.pairs.map { ($0.first, $0.second) })
  }

  /// The trees one exchange away: of ((A, B), C) they are ((A, C), B) and ((B, C), A).
  func neighbours() -> [ContractionTree] {
    var trees: [ContractionTree] = []
    for step in stepsUpwards {
      let (a, b) = childrenOf(step)
      for (inner, outer) in [(a, b), (b, a)] where !isLeaf(inner) {
        let (x, y) = childrenOf(inner)
        for (stays, leaves) in [(x, y), (y, x)] {
          var tree = self
          tree.children[inner - leafCount] = (stays, outer)
          tree.children[step - leafCount] = (inner, leaves)
          trees.append(tree)
        }
      }
    }
    return trees
  }
}
