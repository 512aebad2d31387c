import Graph
import Testing

@testable import Training

/// The networks that are built in, against numbers that were not made by this code.
@Suite struct BuiltInNetworkTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var name: String
    var network: NetworkDescription
    var parameters: Int
    /// Of one image of 32×32 with three channels.
    var macs: Double?

    var testDescription: String { name }
  }

  static let cp = Factorization("cp", compression: 0.1)
  static let rcp = Factorization("rcp", compression: 0.1)

  /// `docs/networks.md` says where they are from.
  static let cases = [
    Case(
      name: "resnet18", network: .resnet18(), parameters: 11_173_962, macs: 555_422_720),
    Case(
      name: "resnet34", network: .resnet34(), parameters: 21_282_122, macs: 1_159_402_496),
    Case(
      name: "resnet50", network: .resnet50(), parameters: 23_520_842, macs: 1_297_829_888),
    Case(name: "resnet20", network: .resnet20(), parameters: 272_474, macs: 40_813_184),
    Case(
      name: "resnet34, large stem", network: .resnet34(stem: .large), parameters: 21_289_802,
      macs: nil),
    Case(
      name: "resnet34 cp", network: .resnet34(factorization: cp), parameters: 2_297_774,
      macs: nil),
    Case(
      name: "resnet34 rcp", network: .resnet34(factorization: rcp), parameters: 2_302_187,
      macs: nil),
    Case(
      name: "resnet34 cp, large stem", network: .resnet34(stem: .large, factorization: cp),
      parameters: 2_305_454, macs: nil),
    Case(
      name: "resnet34 rcp, large stem", network: .resnet34(stem: .large, factorization: rcp),
      parameters: 2_309_867, macs: nil),
  ]

  @Test(arguments: cases) func parametersAndMacsAreThosePublished(_ example: Case) throws {
    let made = try Described.graph(example.network)
    #expect(made.parameterCount == example.parameters)
    if let macs = example.macs { #expect(try made.macs() == macs) }
    // What is said of the layers is what is in the graph.
    let inGraph = made.graph.parameters.reduce(0) { $0 + made.graph[$1].count }
    #expect(inGraph == example.parameters)
  }

  /// With torchvision's 1000 classes and 224×224: its documentation gives 11,689,512, 21,797,672 and
  /// 25,557,032 parameters.
  @Test func torchvisionCountsTheSame() throws {
    for (network, parameters) in [
      (NetworkDescription.resnet18(stem: .large), 11_689_512),
      (.resnet34(stem: .large), 21_797_672), (.resnet50(stem: .large), 25_557_032),
    ] {
      let made = try Described.graph(network, extents: [224, 224], classes: 1000)
      #expect(made.parameterCount == parameters)
      #expect(
        try made.layer("avgpool").outputShape == [1, made.layer("fc").parameterCount / 1000 - 1])
    }
  }

  @Test func ranksOfResNet34AreThoseOfTheTable() throws {
    for (factorization, ranks) in [
      (Self.cp, [27, 37, 56, 75, 113, 152, 229]), (Self.rcp, [64, 100, 140, 243, 385, 698, 1173]),
    ] {
      let made = try Described.graph(.resnet34(factorization: factorization))
      let layers = [
        "layer1.0.conv1", "layer2.0.conv1", "layer2.1.conv2", "layer3.0.conv1", "layer3.5.conv1",
        "layer4.0.conv1", "layer4.2.conv2",
      ]
      #expect(try layers.map { try made.layer($0).factors?.rank } == ranks)
      #expect(made.layers.count { $0.factors != nil } == 32)
      for layer in made.layers where layer.factors != nil {
        #expect(layer.kind == "convolution" && layer.name.contains(".conv"))
        #expect((layer.factors?.compression ?? 1) <= 0.1)
      }
    }
  }

  @Test func shapesGoDownThroughTheStages() throws {
    let small = try Described.graph(.resnet34(), batch: 2)
    for (name, shape) in [
      ("conv1", [2, 32, 32, 64]), ("layer1.2.relu2", [2, 32, 32, 64]),
      ("layer2.0.conv1", [2, 16, 16, 128]), ("layer2.0.downsample.0", [2, 16, 16, 128]),
      ("layer2.3.relu2", [2, 16, 16, 128]), ("layer3.5.relu2", [2, 8, 8, 256]),
      ("layer4.2.relu2", [2, 4, 4, 512]), ("avgpool", [2, 512]), ("fc", [2, 10]),
    ] {
      #expect(try small.layer(name).outputShape == shape, "\(name)")
    }
    let large = try Described.graph(.resnet34(stem: .large))
    for (name, shape) in [
      ("conv1", [1, 16, 16, 64]), ("maxpool", [1, 8, 8, 64]), ("layer1.2.relu2", [1, 8, 8, 64]),
      ("layer2.3.relu2", [1, 4, 4, 128]), ("layer3.5.relu2", [1, 2, 2, 256]),
      ("layer4.2.relu2", [1, 1, 1, 512]),
    ] {
      #expect(try large.layer(name).outputShape == shape, "\(name)")
    }
    // The stride is in the 3×3 convolution.
    let bottleneck = try Described.graph(.resnet50())
    for (name, shape) in [
      ("layer1.0.downsample.0", [1, 32, 32, 256]), ("layer2.0.conv1", [1, 32, 32, 128]),
      ("layer2.0.conv2", [1, 16, 16, 128]), ("layer2.0.conv3", [1, 16, 16, 512]),
    ] {
      #expect(try bottleneck.layer(name).outputShape == shape, "\(name)")
    }
  }

  @Test func parametersAreNamedAsPyTorchs() throws {
    let made = try Described.graph(.resnet18())
    #expect(
      made.parameterNames.prefix(18) == [
        "conv1.weight", "bn1.weight", "bn1.bias", "layer1.0.conv1.weight",
        "layer1.0.bn1.weight", "layer1.0.bn1.bias", "layer1.0.conv2.weight",
        "layer1.0.bn2.weight", "layer1.0.bn2.bias", "layer1.1.conv1.weight",
        "layer1.1.bn1.weight", "layer1.1.bn1.bias", "layer1.1.conv2.weight",
        "layer1.1.bn2.weight", "layer1.1.bn2.bias", "layer2.0.conv1.weight",
        "layer2.0.bn1.weight", "layer2.0.bn1.bias",
      ])
    #expect(
      made.parameterNames.suffix(8) == [
        "layer4.1.conv1.weight", "layer4.1.bn1.weight", "layer4.1.bn1.bias",
        "layer4.1.conv2.weight", "layer4.1.bn2.weight", "layer4.1.bn2.bias", "fc.weight",
        "fc.bias",
      ])
    for name in ["weight", "bias", "running_mean", "running_var"] {
      #expect(made.graph.source("layer2.0.downsample.1.\(name)") != nil)
    }
    // As PyTorch has them.
    #expect(try made.shape("layer2.0.conv1.weight") == [128, 64, 3, 3])
    #expect(try made.shape("layer2.0.downsample.0.weight") == [128, 64, 1, 1])
    #expect(try made.shape("fc.weight") == [10, 512])
    #expect(made.parameterNames.count == 62)
    #expect(made.graph.sources.count { $0.kind == .state } == 40)
  }

  @Test func theStemFollowsFromTheExtents() {
    #expect(NetworkDescription.Stem.usual(for: [64, 64]) == .small)
    #expect(NetworkDescription.Stem.usual(for: [28, 28]) == .small)
    #expect(NetworkDescription.Stem.usual(for: [64, 65]) == .large)
    var model = ModelConfiguration(form: "dense")
    model.network = .resnet18
    #expect(model.description(for: [32, 32]) == .resnet18(stem: .small))
    #expect(model.description(for: [224, 224]) == .resnet18(stem: .large))
    model.stem = .large
    #expect(model.description(for: [32, 32]) == .resnet18(stem: .large))
  }

  @Test func everyBlockOfResNet50IsFactorizedAltogether() throws {
    let made = try Described.graph(.resnet50(factorization: Self.rcp))
    let factorized = made.layers.filter { $0.factors != nil }
    #expect(factorized.count == 48)
    #expect(factorized.allSatisfy { $0.name.hasPrefix("layer") && !$0.name.contains("downsample") })
  }

  /// What is trained reaches the loss, and running statistics change in training alone.
  @Test(arguments: ["resnet20", "demo"]) func graphsAreTrainable(name: String) throws {
    let network: NetworkDescription = name == "demo" ? .demo() : .resnet20()
    let made = try Described.graph(network, batch: 2)
    let (_, gradients) = try made.graph.differentiated(
      "loss", withRespectTo: made.graph.parameters)
    #expect(!gradients.contains(nil))
    let states = made.graph.sources.count { $0.kind == .state }
    #expect(made.graph.effects.count == states && states > 0)
    let evaluation = try Described.graph(network, batch: 2, mode: .evaluation)
    #expect(evaluation.graph.effects.isEmpty)
    #expect(evaluation.parameterNames == made.parameterNames)
    #expect(evaluation.layers.map(\.name) == made.layers.map(\.name))
    #expect(made.graph.results.map(\.name) == ["logits", "loss", "correct"])
    #expect(evaluation.graph.results.map(\.name) == ["logits", "loss", "correct"])
  }

  @Test func everyNodeIsOfOneLayer() throws {
    let made = try Described.graph(.resnet20(factorization: Self.rcp), batch: 2)
    var next = 0
    for layer in made.layers {
      #expect(layer.nodes.lowerBound == next && !layer.nodes.isEmpty, "\(layer.name)")
      next = layer.nodes.upperBound
      #expect(made.graph.nodes[layer.nodes].contains { $0.name == layer.name })
      #expect(layer.inputs.allSatisfy { $0.map { $0 < made.layers.count } ?? true })
    }
    // The loss and the count remain.
    #expect(next == made.graph.nodes.count - 2)
    #expect(Set(made.graph.nodes.map(\.name)).count == made.graph.nodes.count)
  }
}
