import Graph
import Planning

/// Products of parameters within contractions that go through samples.
///
/// Where the best order of a factorised layer multiplies factors with each other before they meet the samples, that
/// takes the same work for one sample as for all. A node of its own does it once in a step, however many tiles
/// of samples there are; and back, the gradient of the product is summed over all samples before it goes on to
/// the factors.
///
/// ```swift
/// // y = contraction bhwis,rt,rs->bhwit… becomes w = contraction rt,rs->ts; y = contraction bhwis,ts->bhwit…
/// let graph = try passes.takingOutParameterProducts(of: network, samples: 32, isTrained: true)
/// ```
extension ContractionPasses {
  /// A graph of the same sources, results and effects, before it is differentiated.
  ///
  /// - Parameters:
  ///   - samples: That a rank goes through in a step: what order is best depends on them.
  ///   - isTrained: Whether there is to be a way back.
  public func takingOutParameterProducts(
    of graph: Graph, samples: Int, isTrained: Bool
  ) throws -> Graph {
    var split = SplitGraph(graph)
    var dependsOnParameters = graph.values.map { _ in false }
    for parameter in graph.parameters { dependsOnParameters[parameter.index] = true }
    for node in graph.nodes {
      if let contraction = node.operation.base as? Operators.Contraction {
        try split.add(
          node, contraction,
          products: try parameterProducts(
            node, contraction, graph, samples: samples,
            needed: isTrained ? node.inputs.map { dependsOnParameters[$0.index] } : nil))
      } else {
        split.nodes.append(node)
      }
      guard node.inputs.contains(where: { dependsOnParameters[$0.index] }) else { continue }
      for output in node.outputs { dependsOnParameters[output.index] = true }
    }
    return try Graph(
      values: split.values, nodes: split.nodes, sources: graph.sources, results: graph.results,
      effects: graph.effects)
  }

  /// The largest products of a contraction's best order that are of parameters alone.
  private func parameterProducts(
    _ node: Node, _ contraction: Operators.Contraction, _ graph: Graph, samples: Int,
    needed: [Bool]?
  ) throws -> [SplitGraph.Product] {
    let parameters = Set(graph.parameters)
    let isParameter = node.inputs.map { parameters.contains($0) }
    guard isParameter.count(where: { $0 }) > 1, node.inputs.contains(where: { graph[$0].hasBatch })
    else { return [] }
    let shapes = node.inputs.map { input in
      var shape = graph[input].shape
      if graph[input].hasBatch { shape[0] = min(shape[0], max(1, samples)) }
      return shape
    }
    let plan = try plan(
      Subject(
        expression: contraction.expression, rules: contraction.rules, shapes: shapes,
        needed: needed,
        type: graph[node.outputs[0]].type, layouts: nil)
    ).plan
    var operands = node.inputs.indices.map { [$0] }
    var largest: [Int: SplitGraph.Product] = [:]
    for step in plan.steps {
      let all = step.operands.flatMap { operands[$0] }.sorted()
      let value = operands.count
      operands.append(all)
      guard all.count > 1, all.allSatisfy({ isParameter[$0] }),
        plan.expression.isPlainProduct(of: all)
      else { continue }
      for operand in step.operands { largest[operand] = nil }
      largest[value] = SplitGraph.Product(
        operands: all,
        term: step.resultModes.map { plan.expression.modes[$0].mode.description }.joined())
    }
    return largest.sorted { $0.key < $1.key }.map(\.value)
  }
}

extension BoundExpression {
  /// Whether some operands meet in no convolution, take no diagonal and broadcast nothing.
  fileprivate func isPlainProduct(of some: [Int]) -> Bool {
    some.allSatisfy { !operands[$0].contains(nil) && Set(operands[$0]).count == operands[$0].count }
      && modes.indices.allSatisfy { mode in
        modes[mode].convolution == nil || some.count { operands[$0].contains(mode) } <= 1
      }
  }
}

/// A graph in which contractions become several.
private struct SplitGraph {
  /// Some operands of a contraction, and the term of what they are multiplied to.
  struct Product {
    let operands: [Int]
    let term: String
  }

  let graph: Graph
  var values: [Value]
  var nodes: [Node] = []
  private var names: Set<String>

  init(_ graph: Graph) {
    self.graph = graph
    values = graph.values
    names = Set(graph.values.map(\.name) + graph.nodes.map(\.name))
  }

  mutating func add(
    _ node: Node, _ contraction: Operators.Contraction, products: [Product]
  ) throws {
    let expression = try ConvEinsum(contraction.expression)
    var terms = expression.operands.map { Optional($0.description) }
    var inputs = node.inputs.map { Optional($0) }
    for product in products {
      let operands = product.operands
      let text = operands.map { expression.operands[$0].description }.joined(separator: ",")
      let made = try add(
        Operators.Contraction(text + "->" + product.term), to: operands.map { node.inputs[$0] },
        name: node.name + ".parameters")
      for operand in operands {
        terms[operand] = nil
        inputs[operand] = nil
      }
      terms[operands[0]] = product.term
      inputs[operands[0]] = made
    }
    let convolutions = expression.convolutionModes.map(\.description).joined()
    let rest =
      terms.compactMap { $0 }.joined(separator: ",") + "->" + expression.output.description
      + (convolutions.isEmpty ? "" : "|" + convolutions)
    nodes.append(
      products.isEmpty
        ? node
        : Node(
          name: node.name,
          operation: Operation(Operators.Contraction(rest, rules: contraction.rules)),
          inputs: inputs.compactMap { $0 }, outputs: node.outputs))
  }

  private mutating func add(
    _ operation: Operators.Contraction, to inputs: [ValueID], name: String
  ) throws -> ValueID {
    var free = name
    var number = 1
    while names.contains(free) {
      number += 1
      free = name + String(number)
    }
    let node = Node(
      name: free, operation: Operation(operation), inputs: inputs, outputs: [ValueID(values.count)])
    let made = try node.outputs(inputs.map { values[$0.index] })
    names.formUnion(made.map(\.name) + [free])
    values += made
    nodes.append(node)
    return node.outputs[0]
  }
}
