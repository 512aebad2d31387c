import Graph
import Partitioning

/// In what stages one rank goes through a graph: nodes by themselves, and groups of nodes that it goes
/// through tile by tile, for these treat samples one by one.
///
/// A group ends where something needs a sum over all samples, as a normalisation does. What is only
/// needed by element-wise nodes of later groups is not stored but made once more by *copies* of the nodes
/// that made it: they are bound by memory, and what they read has to be read anyway.
struct GraphStages {
  enum Stage {
    case node(Int)
    /// In the graph's order, but for those that make what earlier groups could have stored, right before it is
    /// read; of these, copies make it again.
    case group([Int], copies: Set<Int>)

    /// Copies too.
    var nodes: [Int] {
      switch self {
      case .node(let node): [node]
      case .group(let nodes, _): nodes
      }
    }
  }

  /// How many nodes in a row may be copied to make one value again.
  private static let mostCopied = 4

  let graph: Graph
  let distribution: GraphDistribution
  /// How the samples are cut; `nil` where there are none.
  let batch: Layout.Cut?
  private(set) var stages: [Stage] = []
  /// What comes after all stages: it needs sums that only serve to change sources, or that go out.
  private(set) var deferred: [Int] = []
  /// By value: whether all of a rank's part of it is in memory between stages.
  private(set) var isStored: [Bool]
  /// By value, the nodes that read it and are needed.
  let consumers: [[Int]]
  private let producers: [Int?]
  private let isNodeNeeded: [Bool]
  private let deferredNodes: Set<Int>
  /// By node: whether it does the same for each sample as for all.
  let isTiled: [Bool]
  private let goesOut: Set<ValueID>
  /// The nodes of the groups so far.
  private var made: Set<Int> = []

  init(_ graph: Graph, _ distribution: GraphDistribution) {
    self.graph = graph
    self.distribution = distribution
    let samples = graph.sources.first {
      $0.kind == .input && graph[$0.value].hasBatch
    }
    batch = samples.map { distribution.rest[$0.value.index].cuts[0] }
    goesOut = Set(graph.results.map(\.value) + graph.effects.map(\.becomes))
    var producers = [Int?](repeating: nil, count: graph.values.count)
    for (number, node) in graph.nodes.enumerated() {
      for output in node.outputs { producers[output.index] = number }
    }
    self.producers = producers
    let isNeeded = Self.needed(graph, producers, goesOut)
    var consumers = [[Int]](repeating: [], count: graph.values.count)
    for (number, node) in graph.nodes.enumerated() where isNeeded[number] {
      for input in Set(node.inputs) { consumers[input.index].append(number) }
    }
    self.consumers = consumers
    isNodeNeeded = isNeeded
    isStored = graph.values.map { !$0.hasBatch }
    for source in graph.sources { isStored[source.value.index] = true }
    isTiled = graph.nodes.indices.map {
      [batch] number in Self.isTiled(number, graph, distribution, batch)
    }
    var isDeferred = graph.nodes.map { _ in false }
    // Not the way back from a product of parameters: what it reads would live on until then.
    for number in graph.nodes.indices.reversed()
    where isNeeded[number] && !isTiled[number] && !graph.nodes[number].isContraction {
      isDeferred[number] = graph.nodes[number].outputs.allSatisfy {
        consumers[$0.index].allSatisfy { isDeferred[$0] }
      }
    }
    deferred = graph.nodes.indices.filter { isDeferred[$0] }
    deferredNodes = Set(deferred)
    arrange(graph.nodes.indices.filter { isNeeded[$0] && !isDeferred[$0] })
  }

  /// Whether a value is first needed after all stages.
  func isForLater(_ value: ValueID) -> Bool {
    consumers[value.index].allSatisfy { deferredNodes.contains($0) }
  }

  /// Whether anything that goes out depends on a node.
  func isNeeded(node: Int) -> Bool { isNodeNeeded[node] }

  /// Whether a value is read, or goes out.
  func isNeeded(_ value: ValueID) -> Bool {
    !consumers[value.index].isEmpty || goesOut.contains(value)
  }

