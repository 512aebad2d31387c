/// The search for the cheapest tree over subsets of operands by growing size, under a cap on the
/// cost (Pfeifer, Haegeman and Verstraete, *Faster identification of optimal contraction sequences
/// for tensor networks*, arXiv 1304.6112).
///
/// Pass by pass the cap rises to the cost of a tree that is known. A pass keeps a subset only if its
/// best tree, together with a proven lower bound of all that must still follow, stays below the cap.
/// Every part of a tree below the cap passes that test, so the pass finds the cheapest such tree or
/// proves that there is none; and no pair of subsets is left out on any other ground: outer
/// products, disconnected parts and modes of many operands need no case of their own.
struct CappedSearch {
  enum Outcome {
    case optimal(ContractionTree)
    /// The limit was reached first.
    case exhausted(work: Int, subsets: Int)
  }

  private let network: SubsetNetwork
  private(set) var budget: SearchBudget

  /// The caps are the known tree's cost divided by 64, 8 and 1: a low pass is cheap, and saves the
  /// high one where the known tree is bad.
  static let capDivisors = [64.0, 8, 1]

  init(_ network: NetworkModes, budget: SearchBudget) {
    self.network = SubsetNetwork(network)
    self.budget = budget
  }

  /// - Parameters:
  ///   - known: A tree, the better the faster; it is returned if none is cheaper.
  ///   - cost: Its cost.
  mutating func run(known: ContractionTree, cost: Double) -> Outcome {
    for divisor in Self.capDivisors {
      let (subsets, isComplete) = pass(cap: cost / divisor)
      guard isComplete else { return .exhausted(work: budget.work, subsets: subsets.count) }
      if let tree = tree(of: subsets) { return .optimal(tree) }
    }
    return .optimal(known)
  }

  /// The subsets below a cap, and whether the budget sufficed to find them all.
  private mutating func pass(cap: Double) -> (KeptSubsets, isComplete: Bool) {
    var subsets = KeptSubsets()
    let operands = OpenSubsets(operandsOf: network, budget: &budget)
    subsets.append(operands, cap: cap, network: network, budget: &budget)
    // Where an operand alone is too dear to read, there is no tree below the cap.
    guard subsets.count == network.operandCount else { return (subsets, true) }
    for size in stride(from: 2, through: network.operandCount, by: 1) {
      var open = OpenSubsets()
      for smaller in 1...(size / 2) {
        subsets.contract(
          smaller, size - smaller, network: network, cap: cap, into: &open, budget: &budget)
        if budget.isExhausted(subsets: subsets.count + open.entries.count) {
          return (subsets, false)
        }
      }
      subsets.append(open, cap: cap, network: network, budget: &budget)
    }
    return (subsets, true)
  }

  /// The cheapest tree, if the pass has one; of equal ones that with the smallest largest
  /// intermediate, then the first found.
  private func tree(of subsets: KeptSubsets) -> ContractionTree? {
    guard subsets.masks.last == network.everything else { return nil }
    var steps: [(Int, Int)] = []
    // Operands are the first subsets kept. The recursion is at most 64 deep.
    func node(of subset: Int) -> Int {
      if subset < network.operandCount { return subsets.masks[subset].trailingZeroBitCount }
      let (a, b) = subsets.splits[subset]
      let children = (node(of: Int(a)), node(of: Int(b)))
      steps.append(children)
      return network.operandCount + steps.count - 1
    }
    _ = node(of: subsets.count - 1)
    return ContractionTree(leafCount: network.operandCount, children: steps)
  }
}

/// How much searches may do. Work is counted, not timed, so that every machine finds the same order.
struct SearchBudget {
  /// Elementary steps: look-ups, probes of the hash table, operations on words, each as long as it
  /// takes; about a nanosecond.
  var work = 0
  let limit: Int
  /// Of one pass, about 150 bytes each.
  let maximumSubsets: Int

  init(limit: Int, maximumSubsets: Int = 2_000_000) {
    self.limit = limit
    self.maximumSubsets = maximumSubsets
  }

  func isExhausted(subsets: Int) -> Bool { work > limit || subsets > maximumSubsets }
}
