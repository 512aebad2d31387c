/// A binary tree of contractions while it is searched and improved: nodes 0 ..< n are the operands,
/// n ..< 2n − 1 the steps, in no particular order.
struct ContractionTree: Sendable {
  let leafCount: Int
  /// Children of step n + i.
  var children: [(Int, Int)]
  var root: Int

  /// From steps in the order they are carried out, so that the last one is the root.
  init(leafCount: Int, children: [(Int, Int)]) {
    self.leafCount = leafCount
    self.children = children
    root = leafCount + children.count - 1
  }

  static func leftToRight(leafCount: Int) -> ContractionTree {
    ContractionTree(
      leafCount: leafCount,
      children: (1..<max(1, leafCount)).map { ($0 == 1 ? 0 : leafCount + $0 - 2, $0) })
  }

  func isLeaf(_ node: Int) -> Bool { node < leafCount }

  func childrenOf(_ step: Int) -> (Int, Int) { children[step - leafCount] }

  /// The steps, children before parents, the first child's before the second's.
  var stepsUpwards: [Int] {
    var downwards: [Int] = []
    var pending = isLeaf(root) ? [] : [root]
    while let step = pending.popLast() {
      downwards.append(step)
      let (a, b) = childrenOf(step)
      for child in [a, b] where !isLeaf(child) { pending.append(child) }
    }
    return downwards.reversed()
  }

  /// Geometry of every node, by number.
  func geometries(in network: NetworkModes) -> [ValueGeometry] {
    let empty = ValueGeometry(entries: [], needsGradient: false)
    var values = network.leaves + [ValueGeometry](repeating: empty, count: children.count)
    for step in stepsUpwards {
      let (a, b) = childrenOf(step)
      values[step] = network.join(values[a], values[b])
    }
    return values
  }

  /// The weighted macs of all steps.
  func cost(in network: NetworkModes) -> Double {
    let values = geometries(in: network)
    return stepsUpwards.reduce(0) { sum, step in
      let (a, b) = childrenOf(step)
      return sum + network.weightedMacs(values[a], values[b])
    }
  }

  func order(foundBy optimizer: Optimizer) -> ContractionOrder {
    var number = Array(0..<(leafCount + children.count))
    var pairs: [ContractionOrder.Pair] = []
    for step in stepsUpwards {
      let (a, b) = childrenOf(step)
      number[step] = leafCount + pairs.count
      pairs.append(.init(number[a], number[b]))
    }
    return ContractionOrder(operandCount: leafCount, pairs: pairs, optimizer: optimizer)
  }
}
