import Graph

/// What is known of a layer while its nodes are added.
struct LayerParts {
  let name: String
  let kind: String
  let firstNode: Int
  let inputs: [ValueID]
  var contraction: Int?
  var expression: String?
  var factors: LayerSummary.Factors?
  var parameters: [ValueID] = []

  func summary(
    nodes: Range<Int>, output: ValueID, value: Value, count: Int, inputs: [Int?]
  ) -> LayerSummary {
    LayerSummary(
      name: name, kind: kind, nodes: nodes, contraction: contraction, expression: expression,
      inputs: inputs, output: output, outputShape: value.shape, parameters: parameters,
      parameterCount: count, factors: factors)
  }
}

/// The names within one layer, or within the network.
struct LayerScope {
  let path: [String]
  private var taken: Set<String> = []
  private var counts: [String: Int] = [:]

  /// - Throws: `LayerError.invalidName`, `.duplicateName`.
  init(path: [String], of layers: [LayerDescription]) throws {
    self.path = path
    try collect(layers, depth: 0)
  }

  private mutating func collect(_ layers: [LayerDescription], depth: Int) throws {
    guard depth <= GraphMaker.deepest else {
      throw LayerError.tooDeep(limit: GraphMaker.deepest)
    }
    for layer in layers {
      if let name = layer.name {
        guard !name.isEmpty, name.allSatisfy(\.isLayerName) else {
          throw LayerError.invalidName(name)
        }
        guard taken.insert(name).inserted else {
          throw LayerError.duplicateName(layer: (path + [name]).joined(separator: "."))
        }
        continue
      }
      switch layer.kind {
      case .sequence(let layers): try collect(layers, depth: depth + 1)
      case .residual(let main, let shortcut): try collect(main + shortcut, depth: depth + 1)
      case .branch(let branches, _): try collect(branches.flatMap { $0 }, depth: depth + 1)
      default: break
      }
    }
  }

  /// The next name that begins so and is not taken: `conv1`, `conv2`.
  mutating func make(_ prefix: String) -> String {
    while true {
      let number = (counts[prefix] ?? 0) + 1
      counts[prefix] = number
      let name = "\(prefix)\(number)"
      if taken.insert(name).inserted { return name }
    }
  }
}

extension Character {
  fileprivate var isLayerName: Bool {
    isASCII && (isLetter || isNumber || self == "_" || self == "-")
  }
}
