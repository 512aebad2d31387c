import Graph
import Planning

/// Makes the graph of a network, layer by layer, and keeps account of what is whose.
struct GraphMaker {
  static let mostLayers = 10_000
  static let deepest = 64

  let network: NetworkDescription
  let classes: Int
  let mode: NetworkMode
  /// Of images, parameters and state.
  let type: ElementType
  var builder = GraphBuilder()
  private var summaries: [LayerSummary] = []
  private var initializations: [String: ParameterInitialization] = [:]
  /// The layer that gives a value.
  private var producers: [ValueID: Int] = [:]
  private var scopes: [LayerScope] = []
  private var depth = 0
  /// Convolutions and linear maps, which rules may be about.
  private var factorizable: [String] = []
  private var usedRules: Set<Int> = []
  private var dropoutKey: ValueID?
  private var dropouts = 0

  init(
    _ network: NetworkDescription, classes: Int, mode: NetworkMode, type: ElementType = .float32
  ) {
    self.network = network
    self.classes = classes
    self.mode = mode
    self.type = type
  }

  mutating func make(_ input: NetworkInput) throws -> NetworkGraph {
    try Self.check(input.axes)
    guard (1...1 << 24).contains(classes) else {
      throw LayerError.setting(
        layer: "network", setting: "classes", value: "\(classes)", expected: "1 to \(1 << 24)")
    }
    let images = try builder.input("images", type, input.axes)
    scopes = [try LayerScope(path: [], of: network.layers)]
    let logits = try add(network.layers, to: images)
    guard let last = summaries.last else { throw LayerError.noLayers }
    for (number, rule) in network.factorize.enumerated() where !usedRules.contains(number) {
      throw LayerError.unmatchedPattern(rule.pattern, layers: factorizable)
    }
    let axes = builder[logits].axes
    guard axes.count >= 2, axes.last?.extent == classes else {
      throw LayerError.output(layer: last.name, shape: axes.map(\.extent), classes: classes)
    }
    let labels = try builder.input("labels", .int32, Array(axes.dropLast()))
    try builder.result("logits", logits)
    let loss = try builder.crossEntropy(logits, labels, name: "loss")
    try builder.result("loss", loss)
    let correct = try builder.single(Operators.CorrectCount(), [logits, labels], name: "correct")
    try builder.result("correct", correct)
    return NetworkGraph(
      graph: try builder.build(), layers: summaries, initializations: initializations)
  }

  private static func check(_ axes: [Axis]) throws {
    let inner = axes.dropFirst().dropLast()
    guard axes.first?.role == .batch, axes.last?.role == .channel, (2...5).contains(axes.count),
      inner.allSatisfy({ $0.role == .space || $0.role == .time })
    else { throw LayerError.input(roles: axes.map(\.role.rawValue)) }
    for axis in axes where !(1...1 << 32).contains(axis.extent) {
      throw LayerError.setting(
        layer: "network", setting: "the input's \(axis.name)", value: "\(axis.extent)",
        expected: "1 to \(1 << 32)")
    }
  }

  // MARK: Layers of layers

  private mutating func add(_ layers: [LayerDescription], to x: ValueID) throws -> ValueID {
    guard depth < Self.deepest else { throw LayerError.tooDeep(limit: Self.deepest) }
    depth += 1
    defer { depth -= 1 }
    var value = x
    for layer in layers { value = try add(layer, to: value) }
    return value
  }

  private mutating func add(_ layer: LayerDescription, to x: ValueID) throws -> ValueID {
    switch layer.kind {
    case .sequence(let layers):
      return try scope(layer.name, of: layers) { maker in try maker.add(layers, to: x) }
    case .residual(let main, let shortcut):
      return try scope(layer.name, of: main + shortcut) { maker in
        let ways = [try maker.add(main, to: x), try maker.add(shortcut, to: x)]
        return try maker.join(ways, .sum)
      }
    case .branch(let branches, let join):
      return try scope(layer.name, of: branches.flatMap { $0 }) { maker in
        let ways = try branches.map { try maker.add($0, to: x) }
        return try maker.join(ways, join)
      }
    case .repetition(let count, let layers):
      let name = try localName(layer)
      guard (1...Self.mostLayers).contains(count) else {
        throw LayerError.setting(
          layer: fullName(name), setting: "count", value: "\(count)",
          expected: "1 to \(Self.mostLayers)")
      }
      return try scope(name, of: []) { maker in
        try (0..<count).reduce(x) { value, number in
          try maker.scope("\(number)", of: layers) { try $0.add(layers, to: value) }
        }
      }
    default: return try addLeaf(layer, to: x)
    }
  }

