import Execution
import Partitioning
import Testing

@testable import Graph

/// What becomes of sources, and of values that are used in unusual ways.
@Suite struct ProgramEffectTests {
  private static let features = [Axis("sample", .batch, 5), Axis("feature", .channel, 3)]
  private static let weights = [Axis("class", .channel, 4), Axis("feature", .channel, 3)]
  private static let square = [Axis("out", .channel, 3), Axis("in", .channel, 3)]

  /// Twice in a row, on one rank and on some, in small tiles and large ones.
  private func check(
    _ graph: Graph, _ given: [String: DoubleTensor] = [:],
    isCut: Bool = true
  ) throws {
    let sources = drawnSources(of: graph).merging(given) { $1 }
    for ranks in [1, 2, 3, 6] {
      for elements in [1, 1 << 20] {
        for checkpointing in Checkpointing.allCases {
          var run = GraphRun(graph)
          run.mesh = Mesh(axes: [ranks])
          run.options.tileElements = elements
          run.checkpointing = checkpointing
          for source in graph.sources {
            let value = graph[source.value]
            run.layouts[value.name] =
              isCut && source.kind == .input
              ? .cutting(value, [.batch: 0], mesh: run.mesh)
              : .replicated(value.shape, mesh: run.mesh)
          }
          try run.check(sources, times: 2)
        }
      }
    }
  }

  private func build(
    _ body: (inout GraphBuilder) throws(GraphError) -> Void
  ) throws -> Graph {
    var builder = GraphBuilder()
    try body(&builder)
    return try builder.build()
  }

