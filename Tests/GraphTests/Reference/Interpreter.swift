import Testing

@testable import Graph

/// An operator whose meaning the tests know: loops straight from its definition, in Double, which
/// share nothing with the operator's own code.
protocol Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor]
}

/// Evaluates graphs node by node.
struct Interpreter {
  let graph: Graph

  /// All values of the graph for these sources, by name.
  func values(_ sources: [String: DoubleTensor]) throws -> [DoubleTensor] {
    var values = [DoubleTensor?](repeating: nil, count: graph.values.count)
    for source in graph.sources {
      let value = graph[source.value]
      let tensor = try #require(sources[value.name], "no elements for \(value.name)")
      try #require(tensor.shape == value.shape, "\(value.name)")
      values[source.value.index] = tensor
    }
    for node in graph.nodes {
      let inputs = try node.inputs.map { try #require(values[$0.index]) }
      let outputs = try Interpreter.evaluate(node.operation.base, inputs)
      for (id, output) in zip(node.outputs, outputs) {
        try #require(output.shape == graph[id].shape, "\(graph[id].name)")
        values[id.index] = output
      }
    }
    return try values.map { try #require($0) }
  }

  static func evaluate(
    _ operation: any Operator, _ inputs: [DoubleTensor]
  ) throws -> [DoubleTensor] {
    let base = try #require(
      operation as? any Interpretable, "the interpreter knows no \(operation.text)")
    return base.evaluate(inputs)
  }
}
