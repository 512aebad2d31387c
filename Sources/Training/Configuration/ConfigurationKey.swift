import Execution
import Planning

/// One key of a configuration: its name, where its value lives, and what values it takes.
struct ConfigurationKey: Sendable {
  /// With its section: `training.batchSize`.
  let name: String
  let expected: String
  /// One line for people.
  let summary: String
  /// Whether a run that is resumed must have the same value.
  let definesRun: Bool
  /// Whether the value matters beside the others; if not, a resolved configuration leaves it out.
  let applies: @Sendable (TrainingConfiguration) -> Bool
  /// The value as YAML.
  let text: @Sendable (TrainingConfiguration) -> String
  /// Sets the value; `false`, and no change, where the scalar is not what is expected.
  let set: @Sendable (inout TrainingConfiguration, ScalarText) -> Bool
  /// Reads a value that is more than a scalar; `nil` of a key that takes scalars.
  let read: (@Sendable (inout TrainingConfiguration, SettingNode) throws -> Void)?

  init<Value>(
    _ name: String, _ path: any WritableKeyPath<TrainingConfiguration, Value> & Sendable,
    _ kind: ConfigurationValue<Value>, definesRun: Bool = true,
    applies: @escaping @Sendable (TrainingConfiguration) -> Bool = { _ in true },
    _ summary: String
  ) {
    self.name = name
    self.summary = summary
    self.definesRun = definesRun
    self.applies = applies
    expected = kind.expected
    read = nil
    text = { kind.format($0[keyPath: path]) }
    set = { configuration, scalar in
      guard let value = kind.parse(scalar) else { return false }
      configuration[keyPath: path] = value
      return true
    }
  }

  /// A key whose value is a list or a mapping; its text is YAML on one line.
  init(
    _ name: String, expected: String,
    applies: @escaping @Sendable (TrainingConfiguration) -> Bool,
    text: @escaping @Sendable (TrainingConfiguration) -> String,
    read: @escaping @Sendable (inout TrainingConfiguration, SettingNode) throws -> Void,
    _ summary: String
  ) {
    self.name = name
    self.expected = expected
    self.summary = summary
    self.applies = applies
    self.text = text
    self.read = read
    definesRun = true
    set = { _, _ in false }
  }

  /// `training` of `training.batchSize`; empty for a key of no section.
  var section: String { name.split(separator: ".").dropLast().joined(separator: ".") }
  /// `batchSize` of `training.batchSize`.
  var lastName: String { name.split(separator: ".").last.map(String.init) ?? name }
}

