import Testing

@testable import Graph

@Suite struct NetworkTests {
  @Test("all gradients of a residual network are those of differences")
  func gradients() throws {
    let forward = try residualNetwork()
    let sources = drawnSources(of: forward)
    let (graph, gradients) = try forward.differentiated(
      "loss", withRespectTo: forward.parameters)
    let values = try Interpreter(graph: graph).values(sources)
    let loss = try forward.result("loss").index
    let interpreter = Interpreter(graph: forward)
    var draws = SeededDraws(seed: 8)
    #expect(forward.parameters.count == 9)
    for (parameter, gradient) in zip(forward.parameters, gradients) {
      let name = forward[parameter].name
      let computed = values[try #require(gradient).index]
      let x = try #require(sources[name])
      // Along random directions: an evaluation of the network takes a while.
      for _ in 0..<2 {
        let direction = draws.tensor(x.shape)
        let losses = try [1e-5, -1e-5].map { step in
          let moved = sources.merging([name: x + direction * step]) { $1 }
          return try interpreter.values(moved)[loss].elements[0]
        }
        let slope = (losses[0] - losses[1]) / 2e-5
        #expect(abs(slope - computed.dot(direction)) < 1e-7, "\(name)")
      }
    }
  }

  @Test("differentiating changes no value, result or effect of the forward pass")
  func forwardStays() throws {
    let forward = try residualNetwork()
    let graph = try forward.differentiated("loss", withRespectTo: forward.parameters).graph
    #expect(Array(graph.values.prefix(forward.values.count)) == forward.values)
    #expect(Array(graph.nodes.prefix(forward.nodes.count)) == forward.nodes)
    #expect(graph.results == forward.results)
    #expect(graph.effects == forward.effects)
    #expect(graph.effects.count == 4)
  }

  @Test("running moments become what PyTorch makes of them")
  func runningMoments() throws {
    let graph = try residualNetwork()
    let sources = drawnSources(of: graph)
    let values = try Interpreter(graph: graph).values(sources)
    let convolved = values[try value("stem.conv", in: graph).index]
    let becomes = graph.effects.map { (graph[$0.source].name, values[$0.becomes.index]) }
    let samples = convolved.shape[0] * convolved.shape[2] * convolved.shape[3]
    for channel in 0..<3 {
      let own = convolved.indices.filter { $0[1] == channel }.map { convolved[$0] }
      let mean = own.reduce(0, +) / Double(samples)
      let squares = own.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      let expected = [
        "stem.norm.running_mean": mean,
        "stem.norm.running_var": squares / Double(samples - 1),
      ]
      for (name, tensor) in becomes {
        guard let batch = expected[name], let old = sources[name] else { continue }
        #expect(abs(tensor[[channel]] - (0.9 * old[[channel]] + 0.1 * batch)) < 1e-12, "\(name)")
      }
    }
    #expect(becomes.map(\.0).contains("stem.norm.running_mean"))
  }

  private func value(_ name: String, in graph: Graph) throws -> ValueID {
    ValueID(try #require(graph.values.firstIndex { $0.name == name }))
  }

  @Test("names are those of PyTorch's modules, and adjoints stand under their node's")
  func names() throws {
    let forward = try residualNetwork()
    let graph = try forward.differentiated("loss", withRespectTo: forward.parameters).graph
    let names = graph.nodes.map(\.name)
    for name in [
      "stem.conv", "layer1.0.conv1", "layer1.0.norm1", "layer1.0.relu", "fc.contraction",
    ] {
      #expect(names.contains(name))
    }
    #expect(names.contains("layer1.0.conv1.contraction-adjoint"))
    #expect(names.contains("stem.norm.normalization-sums"))
    #expect(graph.source("fc.weight") != nil)
    #expect(graph.source("fc.nothing") == nil)
  }

  @Test("sums of batch normalisation's adjoint serve x, scale and bias")
  func sharedSums() throws {
    let forward = try residualNetwork()
    let graph = try forward.differentiated("loss", withRespectTo: forward.parameters).graph
    let sums = graph.nodes.filter { $0.operation.kind == Operators.NormalizationSums.kind }
    #expect(sums.count == 2)
  }

  @Test("parts along every factor of every node of the step make the whole")
  func factors() throws {
    let forward = try residualNetwork()
    let graph = try forward.differentiated("loss", withRespectTo: forward.parameters).graph
    let values = try Interpreter(graph: graph).values(drawnSources(of: graph))
    for node in graph.nodes { try checkFactors(of: node, in: graph, values: values) }
  }

  @Test("a whole training step: a momentum update lowers the loss")
  func trainingStep() throws {
    let forward = try residualNetwork()
    let (differentiated, gradients) = try forward.differentiated(
      "loss", withRespectTo: forward.parameters)
    var builder = GraphBuilder(differentiated)
    let rate = try builder.input("rate", .float64, [])
    for (parameter, gradient) in zip(forward.parameters, gradients) {
      let value = forward[parameter]
      let velocity = try builder.state("momentum/\(value.name)", value.type, value.axes)
      let next = try builder.apply(
        Operators.MomentumUpdate(momentum: 0.9),
        to: [parameter, try #require(gradient), velocity, rate],
        name: "update/\(value.name)")
      try builder.effect(parameter, becomes: next[0])
      try builder.effect(velocity, becomes: next[1])
    }
    let step = try builder.build()
    var sources = drawnSources(of: step)
    for name in sources.keys where name.hasPrefix("momentum/") {
      sources[name] = sources[name].map { $0 * 0 }
    }
    sources["rate"] = DoubleTensor(scalar: 0.02)
    var losses: [Double] = []
    for _ in 0..<3 {
      let values = try Interpreter(graph: step).values(sources)
      losses.append(values[try step.result("loss").index].elements[0])
      for effect in step.effects {
        sources[step[effect.source].name] = values[effect.becomes.index]
      }
    }
    #expect(losses[1] < losses[0] && losses[2] < losses[1], "\(losses)")
  }

  @Test("attention of several heads under a mask, from embeddings that are used three times")
  func attention() throws {
    let x = OperatorCase.Input([2, 3, 4])
    let weights = [OperatorCase.Input](repeating: .init([2, 2, 4]), count: 3)
    let mask = OperatorCase.Input.fixed([3, 3], .uint8, [1, 0, 0, 1, 1, 0, 1, 1, 1])
    let attention = OperatorCase("attention", [x] + weights + [mask]) {
      (builder, x) throws(GraphError) in
      var projections: [ValueID] = []
      for weight in x[1...3] {
        projections.append(try builder.contraction("bqd,hed->bhqe", [x[0], weight]))
      }
      let products = try builder.contraction("bhqe,bhke->bhqk", Array(projections[..<2]))
      let scores = try builder.scale(products, by: 0.5.squareRoot())
      let shares = try builder.softmax(scores, axis: 3, mask: (x[4], axes: [2, 3]))
      return [try builder.contraction("bhqk,bhke->bqhe", [shares, projections[2]])]
    }
    try checkGradients(attention)
  }
}
