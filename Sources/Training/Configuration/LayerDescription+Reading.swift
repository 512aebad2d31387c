import Graph
import Planning

/// Layers out of a configuration: a word, or a mapping of a word to its settings.
extension LayerDescription {
  /// The words of all layers, and the settings of each beside its name.
  static let settingsByWord: [(word: String, settings: [String])] =
    [
      ("sequence", ["layers"]), ("residual", ["main", "shortcut"]),
      ("branch", ["branches", "join"]), ("repeat", ["count", "layers"]),
      (
        "convolution",
        [
          "channels", "kernel", "stride", "dilation", "padding", "dimensions", "groups",
          "interleavedGroups", "form", "compression", "rank", "bias", "initialization",
        ]
      ),
      ("linear", ["outputs", "form", "compression", "rank", "bias", "initialization"]),
      ("einsum", ["expression", "parameters", "rules", "roles"]),
      ("norm", ["kind", "groups", "epsilon", "momentum"]),
    ] + Operators.Map.Function.allCases.map { ($0.rawValue, []) } + [
      ("dropout", ["rate"]), ("maxPool", ["window", "stride", "padding"]),
      ("averagePool", ["window", "stride", "padding"]), ("globalMean", []), ("flatten", []),
      ("softmax", []),
    ]

  /// - Throws: `TrainingError`, with the place of what is wrong.
  static func layers(_ node: SettingNode) throws -> [LayerDescription] {
    try node.list("a list of layers").map { try LayerDescription($0) }
  }

  init(_ node: SettingNode) throws {
    switch node.content {
    case .scalar(let scalar):
      self = try Self.read(scalar.text, settings: nil, at: node)
    case .mapping(let mapping) where mapping.count == 1:
      let (word, settings) = mapping[0]
      self = try Self.read(word, settings: settings.isNull ? nil : settings, at: node)
    case .list, .mapping:
      throw node.refused(
        "one layer: a word such as relu, or one mapping such as {maxPool: {window: 2}}")
    }
  }

  private static func read(
    _ word: String, settings node: SettingNode?, at place: SettingNode
  ) throws -> LayerDescription {
    guard let known = settingsByWord.first(where: { $0.word == word }) else {
      let nearest = SettingNode.nearest(to: word, among: settingsByWord.map(\.word))
      throw TrainingError.unknownLayer(
        layer: word, nearest: nearest, key: place.key, source: place.source)
    }
    let shorthand = try node.flatMap { try LayerDescription(shorthand: $0, of: word) }
    if let shorthand { return shorthand }
    let settings = try node?.settings(["name"] + known.settings) ?? [:]
    let kind = try Kind(word, settings, at: node ?? place.empty(word))
    return LayerDescription(kind, name: try settings.value("name", .text))
  }

  /// A layer whose one setting stands for all: `norm: batch`, `dropout: 0.1`, `maxPool: 2`.
  private init?(shorthand node: SettingNode, of word: String) throws {
    switch (word, node.content) {
    case ("sequence", .list): self.init(.sequence(try Self.layers(node)))
    case ("norm", .scalar): self.init(.norm(NormSettings(try node.value(.norm))))
    case ("dropout", .scalar): self.init(.dropout(rate: try node.value(.rate)))
    case ("maxPool", .scalar): self.init(.maxPool(PoolSettings(window: [try node.value(.extent)])))
    case ("averagePool", .scalar):
      self.init(.averagePool(PoolSettings(window: [try node.value(.extent)])))
    case ("linear", .scalar):
      self.init(.linear(LinearSettings(outputs: try node.value(.outputs))))
    default: return nil
    }
  }
}

extension LayerDescription.Kind {
  fileprivate typealias Settings = [String: SettingNode]

  fileprivate init(_ word: String, _ settings: Settings, at node: SettingNode) throws {
    func layers(_ key: String) throws -> [LayerDescription] {
      try LayerDescription.layers(settings.required(key, of: node, "a list of layers"))
    }
    switch word {
    case "sequence": self = .sequence(try layers("layers"))
    case "residual":
      let shortcut = try settings["shortcut"].map(LayerDescription.layers) ?? []
      self = .residual(main: try layers("main"), shortcut: shortcut)
    case "branch":
      let branches = try settings.required("branches", of: node, "a list of lists of layers")
      self = .branch(
        try branches.list("a list of lists of layers").map(LayerDescription.layers),
        join: try settings.required("join", of: node, "sum or concatenate").value(.choice()))
    case "repeat":
      let count = try settings.required("count", of: node, "how many times").value(.extent)
      self = .repetition(count, try layers("layers"))
    case "convolution": self = .convolution(try ConvolutionSettings(settings, at: node))
    case "linear": self = .linear(try LinearSettings(settings, at: node))
    case "einsum": self = .einsum(try EinsumSettings(settings, at: node))
    case "norm": self = .norm(try NormSettings(settings, at: node))
    case "dropout":
      self = .dropout(rate: try settings.required("rate", of: node, "a rate").value(.rate))
    case "maxPool": self = .maxPool(try PoolSettings(settings, at: node))
    case "averagePool": self = .averagePool(try PoolSettings(settings, at: node))
    case "flatten": self = .flatten
    case "softmax": self = .softmax
    case "globalMean": self = .globalMean
    default:
      guard let function = Operators.Map.Function(rawValue: word) else {
        throw node.refused("a layer")
      }
      self = .map(function)
    }
  }
}