  private static func needed(
    _ graph: Graph, _ producers: [Int?], _ goesOut: Set<ValueID>
  ) -> [Bool] {
    var isNeeded = graph.nodes.map { _ in false }
    var values = Array(goesOut)
    while let value = values.popLast() {
      guard let producer = producers[value.index], !isNeeded[producer] else { continue }
      isNeeded[producer] = true
      values += graph.nodes[producer].inputs
    }
    return isNeeded
  }

  /// Whether a node does the same for each sample as for all: its samples can be cut, and are where the
  /// others' are.
  private static func isTiled(
    _ number: Int, _ graph: Graph, _ distribution: GraphDistribution, _ batch: Layout.Cut?
  ) -> Bool {
    guard let batch else { return false }
    let node = graph.nodes[number]
    let layouts = distribution.nodes[number]
    let rest = { (value: ValueID) in distribution.rest[value.index] }
    guard zip(node.inputs, layouts.needed).allSatisfy({ rest($0) == $1 }),
      layouts.isLocal || !node.isContraction
    else { return false }
    for (output, made) in zip(node.outputs, layouts.made) where graph[output].hasBatch {
      guard rest(output) == made else { return false }
    }
    let values = node.inputs + node.outputs
    guard values.contains(where: { graph[$0].hasBatch }),
      values.allSatisfy({ !graph[$0].hasBatch || rest($0).cuts[0] == batch })
    else { return false }
    return graph.factors(of: node).contains { factor in
      factor.mayBeCut
        && zip(values, factor.inputs + factor.outputs).allSatisfy { value, place in
          graph[value].hasBatch ? place == Factor.Dimension(0) : place == nil
        }
    }
  }

  // MARK: Stages

  private mutating func arrange(_ nodes: [Int]) {
    var isThere = graph.values.map { _ in false }
    for source in graph.sources { isThere[source.value.index] = true }
    var waiting = nodes
    while !waiting.isEmpty {
      let before = waiting.count
      takeSingles(&waiting, &isThere)
      takeGroup(&waiting, &isThere)
      precondition(waiting.count < before, "a graph is in topological order")
    }
  }

  private mutating func takeSingles(_ waiting: inout [Int], _ isThere: inout [Bool]) {
    var rest: [Int] = []
    for number in waiting {
      let node = graph.nodes[number]
      guard !isTiled[number], node.inputs.allSatisfy({ isThere[$0.index] }) else {
        rest.append(number)
        continue
      }
      stages.append(.node(number))
      for input in node.inputs { isStored[input.index] = true }
      for output in node.outputs {
        isThere[output.index] = true
        isStored[output.index] = true
      }
    }
    waiting = rest
  }

  private mutating func takeGroup(_ waiting: inout [Int], _ isThere: inout [Bool]) {
    var group: [Int] = []
    var rest: [Int] = []
    var after: [ValueID] = []
    for number in waiting {
      let node = graph.nodes[number]
      guard isTiled[number], node.inputs.allSatisfy({ isThere[$0.index] }) else {
        rest.append(number)
        continue
      }
      group.append(number)
      for output in node.outputs {
        if graph[output].hasBatch { isThere[output.index] = true } else { after.append(output) }
      }
    }
    for value in after { isThere[value.index] = true }
    waiting = rest
    guard !group.isEmpty else { return }
    decideStorage(of: group)
    group = useful(group)
    let additions = Set(additions(to: group))
    let all = ordered(group, additions)
    stages.append(.group(all, copies: additions.intersection(made)))
    made.formUnion(all)
  }

  /// Without the nodes that only later groups have a use for, which make for themselves what is not stored.
  private func useful(_ group: [Int]) -> [Int] {
    var read: Set<ValueID> = []
    var useful: [Int] = []
    for number in group.reversed() {
      let node = graph.nodes[number]
      let isUseful = node.outputs.contains {
        !graph[$0].hasBatch || isStored[$0.index] || read.contains($0)
      }
      guard isUseful else { continue }
      read.formUnion(node.inputs)
      useful.append(number)
    }
    return useful.reversed()
  }

