import Testing

@testable import Graph

@Suite struct GraphBuilderTests {
  private let shape = [Axis("batch", .batch, 2), Axis("channel", .channel, 3)]

  @Test("values are numbered in order, sources keep their kinds")
  func sources() throws {
    var builder = GraphBuilder()
    let x = try builder.input("x", .float32, shape)
    let w = try builder.parameter("w", .float32, shape)
    let b = try builder.parameter("b", .float32, shape, decays: false)
    let s = try builder.state("s", .float64, [])
    let graph = try builder.build()
    #expect([x, w, b, s].map(\.index) == [0, 1, 2, 3])
    #expect(
      graph.sources.map(\.kind)
        == [.input, .parameter(decays: true), .parameter(decays: false), .state])
    #expect(graph.parameters == [w, b])
    #expect(graph[s].shape == [])
    #expect(graph[s].count == 1)
    #expect(graph[x].bytes == 24)
    #expect(x < w)
  }

  @Test("scopes nest, and unnamed nodes are numbered where their kind is taken")
  func scopes() throws {
    var builder = GraphBuilder()
    let x = try builder.input("x", .float32, shape)
    try builder.scope("encoder") { builder in
      let y = try builder.scope("layer1.0") { builder in try builder.relu(x) }
      _ = try builder.relu(y)
      _ = try builder.relu(y)
      _ = try builder.relu(y, name: "last")
      _ = try builder.parameter("weight", .float32, [])
    }
    _ = try builder.relu(x)
    let graph = try builder.build()
    #expect(
      graph.nodes.map(\.name)
        == ["encoder.layer1.0.relu", "encoder.relu", "encoder.relu_1", "encoder.last", "relu"])
    #expect(graph.source("encoder.weight") != nil)
  }

  @Test("a scope that throws is left")
  func failedScope() throws {
    var builder = GraphBuilder()
    let x = try builder.input("x", .float32, shape)
    #expect(throws: GraphError.self) {
      try builder.scope("inner") { builder in try builder.transpose(x, [0]) }
    }
    let y = try builder.relu(x)
    #expect(builder[y].name == "relu")
  }

  @Test("several outputs are named after their node")
  func outputNames() throws {
    var builder = GraphBuilder()
    var inputs: [ValueID] = []
    for name in ["w", "g", "v"] { inputs.append(try builder.state(name, .float32, shape)) }
    inputs.append(try builder.input("rate", .float64, []))
    let outputs = try builder.apply(
      Operators.MomentumUpdate(momentum: 0.9), to: inputs, name: "update")
    #expect(outputs.map { builder[$0].name } == ["update.parameter", "update.velocity"])
    try builder.effect(inputs[0], becomes: outputs[0])
    #expect(try builder.build().effects == [.init(source: inputs[0], becomes: outputs[0])])
  }

  @Test("an operator that is to have one output has one")
  func singleOutput() throws {
    var builder = GraphBuilder()
    let x = try builder.input("x", .float32, shape)
    let none = Operators.ContractionAdjoint("bs->bs", needed: [false])
    #expect(
      throws: GraphError.outputCount(node: "n", operator: none.text, expected: 1, given: 0)
    ) { try builder.single(none, [x, x], name: "n") }
    #expect(try builder.build().nodes.isEmpty)
    #expect(try builder.apply(none, to: [x, x]).isEmpty)
  }

  @Test("a scope whose builder is exchanged is left all the same")
  func exchangedBuilder() throws {
    var builder = GraphBuilder()
    try builder.scope("inner") { builder in
      builder = GraphBuilder()
      _ = try builder.input("x", .float32, shape)
    }
    let y = try builder.input("y", .float32, shape)
    #expect(builder[y].name == "y")
  }

  @Test("names are unique and not empty")
  func names() throws {
    var builder = GraphBuilder()
    let x = try builder.input("x", .float32, shape)
    _ = try builder.relu(x, name: "y")
    #expect(throws: GraphError.duplicateName("x")) { try builder.state("x", .float32, []) }
    #expect(throws: GraphError.duplicateName("y")) { try builder.relu(x, name: "y") }
    #expect(throws: GraphError.duplicateName("x")) { try builder.relu(x, name: "x") }
    #expect(throws: GraphError.emptyName) { try builder.relu(x, name: "") }
    #expect(throws: GraphError.emptyName) { try builder.input("", .float32, []) }
    try builder.result("out", x)
    #expect(throws: GraphError.duplicateName("out")) { try builder.result("out", x) }
    #expect(throws: GraphError.emptyName) { try builder.result("", x) }
    let graph = try builder.build()
    #expect(graph.nodes.count == 1)
    #expect(try graph.result("out") == x)
    #expect(throws: GraphError.unknownResult("in", known: ["out"])) { try graph.result("in") }
  }

  @Test("values of nobody are refused wherever they are given")
  func unknownValues() throws {
    var builder = GraphBuilder()
    let x = try builder.state("x", .float32, shape)
    let stranger = ValueID(7)
    let error = GraphError.unknownValue(stranger, count: 1)
    #expect(throws: error) { try builder.relu(stranger) }
    #expect(throws: error) { try builder.mean(stranger, over: [0]) }
    #expect(throws: error) { try builder.sum(stranger, over: []) }
    #expect(throws: error) { try builder.convert(stranger, to: .float32) }
    #expect(throws: error) { try builder.fill(with: 0, like: stranger) }
    #expect(throws: error) { try builder.split(stranger, axis: 0, parts: 2) }
    #expect(throws: error) { try builder.flatten(stranger, 0...1) }
    #expect(throws: error) { try builder.layerNorm(stranger, scale: x, bias: x) }
    #expect(throws: error) { try builder.layerNorm(x, scale: stranger, bias: x) }
    #expect(throws: error) { try builder.groupNorm(stranger, groups: 1, scale: x, bias: x) }
    #expect(throws: error) { try builder.normalize(stranger, over: [0]) }
    #expect(throws: error) {
      try builder.batchNorm(training: stranger, scale: x, bias: x, mean: x, variance: x)
    }
    #expect(throws: error) { try builder.result("y", stranger) }
    #expect(throws: error) { try builder.effect(x, becomes: stranger) }
    #expect(throws: error) { try builder.effect(stranger, becomes: x) }
  }

  @Test("effects are of parameters and states, one each, of one type and shape")
  func effects() throws {
    var builder = GraphBuilder()
    let x = try builder.input("x", .float32, shape)
    let s = try builder.state("s", .float32, shape)
    let t = try builder.state("t", .float32, [])
    let y = try builder.relu(x)
    let d = try builder.convert(x, to: .float64)
    func refused(_ effects: [(ValueID, ValueID)], _ error: GraphError) throws {
      var builder = builder
      for (source, value) in effects { try builder.effect(source, becomes: value) }
      #expect(throws: error) { try builder.build() }
    }
    try refused([(x, y)], .effectOnNoState(builder[x]))
    try refused([(y, x)], .effectOnNoState(builder[y]))
    try refused([(s, y), (s, x)], .secondEffect(builder[s]))
    try refused([(t, y)], .effectMismatch(source: builder[t], becomes: builder[y]))
    try refused([(s, d)], .effectMismatch(source: builder[s], becomes: builder[d]))
  }

  @Test("extents that no tensor has")
  func extents() throws {
    var builder = GraphBuilder()
    let negative = Value(name: "x", type: .float32, axes: axes([2, -1]))
    #expect(throws: GraphError.negativeExtent(negative)) {
      try builder.input("x", .float32, negative.axes)
    }
    let vast = Value(name: "x", type: .float32, axes: axes([1 << 40, 0, 1 << 40]))
    #expect(throws: GraphError.tooLarge(vast)) { try builder.input("x", .float32, vast.axes) }
    let long = try builder.input("long", .uint8, axes([1 << 40]))
    #expect(throws: GraphError.self) {
      try builder.reshape(long, to: axes([1 << 45, 1 << 45]))
    }
    let scalar = try builder.input("scalar", .float64, [])
    let spread = Operators.Spread(axes: [0, 1], along: axes([1 << 40, 1 << 40]))
    #expect(throws: GraphError.self) { try builder.apply(spread, to: [scalar]) }
  }

  @Test("a graph reads as a list")
  func description() throws {
    var builder = GraphBuilder()
    let x = try builder.input("x", .float32, shape)
    let s = try builder.state("s", .float32, shape)
    let y = try builder.scale(x, by: 0.5, name: "half")
    try builder.result("out", y)
    try builder.effect(s, becomes: y)
    #expect(
      try builder.build().description == """
        x float32 [2, 3] = input
        s float32 [2, 3] = state
        half float32 [2, 3] = scale by 0.5 (x)
        result out = half
        s becomes half
        """)
  }

  @Test("a graph from parts: each value is made once, before it is read")
  func parts() throws {
    var builder = GraphBuilder()
    let x = try builder.input("x", .float32, shape)
    let y = try builder.relu(builder.scale(x, by: 2))
    try builder.result("y", y)
    let graph = try builder.build()
    func rebuilt(
      _ nodes: [Node], values: [Value]? = nil, sources: [Graph.Source]? = nil
    ) throws(GraphError) -> Graph {
      try Graph(
        values: values ?? graph.values, nodes: nodes, sources: sources ?? graph.sources,
        results: graph.results, effects: [])
    }
    #expect(try rebuilt(graph.nodes) == graph)
    #expect(throws: GraphError.disorder(value: "scale", place: "relu")) {
      try rebuilt(graph.nodes.reversed())
    }
    #expect(throws: GraphError.disorder(value: "relu", place: "values")) {
      try rebuilt([graph.nodes[0]])
    }
    #expect(throws: GraphError.duplicateName("scale")) {
      try rebuilt([graph.nodes[0], graph.nodes[0]])
    }
    #expect(throws: GraphError.disorder(value: "x", place: "sources")) {
      try rebuilt(graph.nodes, sources: graph.sources + graph.sources)
    }
    #expect(throws: GraphError.disorder(value: "x", place: "scale")) {
      try rebuilt(graph.nodes, sources: [])
    }
    let other = graph.values[1].named("other")
    #expect(
      throws: GraphError.outputs(
        node: "scale", recorded: [other], expected: [graph.values[1]])
    ) { try rebuilt(graph.nodes, values: [graph.values[0], other, graph.values[2]]) }
    let wrong = Node(
      name: "relu", operation: Operation(Operators.Add()), inputs: [],
      outputs: graph.nodes[1].outputs)
    #expect(
      throws: GraphError.misfit(
        .inputCount(expected: 1, given: 0), node: "relu", operator: "add", inputs: [])
    ) { try rebuilt([graph.nodes[0], wrong]) }
  }

  @Test("building goes on from a graph")
  func continuation() throws {
    var builder = GraphBuilder()
    let x = try builder.input("x", .float32, shape)
    _ = try builder.relu(x)
    var further = GraphBuilder(try builder.build())
    let y = try further.relu(x)
    #expect(further[y].name == "relu_1")
    #expect(try further.build().nodes.count == 2)
  }
}
