import Graph
import Testing

/// A few nodes with elements for their inputs, for all checks that every operator has to pass.
struct OperatorCase: Sendable, CustomTestStringConvertible {
  /// An input of a case: float64 and drawn at random, unless it says otherwise.
  struct Input: Sendable {
    var shape: [Int]
    var type = ElementType.float64
    var elements: [Double]?
    /// Whether a gradient is asked for.
    var isVariable = true

    init(_ shape: [Int]) { self.shape = shape }

    /// Elements that no gradient is asked for.
    static func fixed(_ shape: [Int], _ type: ElementType, _ elements: [Double]) -> Input {
      var input = Input(shape)
      (input.type, input.elements, input.isVariable) = (type, elements, false)
      return input
    }

    /// Given elements that a gradient is asked for.
    static func given(_ shape: [Int], _ elements: [Double]) -> Input {
      var input = Input(shape)
      input.elements = elements
      return input
    }
  }

  typealias Body =
    @Sendable (inout GraphBuilder, [ValueID]) throws(GraphError) -> [ValueID]

  let name: String
  let inputs: [Input]
  let body: Body

  init(_ name: String, _ inputs: [Input], _ body: @escaping Body) {
    self.name = name
    self.inputs = inputs
    self.body = body
  }

  /// One node of an operator on inputs drawn at random.
  init(_ operation: any Operator, _ shapes: [[Int]]) {
    self.init(operation, shapes.map { Input($0) })
  }

  init(_ operation: any Operator, _ inputs: [Input]) {
    self.init("\(operation.text) of \(inputs.map(\.shape))", inputs) {
      (builder, values) throws(GraphError) in try builder.apply(operation, to: values)
    }
  }

  var testDescription: String { name }
}

/// The axes of a tensor whose axes mean nothing in particular.
func axes(_ shape: [Int]) -> [Axis] {
  let roles: [AxisRole] = [.batch, .channel, .space, .space, .other]
  return shape.enumerated().map { Axis("axis\($0)", roles[min($0, 4)], $1) }
}

/// A case built: its nodes, and a loss Σ r·y of all its outputs y with weights r drawn at random.
struct BuiltCase {
  let graph: Graph
  let variables: [ValueID]
  let outputs: [ValueID]
  let loss: ValueID
  var sources: [String: DoubleTensor] = [:]

  init(_ operatorCase: OperatorCase, seed: UInt64 = 1) throws {
    var builder = GraphBuilder()
    var draws = SeededDraws(seed: seed)
    var inputs: [ValueID] = []
    for (number, input) in operatorCase.inputs.enumerated() {
      let name = "input\(number)"
      inputs.append(try builder.input(name, input.type, axes(input.shape)))
      sources[name] =
        input.elements.map { DoubleTensor(input.shape, $0) } ?? draws.tensor(input.shape)
    }
    outputs = try operatorCase.body(&builder, inputs)
    var terms: [ValueID] = []
    for (number, output) in outputs.enumerated() {
      let value = builder[output]
      let name = "weight\(number)"
      let weight = try builder.input(name, value.type, value.axes)
      sources[name] = draws.tensor(value.shape)
      let product = try builder.multiply(output, weight)
      terms.append(try builder.sum(product, over: Array(value.axes.indices)))
    }
    loss = try builder.add(terms)
    variables = zip(inputs, operatorCase.inputs).filter { $0.1.isVariable }.map(\.0)
    graph = try builder.build()
  }

  /// The loss when some sources change.
  func loss(_ changes: [String: DoubleTensor]) throws -> Double {
    let values = try Interpreter(graph: graph).values(
      sources.merging(changes) { $1 })
    return values[loss.index].elements[0]
  }
}