  private mutating func decideStorage(of group: [Int]) {
    let members = Set(group)
    for number in group {
      for output in graph.nodes[number].outputs where graph[output].hasBatch {
        let outside = consumers[output.index].filter { !members.contains($0) }
        if goesOut.contains(output) {
          isStored[output.index] = true
        } else if !outside.isEmpty {
          store(output, readBy: outside)
        }
      }
    }
  }

  /// Stores a value that later stages read, or else what it takes to make it again.
  private mutating func store(_ value: ValueID, readBy outside: [Int]) {
    let mayBeMadeAgain = outside.allSatisfy { isTiled[$0] && !isContraction($0) }
    guard mayBeMadeAgain, let origins = origins(of: value, depth: 0),
      isWorthMaking(value, of: origins, for: outside)
    else {
      isStored[value.index] = true
      return
    }
    for origin in origins { isStored[origin.index] = true }
  }

  /// Whether it takes less memory to store the origins, or as much and readers of the value do not have to read
  /// more than the value, and once what stands beside it: made again, it is part of what the readers do; stored, it
  /// is written and then read within its own group too.
  private func isWorthMaking(
    _ value: ValueID, of origins: Set<ValueID>, for readers: [Int]
  ) -> Bool {
    func count(_ values: some Sequence<ValueID>) -> Int {
      values.reduce(0) { $0 + graph[$1].count }
    }
    let (stored, made) = (count(origins), graph[value].count)
    guard stored == made, made > 0 else { return stored < made || stored == 0 }
    guard !origins.contains(value) else { return false }
    let leaves = leaves(of: value, origins)
    let read = readers.reduce(0) { $0 + count(leaves.subtracting(graph.nodes[$1].inputs)) }
    return read <= (readers.count + 1) * made
  }

  /// The values of samples that are read to make a value again.
  private func leaves(of value: ValueID, _ origins: Set<ValueID>) -> Set<ValueID> {
    guard graph[value].hasBatch else { return [] }
    guard !isStored[value.index], !origins.contains(value), let producer = producers[value.index]
    else { return [value] }
    return graph.nodes[producer].inputs.reduce(into: []) { $0.formUnion(leaves(of: $1, origins)) }
  }

  /// What has to be stored, beside what is, for a value to be made again; `nil` where that takes too long.
  private func origins(of value: ValueID, depth: Int) -> Set<ValueID>? {
    if isStored[value.index] { return [] }
    guard let producer = producers[value.index], !isContraction(producer), isTiled[producer] else {
      return [value]
    }
    guard depth < Self.mostCopied else { return nil }
    var all: Set<ValueID> = []
    for input in graph.nodes[producer].inputs {
      guard let some = origins(of: input, depth: depth + 1) else { return nil }
      all.formUnion(some)
    }
    return all
  }

  /// The nodes that make what a group reads and nothing has stored.
  private func additions(to group: [Int]) -> [Int] {
    var known = Set(group)
    var additions: [Int] = []
    var open = group
    while let number = open.popLast() {
      for input in graph.nodes[number].inputs where !isStored[input.index] {
        guard let producer = producers[input.index], known.insert(producer).inserted else {
          continue
        }
        additions.append(producer)
        open.append(producer)
      }
    }
    return additions
  }

  /// A group's nodes, and each addition as late as it can be: with what reads it after a contraction it may become
  /// one sweep, while before the contraction it would have to be kept until then.
  private func ordered(_ group: [Int], _ additions: Set<Int>) -> [Int] {
    var order: [Int] = []
    var placed: Set<Int> = []
    func place(_ number: Int) {
      guard placed.insert(number).inserted else { return }
      for input in graph.nodes[number].inputs {
        if let producer = producers[input.index], additions.contains(producer) { place(producer) }
      }
      order.append(number)
    }
    for number in group { place(number) }
    return order
  }

  private func isContraction(_ number: Int) -> Bool { graph.nodes[number].isContraction }
}

extension Node {
  /// Whether it is a contraction or the adjoint of one.
  var isContraction: Bool {
    operation.base is Operators.Contraction || operation.base is Operators.ContractionAdjoint
  }
}

extension Value {
  /// Whether the first dimension is of samples.
  var hasBatch: Bool { axes.first?.role == .batch }
}
