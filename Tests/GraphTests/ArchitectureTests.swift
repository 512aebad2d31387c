import Planning
import Testing

@testable import Graph

/// Pieces of networks of every kind, each differentiated as a whole: gradients and factors.
@Suite struct ArchitectureTests {
  private static let correlation = ConvRules(all: ConvRule(kind: .correlation, feature: 0))

  static let pieces = [
    OperatorCase(
      "volumes: 3-D convolution, group normalisation, SiLU, average pool",
      [
        .init([1, 2, 3, 2, 3]), .init([4, 2, 2, 1, 2]), .init([4]), .init([4]),
      ]
    ) { (builder, x) throws(GraphError) in
      var y = try builder.contraction("bsdhw,tsdhw->btdhw|dhw", [x[0], x[1]], rules: correlation)
      y = try builder.groupNorm(y, groups: 2, scale: x[2], bias: x[3])
      y = try builder.silu(y)
      return [try builder.averagePool(y, [PoolWindow(axis: 2, extent: 2, stride: 1)])]
    },
    OperatorCase(
      "speech: strided 1-D convolution, GLU, depthwise convolution, layer norm",
      [
        .init([2, 3, 7]), .init([6, 3, 3]), .init([3, 3]), .init([3]), .init([3]),
      ]
    ) { (builder, x) throws(GraphError) in
      let strided = ConvRules(all: ConvRule(stride: 2, kind: .correlation))
      var y = try builder.contraction("bst,rst->brt|t", [x[0], x[1]], rules: strided)
      y = try builder.glu(y, axis: 1)
      y = try builder.contraction("bst,st->bst|t", [y, x[2]], rules: correlation)
      y = try builder.transpose(y, [0, 2, 1])
      return [try builder.layerNorm(y, scale: x[3], bias: x[4])]
    },
    OperatorCase(
      "grouped and pointwise convolutions in turn",
      [
        .init([2, 4, 5]), .init([2, 3, 2, 3]), .init([2, 2, 3]),
      ]
    ) { (builder, x) throws(GraphError) in
      let axes = builder[x[0]].axes
      let groups = [Axis("group", .channel, 2), axes[1].with(extent: 2)]
      var y = try builder.reshape(x[0], to: [axes[0]] + groups + [axes[2]])
      y = try builder.contraction("bgsh,gtsh->bgth|h", [y, x[1]], rules: correlation)
      y = try builder.contraction("bgth,qgt->bqh", [y, x[2]])
      return [try builder.relu(y)]
    },
    OperatorCase(
      "a factorised convolution: canonical polyadic, four factors at once",
      [
        .init([1, 3, 4, 4]), .init([2, 3]), .init([2, 2]), .init([2, 3]), .init([2, 2]),
      ]
    ) { (builder, x) throws(GraphError) in
      [try builder.contraction("bshw,rs,rt,rh,rw->bthw|hw", x, rules: correlation)]
    },
    OperatorCase(
      "a skip connection: pool, convolve, spread, pad, concatenate",
      [
        .init([1, 2, 5]), .init([2, 2, 3]),
      ]
    ) { (builder, x) throws(GraphError) in
      let pooled = try builder.maxPool(x[0], [PoolWindow(axis: 2, extent: 2)])
      let inner = try builder.contraction("bsh,tsh->bth|h", [pooled, x[1]], rules: correlation)
      let along = Operators.Spread(axes: [3], along: [Axis("twice", .space, 2)])
      let twice = try builder.flatten(builder.single(along, [inner]), 2...3)
      let padded = try builder.pad(twice, axis: 2, low: 0, high: 1)
      return [try builder.concatenate([x[0], padded], axis: 1)]
    },
    OperatorCase("squeeze and excitation", [.init([2, 3, 4]), .init([2, 3]), .init([3, 2])]) {
      (builder, x) throws(GraphError) in
      let squeezed = try builder.mean(x[0], over: [2])
      let hidden = try builder.relu(builder.contraction("bs,rs->br", [squeezed, x[1]]))
      let gate = try builder.sigmoid(builder.contraction("br,sr->bs", [hidden, x[2]]))
      return [try builder.scale(x[0], by: gate, along: [0, 1])]
    },
    OperatorCase(
      "a transformer's second half: residual, layer norm, GELU, dropout",
      [
        .init([2, 3, 4]), .init([4]), .init([4]), .init([5, 4]), .init([5]), .init([4, 5]),
        .fixed([2], .int64, [11, 2]),
      ]
    ) { (builder, x) throws(GraphError) in
      let normal = try builder.layerNorm(x[0], scale: x[1], bias: x[2])
      var y = try builder.contraction("bqs,rs->bqr", [normal, x[3]])
      y = try builder.gelu(builder.add(x[4], to: y, along: [2]))
      y = try builder.contraction("bqr,sr->bqs", [y, x[5]])
      y = try builder.dropout(y, rate: 0.3, stream: 1, key: x[6])
      return [try builder.add([x[0], y])]
    },
    OperatorCase(
      "two inputs, two losses: classes and a reconstruction",
      [
        .init([2, 3]), .init([2, 4]), .init([3, 3]), .init([4, 3]),
        .fixed([2], .int32, [2, 0]),
      ]
    ) { (builder, x) throws(GraphError) in
      let hidden = try builder.tanh(builder.contraction("bs,rs->br", [x[0], x[2]]))
      let copy = try builder.contraction("br,tr->bt", [hidden, x[3]])
      return [
        try builder.crossEntropy(hidden, x[4], labelSmoothing: 0.2),
        try builder.squaredError(copy, x[1]),
      ]
    },
    OperatorCase(
      "a step of simulation: a stencil around a ring, twice",
      [
        .init([2, 6]), .init([3]),
      ]
    ) { (builder, x) throws(GraphError) in
      let ring = ConvRules(all: ConvRule(kind: .correlation, boundary: .circular))
      let once = try builder.contraction("bh,h->bh|h", [x[0], x[1]], rules: ring)
      let twice = try builder.contraction("bh,h->bh|h", [once, x[1]], rules: ring)
      return [try builder.add([x[0], builder.scale(twice, by: -0.5)])]
    },
    OperatorCase("log-softmax over time after a mean over channels", [.init([2, 3, 4])]) {
      (builder, x) throws(GraphError) in
      let mean = try builder.mean(x[0], over: [1], keepsAxes: true)
      let parts = try builder.split(mean, axis: 2, parts: 2)
      return [try builder.logSoftmax(parts[0], axis: 2), try builder.softmax(parts[1], axis: 2)]
    },
  ]

