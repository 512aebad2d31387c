import Graph
import Testing

/// Checks the gradients of a case's loss, which the differentiated graph computes.
///
/// The loss is ⟨r, y⟩, so its gradient is Jᵀr. Elements of it are compared with central
/// differences, and, for a direction v of all variables together, ⟨Jᵀr, v⟩ with ⟨r, J·v⟩.
func checkGradients(_ operatorCase: OperatorCase) throws {
  let built = try BuiltCase(operatorCase)
  let (graph, gradients) = try built.graph.differentiated(
    [built.loss], withRespectTo: built.variables)
  let values = try Interpreter(graph: graph).values(built.sources)
  let step = 1e-5
  var draws = SeededDraws(seed: 2)
  var directions: [(name: String, value: DoubleTensor)] = []
  var product = 0.0

  for (variable, gradient) in zip(built.variables, gradients) {
    let name = graph[variable].name
    let x = try #require(built.sources[name])
    let computed = gradient.map { values[$0.index] } ?? DoubleTensor(x.shape)
    let expected = try DoubleTensor(
      x.shape,
      x.elements.indices.map { element in
        var (above, below) = (x, x)
        above.elements[element] += step
        below.elements[element] -= step
        return try (built.loss([name: above]) - built.loss([name: below])) / (2 * step)
      })
    let difference = computed.difference(from: expected)
    #expect(difference < 1e-7, "the gradient of \(name) by differences")
    let direction = draws.tensor(x.shape)
    product += computed.dot(direction)
    directions.append((name, direction))
  }

  let moved = try [step, -step].map { step in
    var changes: [String: DoubleTensor] = [:]
    for (name, direction) in directions {
      changes[name] = built.sources[name].map { $0 + direction * step }
    }
    return try built.loss(changes)
  }
  let slope = (moved[0] - moved[1]) / (2 * step)
  #expect(abs(slope - product) < 1e-7 * max(1, abs(product)), "⟨g, J·v⟩ is ⟨Jᵀ·g, v⟩")
}
