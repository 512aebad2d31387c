import Graph
import Planning
import Testing

@testable import Training

/// Layers one by one: shapes, expressions, names, parameters and how they begin.
@Suite struct LayerTests {
  static func convolution(
    _ channels: Int, kernel: Int = 3, stride: Int = 1, form: String = "dense",
    _ change: (inout ConvolutionSettings) -> Void = { _ in }
  ) -> LayerDescription {
    var settings = ConvolutionSettings(channels: channels, kernel: kernel, stride: stride)
    if form != "dense" { settings.factorization = Factorization(form, rank: 2) }
    change(&settings)
    return .convolution(settings)
  }

  @Test func namesThatAreNotGivenAreCounted() throws {
    let made = try Described.graph(layers: [
      Self.convolution(4), .norm(.batch), .relu, Self.convolution(4).named("conv2"),
      Self.convolution(4), .sequence([Self.convolution(4), .relu]),
      .sequence([Self.convolution(4)]).named("tail"),
      .repetition(2, [Self.convolution(4), .norm(.layer)]), .residual(main: [.gelu]),
    ])
    #expect(
      made.layers.map(\.name) == [
        "conv1", "norm1", "relu1", "conv2", "conv3", "conv4", "relu2", "tail.conv1",
        "repeat1.0.conv1", "repeat1.0.norm1", "repeat1.1.conv1", "repeat1.1.norm1", "gelu1",
        "add1", "mean", "head",
      ])
    #expect(try made.layer("add1").inputs == [12, 11])
    #expect(try made.layer("conv1").inputs == [nil])
  }

  @Test func convolutionsInOneTwoAndThreeDimensions() throws {
    for (extents, expression, shape, weight) in [
      ([9], "bws,tsw->bwt|w", [2, 5, 6], [6, 4, 3]),
      ([9, 8], "bhws,tshw->bhwt|hw", [2, 5, 4, 6], [6, 4, 3, 3]),
      ([3, 9, 8], "bdhws,tsdhw->bdhwt|dhw", [2, 2, 5, 4, 6], [6, 4, 3, 3, 3]),
    ] {
      let made = try Described.graph(
        layers: [Self.convolution(6, stride: 2)], extents: extents)
      let layer = try made.layer("conv1")
      #expect(layer.expression == expression)
      #expect(layer.outputShape == shape)
      #expect(try made.shape("conv1.weight") == weight)
      #expect(layer.parameterCount == weight.reduce(1, *))
      let roles = made.graph[layer.output].axes.map(\.role)
      #expect(roles.first == .batch && roles.last == .channel)
      #expect(roles.dropFirst().dropLast().allSatisfy { $0 == .space })
    }
  }

  /// ⌊(N + lo + hi − d(K − 1) − 1)/s⌋ + 1.
  @Test func stridesDilationsAndPaddingGoByAxis() throws {
    let layer = Self.convolution(4) { settings in
      settings.kernel = [3, 5]
      settings.stride = [2, 1]
      settings.dilation = [1, 2]
      settings.padding = [.valid, .explicit(low: 1, high: 2)]
    }
    let made = try Described.graph(layers: [layer], extents: [9, 12])
    #expect(try made.layer("conv1").outputShape == [2, 4, 7, 4])
    #expect(try made.shape("conv1.weight") == [4, 4, 3, 5])
  }

  @Test(arguments: 1...3) func everyFormFitsEveryKernel(dimensions: Int) throws {
    let extents = Array([4, 6, 5].suffix(dimensions))
    for form in Form.all(dimensions: dimensions) {
      let made = try Described.graph(
        layers: [Self.convolution(16, form: form.name)], extents: extents, channels: 8)
      let layer = try made.layer("conv1")
      #expect(layer.outputShape == [2] + extents + [16], "\(form.name)")
      let kernel = KernelShape(
        inputChannels: 8, outputChannels: 16, extents: extents.map { _ in 3 })
      let count = form.parameterCount(kernel, rank: form.hasRank ? 2 : 1)
      #expect(Double(layer.parameterCount) == count, "\(form.name)")
      if form.name == "dense" { continue }
      #expect(layer.factors?.form == form.name && layer.factors?.rank == 2)
      #expect(layer.factors?.compression == count / Double(kernel.count))
      #expect(
        made.parameterNames.prefix(form.factors.count)
          == form.factors.map { "conv1." + $0.map(\.name).joined(separator: "_") }[...])
      // It is trained as a whole.
      let (_, gradients) = try made.graph.differentiated(
        "loss", withRespectTo: made.graph.parameters)
      #expect(!gradients.contains(nil), "\(form.name)")
    }
  }

  @Test func everyFormFitsALinearMap() throws {
    for form in Form.all(dimensions: 0) {
      var settings = LinearSettings(outputs: 24)
      if form.name != "dense" { settings.factorization = Factorization(form.name, rank: 3) }
      let made = try Described.graph(
        layers: [.linear(settings).named("wide"), .relu], channels: 8)
      let layer = try made.layer("wide")
      #expect(layer.outputShape == [2, 8, 8, 24], "\(form.name)")
      let kernel = KernelShape(inputChannels: 8, outputChannels: 24, extents: [])
      let count = form.parameterCount(kernel, rank: form.hasRank ? 3 : 1) + 24
      #expect(Double(layer.parameterCount) == count, "\(form.name)")
      #expect(made.initializations["wide.bias"] == .uniform(bound: 1 / 8.0.squareRoot()))
    }
    let made = try Described.graph(layers: [], channels: 8)
    #expect(try made.layer("head").expression == "bs,ts->bt")
    #expect(try made.shape("head.weight") == [10, 8])
    #expect(made.initializations["head.weight"] == .uniform(bound: 1 / 8.0.squareRoot()))
  }

  @Test func compressionGivesTheRank() throws {
    var settings = ConvolutionSettings(channels: 64, kernel: 3)
    settings.factorization = Factorization("CP", compression: 0.1)
    let made = try Described.graph(layers: [.convolution(settings)], channels: 64)
    #expect(try made.layer("conv1").factors?.rank == 27)
    #expect(try made.layer("conv1").factors?.compression == Double(27 * 134) / Double(64 * 64 * 9))
  }

  @Test func groupsAndInterleavedGroups() throws {
    let grouped = try Described.graph(
      layers: [Self.convolution(8) { $0.groups = 2 }, Self.convolution(8) { $0.groups = 8 }])
    #expect(try grouped.layer("conv1").expression == "bhwgs,gtshw->bhwgt|hw")
    #expect(try grouped.shape("conv1.weight") == [2, 4, 2, 3, 3])
    #expect(try grouped.shape("conv2.weight") == [8, 1, 1, 3, 3])
    #expect(try grouped.layer("conv2").outputShape == [2, 8, 8, 8])
    // Inputs that reach an output: 2·9 and 1·9.
    #expect(
      grouped.initializations["conv1.weight"]?.variance.isClose(2.0 / 18) == true
        && grouped.initializations["conv2.weight"]?.variance.isClose(2.0 / 9) == true)
    let interleaved = try Described.graph(
      layers: [Self.convolution(8) { $0.interleavedGroups = 2 }])
    let layer = try interleaved.layer("conv1")
    #expect(layer.expression == "bhwlm,lnmhw,nkl->bhwkn|hw")
    #expect(layer.outputShape == [2, 8, 8, 8])
    #expect(layer.parameterCount == 2 * 4 * 2 * 9 + 4 * 2 * 2)
    #expect(layer.factors?.form == "interleaved")
    #expect(layer.factors?.compression == Double(layer.parameterCount) / Double(4 * 8 * 9))
  }

  @Test func denseKernelsBeginAsHeAndOthersSay() throws {
    let made = try Described.graph(layers: [
      Self.convolution(16), Self.convolution(16) { $0.initialization = .fanOut },
      Self.convolution(16) { $0.bias = true },
    ])
    #expect(made.initializations["conv1.weight"]?.variance.isClose(2.0 / (4 * 9)) == true)
    #expect(made.initializations["conv2.weight"]?.variance.isClose(2.0 / (16 * 9)) == true)
    #expect(made.initializations["conv3.bias"] == .constant(0))
    let bias = try #require(made.graph.source("conv3.bias"))
    let source = try #require(made.graph.sources.first { $0.value == bias })
    #expect(source.kind == .parameter(decays: false))
    #expect(try made.layer("conv3").nodes.count == 2)
    #expect(
      ParameterInitialization.uniform(bound: 3).variance == 3
        && ParameterInitialization.constant(7).variance == 0)
  }

  @Test func normalisationsDifferInTheirAxes() throws {
    let made = try Described.graph(layers: [
      .norm(.batch).named("b"), .norm(.layer).named("l"), .norm(.group(2)).named("g"),
    ])
    for name in ["b", "l", "g"] {
      let layer = try made.layer(name)
      #expect(layer.outputShape == [2, 8, 8, 4] && layer.parameterCount == 8)
      #expect(made.initializations["\(name).weight"] == .constant(1))
      #expect(made.initializations["\(name).bias"] == .constant(0))
    }
    let texts = made.graph.nodes.map(\.operation.text)
    #expect(texts.contains("normalization over 0,1,2 of 128 ε 1e-05 scaled along 3"))
    #expect(texts.contains("normalization over 3 of 4 ε 1e-05 scaled along 3"))
    #expect(texts.contains("normalization over 1,2,4 of 128 ε 1e-05 scaled along 3,4"))
    #expect(made.initializations["b.running_var"] == .constant(1))
    #expect(
      made.graph.effects.map { made.graph[$0.source].name } == [
        "b.running_mean", "b.running_var",
      ])
  }

  @Test func dropoutIsThereInTrainingAlone() throws {
    let layers: [LayerDescription] = [.dropout(0.1), .relu, .dropout(0.5)]
    let training = try Described.graph(layers: layers)
    let nodes = training.graph.nodes.map(\.operation.text)
    #expect(nodes.contains("dropout 0.1 stream 0") && nodes.contains("dropout 0.5 stream 1"))
    #expect(training.graph.source("key") != nil)
    let evaluation = try Described.graph(layers: layers, mode: .evaluation)
    #expect(evaluation.graph.source("key") == nil)
    #expect(evaluation.layers.map(\.name) == training.layers.map(\.name))
    #expect(try evaluation.layer("dropout1").nodes.isEmpty)
  }

  @Test func poolsMeansAndFlattening() throws {
    let network = NetworkDescription([
      .maxPool(3, stride: 2, padding: 1), .averagePool(2), .flatten,
      .linear(LinearSettings(outputs: 6)), .sigmoid, .softmax, .tanh, .silu, .linear(),
    ])
    let made = try Described.graph(network, extents: [9, 8], channels: 4, batch: 2)
    #expect(try made.layer("pool1").outputShape == [2, 5, 4, 4])
    #expect(try made.layer("pool2").outputShape == [2, 2, 2, 4])
    #expect(try made.layer("flatten1").outputShape == [2, 16])
    #expect(try made.layer("linear1").outputShape == [2, 6])
  }

  @Test func branchesAddUpOrStandSideBySide() throws {
    let made = try Described.graph(layers: [
      .branch([[Self.convolution(6)], [Self.convolution(2, kernel: 1)], []], join: .concatenate),
      .branch([[.relu], [.gelu], [.silu]], join: .sum),
      .residual(main: [.relu.named("a")], shortcut: [.gelu.named("b")]).named("block"),
    ])
    #expect(try made.layer("concatenate1").outputShape == [2, 8, 8, 12])
    #expect(try made.layer("add1").inputs.count == 3)
    #expect(try made.layer("add1").kind == "sum")
    #expect(
      made.layers.map(\.name).suffix(5) == ["block.a", "block.b", "block.add1", "mean", "head"])
  }

  @Test func expressionsAreLayers() throws {
    var mixing = EinsumSettings("bhws,hu,st->buwt")
    mixing.parameters = [.init("rows", shape: [8, 4]), .init("channels", shape: [4, 6])]
    mixing.roles = ["u": .space]
    var depthwise = EinsumSettings("bhwc,chw->bhwc|hw")
    depthwise.parameters = [
      .init("taps", shape: [6, 3, 3], initialization: .normal(standardDeviation: 0.5))
    ]
    let made = try Described.graph(layers: [.einsum(mixing), .einsum(depthwise).named("depth")])
    #expect(try made.layer("einsum1").outputShape == [2, 4, 8, 6])
    #expect(
      made.graph[try made.layer("einsum1").output].axes.map(\.role) == [
        .batch, .space, .space, .channel,
      ])
    #expect(made.parameterNames.prefix(3) == ["einsum1.rows", "einsum1.channels", "depth.taps"])
    // 8 rows and 4 channels are summed: the variances multiply to 1/32, and norms are equal.
    let rows = try #require(made.initializations["einsum1.rows"]).variance
    let channels = try #require(made.initializations["einsum1.channels"]).variance
    #expect((rows * channels).isClose(1.0 / 32))
    #expect((32 * rows).isClose(24 * channels))
    #expect(made.initializations["depth.taps"] == .normal(standardDeviation: 0.5))
    // Correlation, unless rules say otherwise.
    #expect(made.graph.nodes.contains { $0.operation.text.contains("kind=correlation") })
  }

  @Test func patternsChooseLayersAndTheLastOneCounts() throws {
    let layers = [
      LayerDescription.repetition(2, [Self.convolution(16), .relu]).named("stage"),
      Self.convolution(16),
    ]
    let made = try Described.graph(
      layers: layers, channels: 16,
      factorize: [
        FactorizationRule("*", Factorization("tk", rank: 2)),
        FactorizationRule("stage.?.conv*", Factorization("cp", compression: 0.2)),
        FactorizationRule("head", .dense),
      ])
    let forms = made.layers.filter { $0.contraction != nil }.map(\.factors?.form)
    #expect(forms == ["cp", "cp", "tk", nil])
    for (pattern, name, matches) in [
      ("*", "", true), ("a*", "b", false), ("layer?.*.conv*", "layer1.0.conv2", true),
      ("layer?.conv*", "layer1.0.conv2", false), ("*.*.*", "a.b", false), ("**b", "aab", true),
      ("a?c", "ac", false), ("", "", true), ("", "a", false), ("*a*b*", "xaxbx", true),
    ] {
      #expect(FactorizationRule(pattern, .dense).matches(name) == matches, "\(pattern) \(name)")
    }
  }

  @Test func inputsOfTimeAreConvolvedToo() throws {
    let input = NetworkInput(axes: [
      Axis("batch", .batch, 2), Axis("time", .time, 50), Axis("mel", .channel, 40),
    ])
    let network = NetworkDescription([
      Self.convolution(8, stride: 2), .globalMean, .linear(),
    ])
    let made = try network.graph(input, classes: 5, mode: .evaluation)
    #expect(made.graph[made.layers[0].output].axes.map(\.role) == [.batch, .time, .channel])
    #expect(made.layers[0].outputShape == [2, 25, 8])
  }

  /// Equal descriptions are equal graphs, on every machine.
  @Test func graphsDependOnNothingElse() throws {
    let first = try Described.graph(.resnet20(), batch: 2)
    let second = try Described.graph(.resnet20(), batch: 2)
    #expect(first == second)
    #expect(first.graph.stableHash == second.graph.stableHash)
  }
}

extension Double {
  func isClose(_ other: Double) -> Bool { abs(self / other - 1) < 1e-12 }
}