  @Test("gradients by differences and by the adjoint identity", arguments: pieces)
  func gradients(_ piece: OperatorCase) throws { try checkGradients(piece) }

  @Test("parts along every factor make the whole", arguments: pieces)
  func factors(_ piece: OperatorCase) throws {
    let built = try BuiltCase(piece)
    let graph = try built.graph.differentiated(
      [built.loss], withRespectTo: built.variables
    ).graph
    let values = try Interpreter(graph: graph).values(built.sources)
    for node in graph.nodes { try checkFactors(of: node, in: graph, values: values) }
  }

  @Test("roles of axes survive convolutions, pools, sums and products of attention")
  func roles() throws {
    var builder = GraphBuilder()
    let sound = try builder.input(
      "sound", .float32,
      [Axis("batch", .batch, 2), Axis("mel", .channel, 8), Axis("time", .time, 40)])
    let weight = try builder.parameter(
      "weight", .float32,
      [Axis("out", .channel, 6), Axis("mel", .channel, 8), Axis("tap", .other, 3)])
    let y = try builder.contraction(
      "bst,rst->brt|t", [sound, weight], rules: Self.correlation)
    #expect(builder[y].axes.map(\.role) == [.batch, .channel, .time])
    #expect(builder[y].axes.map(\.name) == ["batch", "out", "time"])
    let pooled = try builder.maxPool(y, [PoolWindow(axis: 2, extent: 2)])
    #expect(builder[pooled].axes[2] == Axis("time", .time, 20))
    let scores = try builder.contraction("brq,brk->bqk", [pooled, pooled])
    #expect(builder[scores].axes.map(\.role) == [.batch, .time, .time])
    let mean = try builder.mean(scores, over: [2])
    #expect(builder[mean].axes.map(\.role) == [.batch, .time])
  }

  @Test("a frozen normalisation: evaluation's gradients reach x, scale and bias")
  func evaluation() throws {
    let moments = [[0.1, -0.2], [0.5, 2.0]].map { OperatorCase.Input.fixed([2], .float64, $0) }
    try checkGradients(
      OperatorCase("evaluation", [.init([3, 2, 2]), .init([2]), .init([2])] + moments) {
        (builder, x) throws(GraphError) in
        [
          try builder.batchNorm(
            evaluating: x[0], scale: x[1], bias: x[2], mean: x[3], variance: x[4])
        ]
      })
  }

  @Test("training and evaluation agree where the running moments are the batch's own")
  func agreement() throws {
    var builder = GraphBuilder()
    let x = try builder.input("x", .float64, axes([4, 2]))
    var states: [ValueID] = []
    for name in ["scale", "bias", "mean", "variance"] {
      states.append(try builder.state(name, .float64, axes([2])))
    }
    let trained = try builder.batchNorm(
      training: x, scale: states[0], bias: states[1], mean: states[2], variance: states[3])
    let evaluated = try builder.batchNorm(
      evaluating: x, scale: states[0], bias: states[1], mean: states[2], variance: states[3])
    let graph = try builder.build()
    // Columns 1, 2, 3, 6 and 0, 0, 4, 4: means 3 and 2, biased variances 3.5 and 4.
    let values = try Interpreter(graph: graph).values([
      "x": DoubleTensor([4, 2], [1, 0, 2, 0, 3, 4, 6, 4]),
      "scale": DoubleTensor([2], [2, 3]), "bias": DoubleTensor([2], [1, -1]),
      "mean": DoubleTensor([2], [3, 2]), "variance": DoubleTensor([2], [3.5, 4]),
    ])
    #expect(values[trained.index].difference(from: values[evaluated.index]) < 1e-14)
    let first = 1 - 2 * 2 / (3.5 + 1e-5).squareRoot()
    #expect(abs(values[trained.index].elements[0] - first) < 1e-14)
  }
}