extension ConvolutionSettings {
  fileprivate init(_ settings: [String: SettingNode], at node: SettingNode) throws {
    let channels = try settings.required("channels", of: node, "how many channels go out")
    let kernel = try settings.required("kernel", of: node, "the kernel's extent, such as 3")
    self.init(channels: try channels.value(.extent), kernel: 1)
    self.kernel = try kernel.values(.extent)
    stride = try settings.values("stride", .extent) ?? stride
    dilation = try settings.values("dilation", .extent) ?? dilation
    padding = try settings.values("padding", .padding) ?? padding
    dimensions = try settings.value("dimensions", .integer(1...3))
    groups = try settings.value("groups", .extent) ?? groups
    interleavedGroups = try settings.value("interleavedGroups", .extent) ?? interleavedGroups
    factorization = try Factorization(settings, at: node)
    bias = try settings.value("bias", .boolean) ?? bias
    initialization = try settings.value("initialization", .choice()) ?? initialization
  }
}

extension LinearSettings {
  fileprivate init(_ settings: [String: SettingNode], at node: SettingNode) throws {
    self.init()
    outputs = try settings.value("outputs", .outputs) ?? nil
    factorization = try Factorization(settings, at: node)
    bias = try settings.value("bias", .boolean) ?? bias
    initialization = try settings.value("initialization", .choice()) ?? initialization
  }
}

extension EinsumSettings {
  fileprivate init(_ settings: [String: SettingNode], at node: SettingNode) throws {
    let expression = try settings.required(
      "expression", of: node, "an expression such as bhws,st->bhwt")
    self.init(try expression.value(.text))
    parameters =
      try settings["parameters"]?.list("a list of parameters, each with name and shape")
      .map(Parameter.init) ?? []
    if let rules = settings["rules"] {
      let options = try rules.values(.text)
      do throws(ExpressionError) {
        self.rules = try ConvRules(options: ["*:kind=correlation"] + options)
      } catch {
        throw rules.refused("options of convolution modes: \(error)")
      }
    }
    for (mode, role) in try settings["roles"]?.mapping("a mapping of modes to roles") ?? [] {
      roles[mode] = try role.value(.choice())
    }
  }
}

extension EinsumSettings.Parameter {
  fileprivate init(_ node: SettingNode) throws {
    let settings = try node.settings(["name", "shape", "initialization", "decays"])
    self.init(
      try settings.required("name", of: node, "a name such as weight").value(.parameterName),
      shape: try settings.required("shape", of: node, "extents such as [64, 32]")
        .list("extents such as [64, 32]").map { try $0.value(.extent) })
    initialization = try settings["initialization"].map(ParameterInitialization.init)
    decays = try settings.value("decays", .boolean) ?? decays
  }
}

extension ParameterInitialization {
  fileprivate init(_ node: SettingNode) throws {
    let expected = "one of {normal: deviation}, {uniform: bound}, {constant: number}"
    let settings = try node.settings(["normal", "uniform", "constant"])
    guard settings.count == 1 else { throw node.refused(expected) }
    let scale = ConfigurationValue<Double>.number("of at least 0") { $0 >= 0 }
    if let deviation = try settings.value("normal", scale) {
      self = .normal(standardDeviation: deviation)
    } else if let bound = try settings.value("uniform", scale) {
      self = .uniform(bound: bound)
    } else {
      self = .constant(try settings.value("constant", .number("that is finite") { _ in true }) ?? 0)
    }
  }
}

extension NormSettings {
  fileprivate init(_ settings: [String: SettingNode], at node: SettingNode) throws {
    self.init(try settings.required("kind", of: node, "batch, layer or group").value(.norm))
    if let groups = settings["groups"] {
      guard case .group = kind else {
        throw groups.refused("no value beside kind batch or layer; leave it out")
      }
      kind = .group(try groups.value(.extent))
    } else if case .group = kind {
      _ = try settings.required("groups", of: node, "how many groups of channels")
    }
    epsilon = try settings.value("epsilon", .number("above 0") { $0 > 0 }) ?? epsilon
    momentum =
      try settings.value("momentum", .number("from 0, below 1") { 0 <= $0 && $0 < 1 }) ?? momentum
  }
}

extension PoolSettings {
  fileprivate init(_ settings: [String: SettingNode], at node: SettingNode) throws {
    self.init(window: try settings.required("window", of: node, "an extent").values(.extent))
    stride = try settings.values("stride", .extent)
    padding = try settings.values("padding", .integer(0...Self.most)) ?? padding
  }

  fileprivate static let most = 1 << 20
}
