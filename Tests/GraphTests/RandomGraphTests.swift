import Planning
import Testing

@testable import Graph

/// Graphs drawn at random, in which values are used any number of times or not at all.
@Suite struct RandomGraphTests {
  static let shape = [2, 3, 4]

  /// Adds one operator, drawn at random, that keeps the shape.
  private static func grow(
    _ builder: inout GraphBuilder, from values: [ValueID], weight: ValueID, scale: ValueID,
    draws: inout SeededDraws
  ) throws(GraphError) -> ValueID {
    let x = values[Int.random(in: 0..<values.count, using: &draws)]
    let y = values[Int.random(in: 0..<values.count, using: &draws)]
    switch Int.random(in: 0...13, using: &draws) {
    case 0: return try builder.add([x, y])
    case 1: return try builder.multiply(x, y)
    case 2: return try builder.scale(x, by: -0.5)
    case 3: return try builder.tanh(x)
    case 4: return try builder.gelu(x)
    case 5: return try builder.softmax(x, axis: 1)
    case 6:
      let rules = ConvRules(all: ConvRule(boundary: .circular))
      return try builder.contraction("bst,rst->brt|t", [x, weight], rules: rules)
    case 7: return try builder.normalize(x, over: [0, 2], epsilon: 0.1)
    case 8: return try builder.add(scale, to: x, along: [1])
    case 9: return try builder.scale(x, by: scale, along: [1])
    case 10:
      return try builder.averagePool(x, [PoolWindow(axis: 2, extent: 3, stride: 1, padding: 1)])
    case 11:
      let mean = try builder.mean(x, over: [1, 2], keepsAxes: true)
      let axes = builder[x].axes
      return try builder.single(
        Operators.Spread(axes: [1, 2], along: [axes[1], axes[2]], areKept: true), [mean])
    case 12:
      let halves = try builder.split(x, axis: 2, parts: 2)
      return try builder.concatenate([halves[1], halves[0]], axis: 2)
    default:
      let turned = try builder.transpose(x, [1, 0, 2])
      return try builder.transpose(builder.silu(turned), [1, 0, 2])
    }
  }

  /// - Parameter shape: Of all values between; its dimension 1 is 3.
  static func graph(_ seed: UInt64, shape: [Int] = shape) -> OperatorCase {
    OperatorCase("graph \(seed)", [.init(shape), .init(shape), .init([3, 3, 2]), .init([3])]) {
      (builder, inputs) throws(GraphError) in
      var draws = SeededDraws(seed: seed)
      var values = [inputs[0], inputs[1]]
      for _ in 0..<8 {
        values.append(
          try grow(
            &builder, from: values, weight: inputs[2], scale: inputs[3], draws: &draws))
      }
      return Array(values.suffix(2))
    }
  }

  @Test("gradients by differences and by the adjoint identity", arguments: UInt64(0)..<16)
  func gradients(_ seed: UInt64) throws { try checkGradients(Self.graph(seed)) }

  @Test("only nodes on a way from a variable to the loss have adjoints", arguments: UInt64(0)..<16)
  func adjoints(_ seed: UInt64) throws {
    let built = try BuiltCase(Self.graph(seed))
    let variable = built.variables[Int(seed % 4)]
    let forward = built.graph
    let (graph, gradients) = try forward.differentiated([built.loss], withRespectTo: [variable])
    var depends: Set<ValueID> = [variable]
    for node in forward.nodes where !depends.isDisjoint(with: node.inputs) {
      depends.formUnion(node.outputs)
    }
    var matters: Set<ValueID> = [built.loss]
    for node in forward.nodes.reversed() where !matters.isDisjoint(with: node.outputs) {
      matters.formUnion(node.inputs)
    }
    #expect((gradients[0] != nil) == depends.contains(built.loss))
    for node in graph.nodes[forward.nodes.count...] {
      // Adjoint nodes stand in the scope of their node's name, sums in that of their value's.
      let owners = forward.nodes.filter { node.name.hasPrefix("\($0.name).") }
      let isOnTheWay = owners.contains { owner in
        owner.outputs.contains { depends.contains($0) && matters.contains($0) }
      }
      #expect(isOnTheWay || node.name.hasPrefix("input"), "\(node.name)")
    }
    // Whatever is added is read, or is the gradient.
    let read = Set(graph.nodes.flatMap(\.inputs) + gradients.compactMap { $0 })
    for node in graph.nodes[forward.nodes.count...] {
      #expect(!read.isDisjoint(with: node.outputs), "\(node.name) is for nothing")
    }
  }
}
