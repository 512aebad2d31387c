import Testing

@testable import Graph

@Suite struct DifferentiationTests {
  private var builder = GraphBuilder()
  private let shape = axes([3])

  private func kinds(_ graph: Graph, from count: Int) -> [String] {
    graph.nodes[count...].map(\.operation.kind)
  }

  @Test("a value used three times gets one sum of its gradients, later consumers first")
  func sharedValue() throws {
    var builder = builder
    let x = try builder.input("x", .float64, shape)
    let a = try builder.scale(x, by: 2, name: "a")
    let b = try builder.scale(x, by: 3, name: "b")
    let c = try builder.relu(x, name: "c")
    let sum = try builder.add([a, b, c], name: "sum")
    let loss = try builder.sum(sum, over: [0], name: "loss")
    let forward = try builder.build()
    let (graph, gradients) = try forward.differentiated([loss], withRespectTo: [x])
    let sums = graph.nodes[forward.nodes.count...].filter {
      $0.operation.kind == Operators.Add.kind
    }
    #expect(sums.count == 1)
    #expect(sums[0].name == "x.gradient")
    #expect(
      sums[0].inputs.map { graph[$0].name }
        == ["c.map-adjoint", "b.scale", "a.scale"])
    #expect(gradients == [sums[0].outputs[0]])
    let values = try Interpreter(graph: graph).values(["x": DoubleTensor([3], [1, -1, 2])])
    #expect(values[sums[0].outputs[0].index].elements == [6, 5, 6])
  }

  @Test("what nobody needs gets no adjoint nodes")
  func pruning() throws {
    var builder = builder
    let x = try builder.input("x", .float64, shape)
    let w = try builder.parameter("w", .float64, shape)
    let unused = try builder.parameter("unused", .float64, shape)
    // Depends on no variable.
    let prepared = try builder.map(.gelu, x)
    // Reaches no loss.
    _ = try builder.map(.silu, w)
    try builder.result("side", builder.multiply(unused, unused))
    let loss = try builder.sum(builder.multiply(prepared, w), over: [0])
    let forward = try builder.build()
    let (graph, gradients) = try forward.differentiated([loss], withRespectTo: [w, unused])
    #expect(kinds(graph, from: forward.nodes.count) == ["fill", "spread", "multiply"])
    #expect(gradients[1] == nil)
    #expect(gradients[0] != nil)
  }

  @Test("only operands that are needed have gradients in a contraction's adjoint")
  func neededOperands() throws {
    var builder = builder
    let x = try builder.input("x", .float64, axes([2, 3]))
    let w = try builder.parameter("w", .float64, axes([4, 3]))
    let loss = try builder.sum(builder.contraction("bs,ts->bt", [x, w]), over: [0, 1])
    let forward = try builder.build()
    let graph = try forward.differentiated([loss], withRespectTo: [w]).graph
    let adjoint = try #require(graph.nodes.last?.operation.base as? Operators.ContractionAdjoint)
    #expect(adjoint.needed == [false, true])
    #expect(graph.nodes.last?.outputs.count == 1)
  }

  @Test("an adjoint reads the map's output where that is enough, so that its input need not live")
  func reads() throws {
    for function in Operators.Map.Function.allCases {
      var builder = builder
      let x = try builder.input("x", .float64, shape)
      let y = try builder.map(function, x)
      let loss = try builder.sum(y, over: [0])
      let graph = try builder.build().differentiated([loss], withRespectTo: [x]).graph
      let read = try #require(graph.nodes.last?.inputs.first)
      #expect(read == ([.relu, .sigmoid, .tanh].contains(function) ? y : x))
    }
  }

  @Test("several losses add up; a gradient of something in between; a loss that is a variable")
  func losses() throws {
    var builder = builder
    let x = try builder.input("x", .float64, shape)
    let y = try builder.scale(x, by: 3)
    let first = try builder.sum(y, over: [0])
    let second = try builder.squaredError(y, x)
    let forward = try builder.build()
    let (graph, gradients) = try forward.differentiated(
      [first, second], withRespectTo: [y, first, x])
    let values = try Interpreter(graph: graph).values(["x": DoubleTensor([3], [1, -1, 2])])
    let elements = try gradients.map { values[try #require($0).index].elements }
    // ∂/∂y = 1 + 2(y − x); ∂/∂x = 3(1 + 4x) − 4x.
    #expect(elements == [[5, -3, 9], [1], [11, -5, 19]])
  }

  @Test("second differentiation of the same graph: names stay unique")
  func twice() throws {
    var builder = builder
    let x = try builder.input("x", .float64, shape)
    let loss = try builder.sum(builder.multiply(x, x), over: [0])
    let forward = try builder.build()
    let (once, gradients) = try forward.differentiated([loss], withRespectTo: [x])
    var further = GraphBuilder(once)
    let gradient = try #require(gradients[0])
    let norm = try further.sum(further.multiply(gradient, gradient), over: [0])
    // |2x|², whose gradient is 8x.
    let (twice, second) = try further.build().differentiated([norm], withRespectTo: [x])
    let values = try Interpreter(graph: twice).values(["x": DoubleTensor([3], [1, -1, 2])])
    #expect(values[try #require(second[0]).index].elements == [8, -8, 16])
  }

  @Test("integers carry no gradient")
  func integers() throws {
    var builder = builder
    let logits = try builder.input("logits", .float64, axes([2, 3]))
    let labels = try builder.input("labels", .int32, axes([2]))
    let loss = try builder.crossEntropy(logits, labels)
    let forward = try builder.build()
    #expect(throws: GraphError.notDifferentiable(forward[labels])) {
      try forward.differentiated([loss], withRespectTo: [labels])
    }
    #expect(throws: GraphError.lossIsNoScalar(forward[logits])) {
      try forward.differentiated([logits], withRespectTo: [logits])
    }
    #expect(throws: GraphError.unknownValue(ValueID(9), count: 3)) {
      try forward.differentiated([ValueID(9)], withRespectTo: [logits])
    }
    #expect(throws: GraphError.unknownValue(ValueID(-1), count: 3)) {
      try forward.differentiated([loss], withRespectTo: [ValueID(-1)])
    }
    #expect(throws: GraphError.unknownResult("loss", known: [])) {
      try forward.differentiated("loss", withRespectTo: [logits])
    }
  }

  @Test("an operator without adjoint is an error only if a gradient is needed through it")
  func noAdjoint() throws {
    var builder = builder
    let x = try builder.input("x", .float64, shape)
    let w = try builder.parameter("w", .float64, shape)
    let sums = try builder.single(Operators.MomentSums(over: []), [x], name: "sums")
    let converted = try builder.sum(builder.slice(sums, axis: 0, 0..<1), over: [0])
    let loss = try builder.sum(builder.multiply(converted, w), over: [0])
    let forward = try builder.build()
    _ = try forward.differentiated([loss], withRespectTo: [w])
    #expect(
      throws: GraphError.noAdjoint(
        node: "sums", operator: "moment-sums over ", inputs: [forward[x]])
    ) { try forward.differentiated([loss], withRespectTo: [x]) }
  }

  @Test("moments that are given have no gradients")
  func fixedMoments() throws {
    var builder = builder
    var inputs: [ValueID] = []
    for (name, shape) in zip(
      ["x", "mean", "variance", "scale", "bias"], [[2, 3]] + (0..<4).map { _ in [3] })
    {
      inputs.append(try builder.input(name, .float64, axes(shape)))
    }
    let y = try builder.batchNorm(
      evaluating: inputs[0], scale: inputs[3], bias: inputs[4], mean: inputs[1],
      variance: inputs[2])
    let loss = try builder.sum(y, over: [0, 1])
    let forward = try builder.build()
    for moment in inputs[1...2] {
      #expect(throws: GraphError.self) {
        try forward.differentiated([loss], withRespectTo: [moment])
      }
    }
  }

  @Test("operators of one's own whose adjoints are wrong are told so")
  func wrongAdjoints() throws {
    var builder = builder
    let x = try builder.input("x", .float64, shape)
    let misshapen = try builder.sum(
      builder.single(Flawed(gradients: 1), [x], name: "flawed"), over: [0])
    let missing = try builder.sum(
      builder.single(Flawed(gradients: 0), [x], name: "missing"), over: [0])
    let unknown = try builder.sum(
      builder.single(Flawed(gradients: -1), [x], name: "unknown"), over: [0])
    let forward = try builder.build()
    // A factor without an entry for the input counts for nothing.
    let factors = forward.factors(of: forward.nodes[0])
    #expect(factors.allSatisfy { !$0.mayBeCut && $0.inputs.count == 1 && $0.outputs.count == 1 })
    #expect(
      throws: GraphError.gradientCount(
        node: "missing", operator: "flawed 0", expected: 1, given: 0)
    ) { try forward.differentiated([missing], withRespectTo: [x]) }
    #expect(throws: GraphError.unknownValue(ValueID(-1), count: forward.values.count + 2)) {
      try forward.differentiated([unknown], withRespectTo: [x])
    }
    #expect(throws: GraphError.self) {
      try forward.differentiated([misshapen], withRespectTo: [x])
    }
  }
}

/// Gives a scalar as gradient, none at all, or one that nobody made; and has a factor of nothing.
private struct Flawed: Operator {
  static let kind = "flawed"

  let gradients: Int

  var settings: String { "\(gradients)" }

  func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] { inputs }

  func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
    [Factor(extent: 3, inputs: [], outputs: [])]
  }

  func adjoint(
    of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
  ) throws(GraphError) -> [ValueID?] {
    if self.gradients < 0 { return [ValueID(-1)] }
    guard self.gradients > 0, let gradient = gradients[0] else { return [] }
    return [try builder.sum(gradient, over: [0])]
  }
}