  /// A linear layer's loss, and its parameters' gradients.
  private func linear(
    _ update: (inout GraphBuilder, _ weight: ValueID, _ gradient: ValueID) throws(GraphError) ->
      Void
  ) throws -> Graph {
    let forward = try build { (builder) throws(GraphError) in
      let x = try builder.input("x", .float64, Self.features)
      let weight = try builder.parameter("weight", .float64, Self.weights)
      let y = try builder.tanh(builder.contraction("bs,ts->bt", [x, weight]))
      try builder.result("loss", builder.sum(builder.multiply(y, y), over: [0, 1]))
    }
    let (graph, gradients) = try forward.differentiated("loss", withRespectTo: forward.parameters)
    var builder = GraphBuilder(graph)
    try update(&builder, forward.parameters[0], try #require(gradients[0]))
    return try builder.build()
  }

  private func momentum(
    _ builder: inout GraphBuilder, _ weight: ValueID, _ gradient: ValueID
  ) throws(GraphError) -> (velocity: ValueID, next: [ValueID]) {
    let velocity = try builder.state("velocity", .float64, builder[weight].axes)
    let rate = try builder.input("rate", .float64, [])
    let update = Operators.MomentumUpdate(momentum: 0.9, weightDecay: 0.1, nesterov: true)
    return (velocity, try builder.apply(update, to: [weight, gradient, velocity, rate]))
  }

  @Test func momentumUpdates() throws {
    try check(
      linear { (builder, weight, gradient) throws(GraphError) in
        let (velocity, next) = try momentum(&builder, weight, gradient)
        try builder.effect(weight, becomes: next[0])
        try builder.effect(velocity, becomes: next[1])
      })
  }

  @Test func adamUpdates() throws {
    let graph = try linear { (builder, weight, gradient) throws(GraphError) in
      let axes = builder[weight].axes
      let mean = try builder.state("mean", .float64, axes)
      let variance = try builder.state("variance", .float64, axes)
      let rate = try builder.input("rate", .float64, [])
      let step = try builder.input("step", .int64, [])
      let next = try builder.apply(
        Operators.AdamUpdate(weightDecay: 0.1, isDecoupled: true),
        to: [weight, gradient, mean, variance, rate, step])
      for (source, value) in zip([weight, mean, variance], next) {
        try builder.effect(source, becomes: value)
      }
    }
    let shape = [4, 3]
    try check(
      graph,
      [
        "step": DoubleTensor(scalar: 3),
        "variance": DoubleTensor(shape, (0..<12).map { 0.1 + 0.05 * Double($0) }),
      ])
  }

  @Test func runningMoments() throws {
    try check(
      build { (builder) throws(GraphError) in
        let x = try builder.input("x", .float64, Self.features)
        let mean = try builder.state("mean", .float64, [Self.features[1]])
        let variance = try builder.state("variance", .float64, [Self.features[1]])
        let sums = try builder.single(Operators.MomentSums(over: [0]), [x])
        let next = try builder.apply(
          Operators.RunningMoments(momentum: 0.1, count: 5), to: [mean, variance, sums])
        try builder.effect(mean, becomes: next[0])
        try builder.effect(variance, becomes: next[1])
        // What the moments were is read after they are known anew.
        try builder.result("shifted", builder.add(mean, to: x, along: [1]))
      })
  }

  @Test("a source is read by a later node after its update is known")
  func readsAfterUpdates() throws {
    try check(
      linear { (builder, weight, gradient) throws(GraphError) in
        let (velocity, next) = try momentum(&builder, weight, gradient)
        try builder.effect(weight, becomes: next[0])
        try builder.effect(velocity, becomes: next[1])
        try builder.result("twice", builder.scale(weight, by: 2))
        try builder.result("change", builder.add([next[0], builder.scale(weight, by: -1)]))
        try builder.result("old velocity", velocity)
      })
  }

  @Test("a source is read by samples' nodes after its update is known, and so is the update")
  func readsInTilesAfterUpdates() throws {
    try check(
      build { (builder) throws(GraphError) in
        let x = try builder.input("x", .float64, Self.features)
        let gradient = try builder.input("gradient", .float64, Self.weights)
        let weight = try builder.parameter("weight", .float64, Self.weights)
        let (velocity, next) = try momentum(&builder, weight, gradient)
        try builder.effect(weight, becomes: next[0])
        try builder.effect(velocity, becomes: next[1])
        let new = try builder.contraction("bs,ts->bt", [x, next[0]])
        let old = try builder.contraction("bs,ts->bt", [x, weight])
        try builder.result("both", builder.multiply(new, old))
      })
  }

  @Test("two sources swap, three go round")
  func swaps() throws {
    for count in 2...3 {
      try check(
        build { (builder) throws(GraphError) in
          var sources: [ValueID] = []
          for number in 0..<count {
            sources.append(try builder.state("state\(number)", .float64, Self.weights))
          }
          for (number, source) in sources.enumerated() {
            try builder.effect(source, becomes: sources[(number + 1) % count])
          }
        })
    }
  }

  @Test("a source becomes what another one was, which changes", arguments: [true, false])
  func shifts(isFirst: Bool) throws {
    try check(
      build { (builder) throws(GraphError) in
        let a = try builder.state("a", .float64, Self.weights)
        let b = try builder.state("b", .float64, Self.weights)
        let c = try builder.state("c", .float64, Self.weights)
        let next = try builder.scale(b, by: -0.5)
        let effects = [(a, b), (b, next), (c, a)]
        for (source, value) in isFirst ? effects : effects.reversed() {
          try builder.effect(source, becomes: value)
        }
        try builder.result("b as it was", b)
        try builder.result("next", next)
      })
  }

  @Test("sources that lie differently take on each other's values", arguments: 1...4)
  func differentLayouts(ranks: Int) throws {
    let graph = try build { (builder) throws(GraphError) in
      let names = ["rows", "columns", "whole"]
      let sources = try names.map { (name) throws(GraphError) in
        try builder.state(name, .float64, Self.weights)
      }
      for (number, source) in sources.enumerated() {
        try builder.effect(source, becomes: sources[(number + 1) % 3])
      }
      let (velocity, next) = try momentum(&builder, sources[0], sources[1])
      try builder.effect(velocity, becomes: next[0])
      try builder.result("next", next[1])
    }
    var run = GraphRun(graph)
    run.mesh = Mesh(axes: [ranks])
    run.layouts["rows"] = Layout(shape: [4, 3], mesh: run.mesh, axes: [[0], []])
    run.layouts["columns"] = Layout(shape: [4, 3], mesh: run.mesh, axes: [[], [0]])
    try run.check(drawnSources(of: graph), times: 2)
  }

  @Test("two sources become one value, and one becomes itself")
  func alike() throws {
    try check(
      linear { (builder, weight, gradient) throws(GraphError) in
        let (velocity, next) = try momentum(&builder, weight, gradient)
        let copy = try builder.state("copy", .float64, builder[weight].axes)
        let same = try builder.state("same", .float64, builder[weight].axes)
        try builder.effect(copy, becomes: next[0])
        try builder.effect(weight, becomes: next[0])
        try builder.effect(velocity, becomes: next[1])
        try builder.effect(same, becomes: same)
        try builder.result("new weight", next[0])
      })
  }

  @Test("an update of which inputs are one value")
  func sharedInputs() throws {
    try check(
      build { (builder) throws(GraphError) in
        let weight = try builder.parameter("weight", .float64, Self.weights)
        let rate = try builder.input("rate", .float64, [])
        let next = try builder.apply(
          Operators.MomentumUpdate(momentum: 0.9), to: [weight, weight, weight, rate])
        try builder.effect(weight, becomes: next[0])
        try builder.result("velocity", next[1])
      })
  }

  @Test("an input and a parameter are results themselves")
  func sourcesAsResults() throws {
    try check(
      build { (builder) throws(GraphError) in
        let x = try builder.input("x", .float64, Self.features)
        let weight = try builder.parameter("weight", .float64, Self.weights)
        try builder.result("x too", x)
        try builder.result("weight too", weight)
        try builder.result("once more", weight)
      })
  }

  @Test("shared weights, a result that is read, and one output that nobody reads")
  func sharedWeights() throws {
    let forward = try build { (builder) throws(GraphError) in
      let x = try builder.input("x", .float64, Self.features)
      let weight = try builder.parameter("weight", .float64, Self.square)
      let once = try builder.tanh(builder.contraction("bs,ts->bt", [x, weight]))
      let twice = try builder.contraction("bs,ts->bt", [once, weight])
      // Of these parts only one is read.
      let parts = try builder.split(twice, axis: 1, parts: 3)
      try builder.apply(Operators.Map(.relu), to: [once])
      try builder.result("once", once)
      let sum = try builder.sum(builder.multiply(parts[1], parts[1]), over: [0, 1])
      try builder.result("loss", builder.add([sum, builder.sum(once, over: [0, 1])]))
    }
    let (graph, gradients) = try forward.differentiated("loss", withRespectTo: forward.parameters)
    try check(graph.with(results: gradients.compactMap { $0 }))
  }

  @Test("a contraction twice of the same operands, both with adjoints")
  func twins() throws {
    let forward = try build { (builder) throws(GraphError) in
      let x = try builder.input("x", .float64, Self.features)
      let a = try builder.parameter("a", .float64, [Axis("r", .other, 2), Self.weights[1]])
      let b = try builder.parameter("b", .float64, [Self.weights[0], Axis("r", .other, 2)])
      let first = try builder.contraction("bs,rs,tr->bt", [x, a, b])
      let second = try builder.contraction("bs,rs,tr->bt", [x, a, b])
      let product = try builder.multiply(builder.tanh(first), builder.sigmoid(second))
      try builder.result("loss", builder.sum(product, over: [0, 1]))
    }
    let variables = forward.parameters + [forward.sources[0].value]
    let (graph, gradients) = try forward.differentiated("loss", withRespectTo: variables)
    try check(graph.with(results: gradients.compactMap { $0 }))
  }

  @Test("an expression of parameters only, and one that reads an operand twice")
  func parametersOnly() throws {
    let forward = try build { (builder) throws(GraphError) in
      let x = try builder.input("x", .float64, Self.features)
      let a = try builder.parameter("a", .float64, [Axis("r", .other, 2), Self.weights[1]])
      let b = try builder.parameter("b", .float64, [Self.weights[0], Axis("r", .other, 2)])
      let weight = try builder.contraction("rs,tr->ts", [a, b])
      let products = try builder.contraction("ts,us->tu", [weight, weight])
      let y = try builder.contraction("bs,ts->bt", [x, weight])
      let z = try builder.tanh(builder.contraction("bt,tu->bu", [y, products]))
      try builder.result("weight", weight)
      try builder.result("loss", builder.sum(z, over: [0, 1]))
    }
    let (graph, gradients) = try forward.differentiated("loss", withRespectTo: forward.parameters)
    try check(graph.with(results: gradients.compactMap { $0 }))
  }

  @Test("sums over samples between groups, whose values are made again")
  func groups() throws {
    let forward = try build { (builder) throws(GraphError) in
      let x = try builder.input("x", .float64, Self.features)
      let weight = try builder.parameter("weight", .float64, Self.square)
      let y = try builder.contraction("bs,ts->bt", [x, weight])
      let first = try builder.tanh(builder.normalize(y, over: [0], epsilon: 0.1))
      let second = try builder.normalize(builder.sigmoid(first), over: [0], epsilon: 0.1)
      let z = try builder.contraction("bs,ts->bt", [builder.add([first, second]), weight])
      let third = try builder.normalize(builder.multiply(z, first), over: [0], epsilon: 0.1)
      try builder.result("loss", builder.sum(builder.multiply(third, y), over: [0, 1]))
    }
    let variables = forward.parameters + [forward.sources[0].value]
    let (graph, gradients) = try forward.differentiated("loss", withRespectTo: variables)
    try check(graph.with(results: gradients.compactMap { $0 }))
  }

  @Test("a graph of nothing but sources, and one of nothing")
  func empty() throws {
    try check(
      build { (builder) throws(GraphError) in
        _ = try builder.input("x", .float64, Self.features)
      })
    try check(build { (_) throws(GraphError) in })
  }
}