extension ConfigurationKey {
  /// Every key there is, in the order of a resolved configuration.
  static let all: [ConfigurationKey] = [
    ConfigurationKey(
      "seed", \.seed, .seed, "initial weights, order of the samples, synthetic data"),
    ConfigurationKey("output", \.output, .path, definesRun: false, "the run folder"),

    ConfigurationKey(
      "model.network", \.model.network, .choice(), applies: { $0.model.layers == nil },
      "which network"),
    ConfigurationKey(
      "model.stem", \.model.stem,
      ConfigurationValue<NetworkDescription.Stem>.choice().orNull(),
      applies: { $0.model.layers == nil && $0.model.network != .demo },
      "residual networks: first layers; null is small up to 64 × 64"),
    ConfigurationKey(
      "model.form", \.model.form, .name(of: Form.all.map { $0.name.lowercased() }),
      applies: { $0.model.layers == nil },
      "form of the convolutions; of networks other than demo dense"),
    ConfigurationKey(
      "model.compression", \.model.compression, .number("above 0, at most 1") { 0 < $0 && $0 <= 1 },
      applies: { $0.model.layers == nil && $0.model.form != "dense" },
      "parameters / parameters of the dense form"),
    ConfigurationKey(
      "model.layers", expected: "a list of layers, or null",
      applies: { $0.model.layers != nil }, text: { $0.model.layers?.yaml ?? "null" },
      read: { $0.model.layers = $1.isNull ? nil : try LayerDescription.layers($1) },
      "a network of one's own (docs/networks.md)"),
    ConfigurationKey(
      "model.factorize", expected: "a list of mappings of names of layers to form and compression",
      applies: { !$0.model.factorize.isEmpty }, text: { $0.model.factorize.yaml },
      read: { $0.model.factorize = try FactorizationRule.rules($1) },
      "forms of single layers (docs/networks.md)"),

    ConfigurationKey("data.kind", \.data.kind, .choice(), "what is trained on"),
    ConfigurationKey(
      "data.path", \.data.path, .pathOrNull, definesRun: false,
      applies: { $0.data.kind != .synthetic }, "folder of the IDX files"),
    ConfigurationKey(
      "data.trainingSamples", \.data.trainingSamples, .integerOrNull(atLeast: 1),
      "train on the first so many samples"),
    ConfigurationKey(
      "data.testSamples", \.data.testSamples, .integerOrNull(atLeast: 1),
      "test on the first so many samples"),
    ConfigurationKey(
      "data.padding", \.data.padding, .integer(0...1024),
      "rows and columns of zeros on every side of an image"),
    ConfigurationKey(
      "data.height", \.data.height, .integer(1...4096), applies: isSynthetic, "synthetic only"),
    ConfigurationKey(
      "data.width", \.data.width, .integer(1...4096), applies: isSynthetic, "synthetic only"),
    ConfigurationKey(
      "data.channels", \.data.channels, .integer(1...4096), applies: isSynthetic, "synthetic only"),
    ConfigurationKey(
      "data.classes", \.data.classes, .integer(2...256), applies: isSynthetic, "synthetic only"),

    ConfigurationKey(
      "training.epochs", \.training.epochs, .integer(1...1_000_000), definesRun: false,
      "passes over the training samples"),
    ConfigurationKey(
      "training.batchSize", \.training.batchSize, .integer(1...1_000_000),
      "samples per step, all ranks together"),
    ConfigurationKey(
      "training.dropLast", \.training.dropLast, .boolean,
      "leave out the last batch of an epoch if it is smaller"),
    ConfigurationKey(
      "training.maxSteps", \.training.maxSteps, .integerOrNull(atLeast: 1), definesRun: false,
      "stop after so many steps"),
    ConfigurationKey(
      "training.schedule", \.training.schedule, .choice(), "how the learning rate goes"),
    ConfigurationKey(
      "training.warmUpEpochs", \.training.warmUpEpochs, .number("from 0 to 1000000", isDuration),
      "epochs over which the learning rate rises linearly"),
    ConfigurationKey(
      "training.stepEpochs", \.training.stepEpochs,
      .number("above 0, at most 1000000") { $0 > 0 && isDuration($0) },
      applies: { $0.training.schedule == .step }, "schedule step: epochs between two falls"),
    ConfigurationKey(
      "training.stepFactor", \.training.stepFactor,
      .number("above 0, at most 1") { 0 < $0 && $0 <= 1 },
      applies: { $0.training.schedule == .step }, "schedule step: factor of each fall"),
    ConfigurationKey(
      "training.precision", \.training.precision, .choice(),
      "elements of parameters, activations and optimizer state"),
    ConfigurationKey(
      "training.checkpointing", \.model.checkpointing,
      .choice([("keep", .keep), ("recompute", .recompute)]), definesRun: false,
      "intermediates of the forward pass"),
    ConfigurationKey(
      "training.checkpointSteps", \.training.checkpointSteps, .integerOrNull(atLeast: 1),
      definesRun: false, "checkpoint every so many steps, besides every epoch"),
    ConfigurationKey(
      "training.parallelism", \.training.parallelism, .choice(), definesRun: false,
      "what ranks share: samples, or also the rows of images"),
    ConfigurationKey(
      "training.memory", \.training.memory, .memoryOrNull, definesRun: false,
      applies: { $0.training.parallelism == .auto },
      "parallelism auto: the most that a rank may hold"),

    ConfigurationKey("optimizer.kind", \.optimizer.kind, .choice(), "the optimizer"),
    ConfigurationKey(
      "optimizer.learningRate", \.optimizer.learningRate, .number("above 0") { $0 > 0 },
      "highest learning rate of the schedule"),
    ConfigurationKey(
      "optimizer.momentum", \.optimizer.momentum, .number("from 0, below 1", isFraction),
      applies: { $0.optimizer.kind == .sgd }, "sgd only"),
    ConfigurationKey(
      "optimizer.weightDecay", \.optimizer.weightDecay, .number("of at least 0") { $0 >= 0 },
      "decay of the weights, not of biases and normalisations"),
    ConfigurationKey(
      "optimizer.beta1", \.optimizer.beta1, .number("from 0, below 1", isFraction),
      applies: { $0.optimizer.kind == .adam }, "adam only"),
    ConfigurationKey(
      "optimizer.beta2", \.optimizer.beta2, .number("from 0, below 1", isFraction),
      applies: { $0.optimizer.kind == .adam }, "adam only"),
    ConfigurationKey(
      "optimizer.epsilon", \.optimizer.epsilon, .number("above 0") { $0 > 0 },
      applies: { $0.optimizer.kind == .adam }, "adam only"),
  ]

  static let byName = Dictionary(uniqueKeysWithValues: all.map { ($0.name, $0) })
  /// The sections, in order: `model`, `data`, …
  static let sections = all.map(\.section).reduce(into: [String]()) { sections, section in
    if !section.isEmpty && !sections.contains(section) { sections.append(section) }
  }

  /// The key a name was probably meant to be: the one that takes the fewest edits, with the
  /// section or without it; what is known by another name elsewhere is known.
  static func nearest(to name: String) -> ConfigurationKey? {
    let name = name.filter { $0 != "_" && $0 != "-" }
    let last = name.split(separator: ".").last?.lowercased() ?? ""
    if let known = otherNames.first(where: { $0.value.contains(last) }) { return byName[known.key] }
    func distance(_ key: ConfigurationKey) -> Int {
      let whole = editDistance(Array(name.lowercased()), Array(key.name.lowercased()))
      // A right name in a wrong section is nearer than a wrong name that is about as long.
      let part = editDistance(Array(last), Array(key.lastName.lowercased())) + 1
      return min(whole, part)
    }
    return all.min { distance($0) < distance($1) }
  }
}

private func isSynthetic(_ configuration: TrainingConfiguration) -> Bool {
  configuration.data.kind == .synthetic
}

private func isFraction(_ value: Double) -> Bool { 0 <= value && value < 1 }

private func isDuration(_ epochs: Double) -> Bool { 0 <= epochs && epochs <= 1_000_000 }
