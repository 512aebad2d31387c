import Graph
import Planning
import Testing

@testable import Training

/// Networks in a configuration: what is read, and that it is written as it was read.
@Suite struct LayerReadingTests {
  static func layers(_ yaml: String) throws -> [LayerDescription] {
    let configuration = try TrainingConfiguration(
      yaml: "model:\n  layers:\n" + yaml, source: "run.yaml")
    return try #require(configuration.model.layers)
  }

  @Test func aNetworkOfEverything() throws {
    let layers = try Self.layers(
      """
          - convolution: {name: stem, channels: 16, kernel: 3}
          - convolution:
              channels: 32
              kernel: [3, 5]
              stride: 2
              dilation: [1, 2]
              padding: [valid, 1:2]
              dimensions: 2
              groups: 4
              form: CP
              rank: 5
              bias: true
              initialization: fanOut
          - convolution: {channels: 32, kernel: 1, interleavedGroups: 4, padding: 1}
          - norm: batch
          - norm: {kind: group, groups: 8, epsilon: 0.001}
          - norm: {kind: batch, momentum: 0.5}
          - relu
          - gelu: {name: bend}
          - residual: {main: [silu], shortcut: [sigmoid]}
          - branch: {branches: [[tanh], []], join: concatenate}
          - repeat: {name: stage, count: 2, layers: [relu]}
          - sequence: [relu]
          - sequence: {name: tail, layers: [softmax]}
          - dropout: 0.25
          - maxPool: 2
          - averagePool: {window: 3, stride: 2, padding: 1}
          - flatten
          - globalMean
          - linear: 64
          - linear: {form: rcp, compression: 0.5, bias: false, initialization: normal}
          - linear
      """)
    var second = ConvolutionSettings(
      channels: 32, kernel: 3, stride: 2, factorization: Factorization("cp", rank: 5), bias: true,
      initialization: .fanOut)
    second.kernel = [3, 5]
    second.dilation = [1, 2]
    second.padding = [.valid, .explicit(low: 1, high: 2)]
    second.dimensions = 2
    second.groups = 4
    var third = ConvolutionSettings(channels: 32, kernel: 1)
    third.interleavedGroups = 4
    third.padding = [.explicit(low: 1, high: 1)]
    var group = NormSettings(.group(8))
    group.epsilon = 0.001
    var slow = NormSettings(.batch)
    slow.momentum = 0.5
    let expected: [LayerDescription] = [
      .convolution(ConvolutionSettings(channels: 16, kernel: 3)).named("stem"),
      .convolution(second), .convolution(third), .norm(.batch), LayerDescription(.norm(group)),
      LayerDescription(.norm(slow)), .relu, .gelu.named("bend"),
      .residual(main: [.silu], shortcut: [.sigmoid]),
      .branch([[.tanh], []], join: .concatenate), .repetition(2, [.relu]).named("stage"),
      .sequence([.relu]), .sequence([.softmax]).named("tail"), .dropout(0.25), .maxPool(2),
      .averagePool(3, stride: 2, padding: 1), .flatten, .globalMean,
      .linear(LinearSettings(outputs: 64)),
      .linear(
        LinearSettings(
          factorization: Factorization("rcp", compression: 0.5), bias: false,
          initialization: .normal)),
      .linear(),
    ]
    #expect(layers.count == expected.count)
    for (read, expected) in zip(layers, expected) { #expect(read == expected) }
  }

  @Test func expressions() throws {
    let layers = try Self.layers(
      """
          - einsum:
              expression: bhws,hu,(r1)s->buw(r1)
              parameters:
                - {name: rows, shape: [8, 4], initialization: {uniform: 0.5}, decays: false}
                - {name: channels, shape: [6, 4]}
              roles: {u: space}
          - einsum: {expression: "bhwc,chw->bhwc|hw", parameters: [], rules: ["h:stride=2"]}
      """)
    var first = EinsumSettings("bhws,hu,(r1)s->buw(r1)")
    first.parameters = [
      .init("rows", shape: [8, 4], initialization: .uniform(bound: 0.5)),
      .init("channels", shape: [6, 4]),
    ]
    first.parameters[0].decays = false
    first.roles = ["u": .space]
    var second = EinsumSettings("bhwc,chw->bhwc|hw")
    second.rules = try ConvRules(options: ["*:kind=correlation", "h:stride=2"])
    #expect(layers == [.einsum(first), .einsum(second)])
  }

  /// What is written is read as the same value, for networks of every layer.
  @Test func whatIsWrittenIsReadAgain() throws {
    var mixing = EinsumSettings("bhws,hu->buws|h")
    mixing.parameters = [
      .init("a", shape: [3, 4], initialization: .constant(-1.5)),
      .init("b", shape: [1], initialization: .normal(standardDeviation: 1e-3)),
    ]
    mixing.rules = ConvRules(
      all: ConvRule(stride: 2), byMode: ["w": ConvRule(padding: .valid, boundary: .circular)])
    mixing.roles = ["u": .time, "(r1)": .other]
    var convolution = ConvolutionSettings(channels: 3, kernel: 3)
    convolution.padding = [.explicit(low: 0, high: 2), .full]
    convolution.kernel = [3, 1]
    let everything: [LayerDescription] =
      [.einsum(mixing).named("mix"), .convolution(convolution), .norm(.layer), .norm(.group(2))]
      + NetworkDescription.resnet20(factorization: Factorization("ht", compression: 0.3)).layers
      + NetworkDescription.demo().layers
      + [.branch([[.relu], []], join: .sum), .maxPool(3, stride: 1, padding: 1), .dropout(0.5)]
    for layers in [everything, [], NetworkDescription.resnet50(stem: .large).layers] {
      var configuration = TrainingConfiguration()
      configuration.model.layers = layers
      configuration.model.form = "dense"
      configuration.model.factorize = [
        FactorizationRule("a*\"?", Factorization("tr", rank: 3)), FactorizationRule("*", .dense),
      ]
      let again = try TrainingConfiguration(yaml: configuration.yaml, source: "again")
      #expect(again.model.layers == layers)
      #expect(again.model.factorize == configuration.model.factorize)
      #expect(again.yaml == configuration.yaml)
    }
  }

  @Test func builtInNetworksAndTheirForms() throws {
    func model(_ overrides: String...) throws -> ModelConfiguration {
      try TrainingConfiguration(yaml: "", source: "run.yaml", overrides: overrides).model
    }
    #expect(try model().description(for: [28, 28]) == .demo())
    #expect(try model("model.network=ResNet20").description(for: [32, 32]) == .resnet20())
    #expect(
      try model("model.network=resnet34", "model.form=cp").description(for: [32, 32])
        == .resnet34(factorization: Factorization("cp", compression: 0.1)))
    #expect(
      try model("model.form=rcp", "model.network=resnet50", "model.stem=large")
        .description(for: [32, 32])
        == .resnet50(stem: .large, factorization: Factorization("rcp", compression: 0.1)))
    let mixed = try model(
      "model.network=resnet18", "model.factorize={layer4.*: {form: tk, compression: 0.2}}")
    #expect(
      mixed.factorize == [FactorizationRule("layer4.*", Factorization("tk", compression: 0.2))])
    #expect(mixed.description(for: [32, 32]).factorize == mixed.factorize)
    #expect(try model("model.layers=[globalMean, linear]").layers == [.globalMean, .linear()])
    #expect(try model("model.layers=null").layers == nil)
  }

  @Test func rulesStandInAListOrInAMapping() throws {
    for yaml in [
      "[{a: {form: cp, rank: 2}}, {b: dense}]", "{a: {form: cp, rank: 2}, b: {form: dense}}",
    ] {
      let configuration = try TrainingConfiguration(
        yaml: "model: {factorize: \(yaml)}", source: "run.yaml")
      #expect(
        configuration.model.factorize == [
          FactorizationRule("a", Factorization("cp", rank: 2)), FactorizationRule("b", .dense),
        ])
    }
  }
  /// Synthetic data, and such as are not there, are as the configuration says.
  @Test func extentsAndClassesComeFromTheData() throws {
    for kind in ["{kind: synthetic, ", "{kind: idx, path: /nowhere, ", "{kind: idx, "] {
      let configuration = try TrainingConfiguration(
        yaml: "data: \(kind)height: 20, width: 24, channels: 3, classes: 7}", source: "run.yaml",
        overrides: ["training.batchSize=5"])
      let made = try configuration.networkGraph()
      #expect(made.layers.first?.outputShape == [5, 20, 24, 32])
      #expect(made.layers.last?.outputShape == [5, 7])
      #expect(try made.shape("conv1.t_s_h_w") == [32, 3, 3, 3])
    }
  }
}
