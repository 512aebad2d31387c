/// What of an expression has to be searched, once the steps are taken that some cheapest tree takes.
///
/// Every rule is *lossless* under the cost that the searches count, so that optimal stays optimal:
///
/// 1. Plain modes of extent 1 change no product.
/// 2. *Equal mode sets.* Values A and B of the same plain modes M are contracted with each other.
///    Proof: take a cheapest tree that does otherwise, take B out of it, and put AB in A's place. The
///    step that read B cost at least |M|, which is what A with B costs. Of every other step the
///    values have the modes that they had or fewer: a set that lost B has no mode that it had not,
///    for A outside keeps those of M alive; and a set that won B, having A, none but M's.
/// 3. *Disconnected parts.* A part whose result is a scalar is searched alone. Proof: let a tree of k
///    such parts have steps that join j of them at once, each at the product of their own costs
///    c ≥ 1. The induced trees have n − k steps in all, so k − 1 + Σ(j − 1) steps, over those with
///    j > 1, join none, each at 1 or more; and Πc ≥ Σc − (j − 1). So no tree costs less than the
///    parts' own and k − 1 products of scalars. The scalar that these come to goes where it is
///    cheapest among the other parts, whose results are not scalars, and which are searched together:
///    a small operand of one may be cheaper to multiply with one of another than the result is.
/// 4. *One mode set and private modes.* Where all operands have the same plain modes M, each perhaps
///    with modes of its own, a step costs |M| times the private extents p of the operands that it
///    reads, and with (p − 1)(q − 1) ≥ 0 it is no gain to read two such at once. So they are read one
///    by one, after those without; where all have some, the two least first.
///
/// Rules 2 and 3 suppose that no operand has modes of its own, which its first step counts: then it
/// matters what it meets first. All but the first suppose that all steps are weighted alike, that is
/// that all operands need a gradient or none, and that no extent is 0.
struct SimplifiedNetwork {
  /// Values to be contracted with one another by a tree that is yet to be found.
  struct Part {
    let network: NetworkModes
    /// The nodes that the network's leaves are.
    let nodes: [Int]
  }

  let leafCount: Int
  /// Of the nodes leafCount, leafCount + 1, …: what needs no search.
  private(set) var children: [(Int, Int)] = []
  /// At most one result that is no scalar; that part is the last.
  private(set) var parts: [Part] = []
  /// Whether the scalar of all other parts is a leaf of the last part, not listed in its `nodes`.
  private(set) var lastHasScalar = false

  private let modes: [NetworkModes.ModeRule]
  private var values: [ValueGeometry]

  init(_ network: NetworkModes) {
    leafCount = network.leaves.count
    modes = network.modes
    values = network.leaves.map { leaf in
      ValueGeometry(
        entries: leaf.entries.filter {
          network.modes[$0.mode].convolution != nil || network.modes[$0.mode].extent != 1
        }, needsGradient: leaf.needsGradient)
    }
    let all = Array(0..<leafCount)
    guard isUniform(network) else {
      parts = [part(all)]
      return
    }
    if let chain = chainOfOneModeSet {
      children = chain
      return
    }
    guard all.allSatisfy({ privateExtent($0) == 1 }) else {
      parts = [part(all)]
      return
    }
    separate(merged(all, network))
  }

  /// The whole tree, given that of each part.
  func tree(_ trees: [ContractionTree]) -> ContractionTree {
    var steps = children
    var scalars: [Int] = []
    for (index, (part, tree)) in zip(parts, trees).enumerated() {
      var nodes = part.nodes
      if lastHasScalar && index == parts.count - 1 {
        nodes.append(Self.chain(scalars, first: leafCount + steps.count, &steps))
        scalars.removeAll()
      }
      var numbers = nodes + tree.children.map { _ in 0 }
      for step in tree.stepsUpwards {
        let (a, b) = tree.childrenOf(step)
        steps.append((numbers[a], numbers[b]))
        numbers[step] = leafCount + steps.count - 1
      }
      scalars.append(numbers[tree.root])
    }
    _ = Self.chain(scalars, first: leafCount + steps.count, &steps)
    return ContractionTree(leafCount: leafCount, children: steps)
  }

