import Graph
import Planning
import Testing

/// −x: an operator of one's own, as the documentation of `Operator` has it.
private struct Negation: Operator {
  static let kind = "negation"

  func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
    try inputs.check(count: 1)
    return [try inputs.floating(0)]
  }

  func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
    Factor.elementwise(inputs[0].shape, inputs: 1, outputs: 1)
  }

  func adjoint(
    of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
  ) throws(GraphError) -> [ValueID?] {
    guard let gradient = gradients[0] else { return [nil] }
    return [try builder.single(Negation(), [gradient])]
  }
}

extension Negation: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] { [inputs[0] * -1] }
}

/// What a package that uses the module can do: this file imports it without `@testable`.
@Suite struct PublicUseTests {
  @Test("an operator of one's own takes part in all")
  func ownOperator() throws {
    let operatorCase = OperatorCase(Negation(), [[2, 3]])
    try checkGradients(operatorCase)
    let built = try BuiltCase(operatorCase)
    #expect(built.graph.nodes[0].name == "negation")
    #expect(built.graph.factors(of: built.graph.nodes[0]).allSatisfy { $0.mayBeCut })
    #expect(Operation(Negation()) == Operation(Negation()))
    #expect(Operation(Negation()) != Operation(Operators.Add()))
    #expect(built.graph.stableHash != 0)
  }

  @Test("an operator of one's own that does not say it has an adjoint has none")
  func defaults() throws {
    struct Opaque: Operator {
      static let kind = "opaque"
      func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] { inputs }
      func factors(inputs: [Value], outputs: [Value]) -> [Factor] { [] }
    }
    var builder = GraphBuilder()
    let x = try builder.input("x", .float64, [])
    let y = try builder.single(Opaque(), [x])
    let graph = try builder.build()
    #expect(Opaque().text == "opaque")
    #expect(throws: GraphError.noAdjoint(node: "opaque", operator: "opaque", inputs: [graph[x]])) {
      try graph.differentiated([y], withRespectTo: [x])
    }
  }

  @Test("a classifier in a few lines: build, differentiate, update")
  func classifier() throws {
    let batch = Axis("batch", .batch, 4)
    var builder = GraphBuilder()
    let images = try builder.input(
      "images", .float32,
      [batch, Axis("channel", .channel, 1), Axis("height", .space, 8), Axis("width", .space, 8)])
    let labels = try builder.input("labels", .int32, [batch])
    let rate = try builder.input("rate", .float64, [])
    let rules = ConvRules(all: ConvRule(stride: 2, kind: .correlation))
    let features = try builder.scope("conv") { builder in
      let axes = builder[images].axes
      let weight = try builder.parameter(
        "weight", .float32,
        [Axis("out", .channel, 6), axes[1], axes[2].with(extent: 3), axes[3].with(extent: 3)])
      return try builder.relu(
        builder.contraction("bshw,tshw->bthw|hw", [images, weight], rules: rules))
    }
    let flat = try builder.flatten(features, 1...3)
    let weight = try builder.parameter(
      "fc.weight", .float32, [Axis("class", .channel, 10), builder[flat].axes[1]])
    let logits = try builder.contraction("bs,ts->bt", [flat, weight])
    let sum = try builder.crossEntropy(logits, labels)
    try builder.result("loss", builder.scale(sum, by: 1 / 4))

    let forward = try builder.build()
    #expect(forward[flat].shape == [4, 96])
    #expect(forward[logits].axes == [batch, Axis("class", .channel, 10)])
    let (graph, gradients) = try forward.differentiated(
      "loss", withRespectTo: forward.parameters)
    builder = GraphBuilder(graph)
    for (parameter, gradient) in zip(forward.parameters, gradients) {
      guard let gradient else { continue }
      let value = graph[parameter]
      let velocity = try builder.state("\(value.name).velocity", value.type, value.axes)
      let next = try builder.apply(
        Operators.MomentumUpdate(momentum: 0.9, weightDecay: 5e-4),
        to: [parameter, gradient, velocity, rate])
      try builder.effect(parameter, becomes: next[0])
      try builder.effect(velocity, becomes: next[1])
    }
    let step = try builder.build()
    #expect(step.effects.count == 4)
    #expect(step.sources.count { $0.kind == .state } == 2)
    // What the loss reads of the forward pass is float32, the sum itself is not.
    #expect(step[sum].type == .float64)
    #expect(gradients.allSatisfy { $0.map { step[$0].type == .float32 } ?? false })
  }
}