  /// Goes on within a layer that has a name, or in the same scope.
  private mutating func scope(
    _ name: String?, of layers: [LayerDescription],
    _ body: (inout GraphMaker) throws -> ValueID
  ) throws -> ValueID {
    guard let name else { return try body(&self) }
    guard depth < Self.deepest else { throw LayerError.tooDeep(limit: Self.deepest) }
    scopes.append(try LayerScope(path: (scopes.last?.path ?? []) + [name], of: layers))
    depth += 1
    defer {
      scopes.removeLast()
      depth -= 1
    }
    return try body(&self)
  }

  private mutating func join(
    _ ways: [ValueID], _ join: LayerDescription.Join
  ) throws -> ValueID {
    var parts = LayerParts(
      name: fullName(scopes[scopes.count - 1].make(join == .sum ? "add" : "concatenate")),
      kind: join.rawValue, firstNode: builder.nodeCount, inputs: ways)
    guard let first = ways.first else { throw LayerError.noLayers }
    let output =
      switch join {
      case .sum: try builder.add(ways, name: parts.name)
      case .concatenate:
        try builder.concatenate(ways, axis: builder[first].axes.count - 1, name: parts.name)
      }
    try finish(&parts, output)
    return output
  }

  private mutating func addLeaf(_ layer: LayerDescription, to x: ValueID) throws -> ValueID {
    var parts = LayerParts(
      name: fullName(try localName(layer)), kind: layer.kind.word, firstNode: builder.nodeCount,
      inputs: [x])
    let output =
      switch layer.kind {
      case .convolution(let settings): try convolution(settings, x, &parts)
      case .linear(let settings): try linear(settings, x, &parts)
      case .einsum(let settings): try einsum(settings, x, &parts)
      case .norm(let settings): try norm(settings, x, &parts)
      case .map(let function): try builder.map(function, x, name: parts.name)
      case .dropout(let rate): try dropout(rate, x, parts)
      case .maxPool(let settings): try pool(settings, isMaximum: true, x, parts)
      case .averagePool(let settings): try pool(settings, isMaximum: false, x, parts)
      case .globalMean: try builder.mean(x, over: try placeAxes(x, parts), name: parts.name)
      case .flatten: try flatten(x, parts)
      case .softmax:
        try builder.softmax(x, axis: builder[x].axes.count - 1, name: parts.name)
      case .sequence, .residual, .branch, .repetition: x
      }
    try finish(&parts, output)
    return output
  }

  private mutating func localName(_ layer: LayerDescription) throws -> String {
    layer.name ?? scopes[scopes.count - 1].make(layer.kind.namePrefix ?? layer.kind.word)
  }

  private func fullName(_ name: String) -> String {
    ((scopes.last?.path ?? []) + [name]).joined(separator: ".")
  }

  private mutating func finish(_ parts: inout LayerParts, _ output: ValueID) throws {
    guard summaries.count < Self.mostLayers else {
      throw LayerError.tooManyLayers(limit: Self.mostLayers)
    }
    summaries.append(
      parts.summary(
        nodes: parts.firstNode..<builder.nodeCount, output: output, value: builder[output],
        count: parts.parameters.reduce(0) { $0 + builder[$1].count },
        inputs: parts.inputs.map { producers[$0] }))
    producers[output] = summaries.count - 1
  }

  // MARK: What layers ask for

  /// A parameter of a layer: `name` is below the layer's.
  mutating func parameter(
    _ name: String, _ axes: [Axis], _ initialization: ParameterInitialization,
    decays: Bool = true, of parts: inout LayerParts
  ) throws -> ValueID {
    let name = "\(parts.name).\(name)"
    let value = try builder.parameter(name, type, axes, decays: decays)
    initializations[name] = initialization
    parts.parameters.append(value)
    return value
  }

  /// What a layer carries from step to step.
  mutating func state(
    _ name: String, _ axes: [Axis], _ initialization: ParameterInitialization, of parts: LayerParts
  ) throws -> ValueID {
    let name = "\(parts.name).\(name)"
    initializations[name] = initialization
    return try builder.state(name, type, axes)
  }

  /// Sets how a parameter begins once that is known.
  mutating func initialize(_ parameter: ValueID, _ initialization: ParameterInitialization) {
    initializations[builder[parameter].name] = initialization
  }

  /// The factorisation of a layer under the rules.
  mutating func factorization(_ declared: Factorization, of layer: String) -> Factorization {
    factorizable.append(layer)
    var result = declared
    for (number, rule) in network.factorize.enumerated() where rule.matches(layer) {
      usedRules.insert(number)
      result = rule.factorization
    }
    return result
  }

  /// The key and the stream of the next dropout.
  mutating func nextDropout() throws -> (key: ValueID, stream: Int) {
    let key =
      try dropoutKey ?? builder.input("key", .int64, [Axis("seed and step", .other, 2)])
    dropoutKey = key
    dropouts += 1
    return (key, dropouts - 1)
  }
}