  /// Contracts nodes one after the other; returns the last result, or the only node.
  private static func chain(_ nodes: [Int], first: Int, _ steps: inout [(Int, Int)]) -> Int {
    guard var last = nodes.first else { return 0 }
    for (index, node) in nodes.dropFirst().enumerated() {
      steps.append((last, node))
      last = first + index
    }
    return last
  }
}

extension SimplifiedNetwork {
  private func isUniform(_ network: NetworkModes) -> Bool {
    guard Set(values.map(\.needsGradient)).count == 1 else { return false }
    return network.hasPositiveExtents
      && modes.allSatisfy { $0.extent > 0 && $0.convolution?.featureExtent ?? 1 > 0 }
  }

  private func part(_ nodes: [Int]) -> Part {
    Part(network: NetworkModes(modes: modes, leaves: nodes.map { values[$0] }), nodes: nodes)
  }

  private func isPrivate(_ entry: ValueGeometry.Entry) -> Bool {
    entry.carriers == modes[entry.mode].carriers && !modes[entry.mode].isInOutput
  }

  /// Product of the extents of a value's own modes, which its first step counts and sums.
  private func privateExtent(_ node: Int) -> Double {
    values[node].entries.reduce(1) {
      isPrivate($1) ? saturatingProduct($0, modes[$1.mode].extent) : $0
    }
  }

  /// The modes of a value but for its own; `nil` where one is a convolution mode.
  private func plainModes(_ node: Int) -> [Int]? {
    let shared = values[node].entries.filter { !isPrivate($0) }.map(\.mode)
    return shared.allSatisfy { modes[$0].convolution == nil } ? shared : nil
  }

  /// Rule 4.
  private var chainOfOneModeSet: [(Int, Int)]? {
    guard let shared = plainModes(0), (1..<leafCount).allSatisfy({ plainModes($0) == shared })
    else { return nil }
    let own = values.indices.map { privateExtent($0) }
    let sorted = values.indices.sorted { (own[$0], $0) < (own[$1], $1) }
    var steps: [(Int, Int)] = []
    _ = Self.chain(sorted, first: leafCount, &steps)
    return steps
  }

  /// Rule 2, for as long as there are equal sets: returns the nodes that are left.
  private mutating func merged(_ nodes: [Int], _ network: NetworkModes) -> [Int] {
    var nodes = nodes
    while true {
      var groups: [[Int]: [Int]] = [:]
      for node in nodes {
        if let modes = plainModes(node) { groups[modes, default: []].append(node) }
      }
      let equal = groups.values.filter { $0.count > 1 }.sorted { $0[0] < $1[0] }
      if equal.isEmpty { return nodes }
      let gone = Set(equal.joined())
      nodes.removeAll { gone.contains($0) }
      for group in equal {
        let last = Self.chain(group, first: leafCount + children.count, &children)
        for (a, b) in children[(values.count - leafCount)...] {
          values.append(network.join(values[a], values[b]))
        }
        nodes.append(last)
      }
    }
  }

  /// Rule 3.
  private mutating func separate(_ nodes: [Int]) {
    var groups: [(nodes: [Int], modes: Set<Int>)] = []
    for node in nodes {
      let own = Set(values[node].entries.map(\.mode))
      let (touching, others) = groups.partitioned { !$0.modes.isDisjoint(with: own) }
      groups = others
      groups.append(
        (touching.flatMap(\.nodes) + [node], touching.reduce(own) { $0.union($1.modes) }))
    }
    let (open, closed) = groups.partitioned { $0.modes.contains { modes[$0].isInOutput } }
    parts = closed.map { part($0.nodes.sorted()) }
    guard !open.isEmpty else { return }
    let rest = open.flatMap(\.nodes).sorted()
    lastHasScalar = !closed.isEmpty
    let scalar = ValueGeometry(entries: [], needsGradient: values[0].needsGradient)
    parts.append(
      Part(
        network: NetworkModes(
          modes: modes, leaves: rest.map { values[$0] } + (lastHasScalar ? [scalar] : [])),
        nodes: rest))
  }
}

extension Array {
  /// Those that satisfy a condition, and the rest.
  fileprivate func partitioned(by condition: (Element) -> Bool) -> ([Element], [Element]) {
    reduce(into: ([], [])) {
      if condition($1) { $0.0.append($1) } else { $0.1.append($1) }
    }
  }
}
