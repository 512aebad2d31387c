/// A network, or one expression, as nodes and typed values in single assignment.
///
/// Nodes stand in topological order. What comes in are *sources*; what goes out are *results*, and
/// *effects*: what a parameter or a state becomes at the end of a step. A node that is run twice,
/// to recompute its outputs, changes nothing twice.
///
/// ```swift
/// var builder = GraphBuilder()
/// let x = try builder.input("x", .float32, [Axis("batch", .batch, 8), Axis("in", .channel, 3)])
/// let w = try builder.parameter(
///   "weight", .float32, [Axis("out", .channel, 4), Axis("in", .channel, 3)])
/// let y = try builder.contraction("bs,ts->bt", [x, w])
/// try builder.result("y", y)
/// let graph = try builder.build()
/// graph[y].shape  // [8, 4]
/// ```
public struct Graph: Hashable, Sendable {
  /// A value that comes in from outside.
  ///
  /// ```swift
  /// let states = graph.sources.filter { $0.kind == .state }.map { graph[$0.value].name }
  /// ```
  public struct Source: Hashable, Codable, Sendable {
    /// What a source is to a step: what is read, trained or carried on.
    public enum Kind: Hashable, Codable, Sendable {
      /// A field of the batch, or a number that changes from step to step.
      case input
      /// What is trained; `decays` says whether weight decay applies.
      case parameter(decays: Bool)
      /// What a step leaves to the next: running statistics, moments.
      case state
    }

    public let kind: Kind
    public let value: ValueID

    public init(kind: Kind, value: ValueID) {
      self.kind = kind
      self.value = value
    }
  }

  /// A value that goes out.
  ///
  /// ```swift
  /// for result in graph.results { print(result.name, graph[result.value].shape) }
  /// ```
  public struct Result: Hashable, Codable, Sendable {
    public let name: String
    public let value: ValueID

    public init(name: String, value: ValueID) {
      self.name = name
      self.value = value
    }
  }

  /// A source takes on a value at the end of the step.
  ///
  /// ```swift
  /// for effect in graph.effects { print(graph[effect.source].name, "changes") }
  /// ```
  public struct Effect: Hashable, Codable, Sendable {
    /// A parameter or a state.
    public let source: ValueID
    /// Of the source's type and shape.
    public let becomes: ValueID

    public init(source: ValueID, becomes: ValueID) {
      self.source = source
      self.becomes = becomes
    }
  }

  public let values: [Value]
  public let nodes: [Node]
  /// In order of declaration; a source's name is its value's.
  public let sources: [Source]
  public let results: [Result]
  public let effects: [Effect]

  /// A graph from its parts, for passes that rewrite one; `GraphBuilder` is simpler otherwise.
  ///
  /// - Throws: `GraphError`, unless every value is made once before it is read, by a source or by a
  ///   node whose operator gives it, names are unique, and effects fit.
  public init(
    values: [Value], nodes: [Node], sources: [Source], results: [Result], effects: [Effect]
  ) throws(GraphError) {
    self.values = values
    self.nodes = nodes
    self.sources = sources
    self.results = results
    self.effects = effects
    try validate()
  }

  /// - Precondition: the value is of this graph.
  public subscript(id: ValueID) -> Value { values[id.index] }

  /// The value of a result.
  public func result(_ name: String) throws(GraphError) -> ValueID {
    guard let result = results.first(where: { $0.name == name }) else {
      throw .unknownResult(name, known: results.map(\.name))
    }
    return result.value
  }

  /// The value of a source; `nil` if there is none of this name.
  public func source(_ name: String) -> ValueID? {
    sources.first { self[$0.value].name == name }?.value
  }

  /// What may be cut of a node of this graph; every dimension of its inputs and outputs is in
  /// exactly one factor.
  ///
  /// - Precondition: the node is of this graph.
  public func factors(of node: Node) -> [Factor] {
    node.operation.factors(
      inputs: node.inputs.map { self[$0] }, outputs: node.outputs.map { self[$0] })
  }
}

extension Graph: Codable {
  private enum Key: String, CodingKey {
    case values
    case nodes
    case sources
    case results
    case effects
  }

  /// - Throws: `GraphError` as the underlying error of a `DecodingError`, if what is decoded is no
  ///   graph.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    let values = try container.decode([Value].self, forKey: .values)
    let nodes = try container.decode([Node].self, forKey: .nodes)
    let sources = try container.decode([Source].self, forKey: .sources)
    let results = try container.decode([Result].self, forKey: .results)
    let effects = try container.decode([Effect].self, forKey: .effects)
    do {
      try self.init(
        values: values, nodes: nodes, sources: sources, results: results, effects: effects)
    } catch {
      throw DecodingError.dataCorrupted(
        DecodingError.Context(
          codingPath: decoder.codingPath, debugDescription: "\(error)", underlyingError: error))
    }
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(values, forKey: .values)
    try container.encode(nodes, forKey: .nodes)
    try container.encode(sources, forKey: .sources)
    try container.encode(results, forKey: .results)
    try container.encode(effects, forKey: .effects)
  }
}

extension Graph: CustomStringConvertible {
  /// A line for each source, node, result and effect.
  public var description: String {
    var lines = sources.map { "\(self[$0.value].summary) = \($0.kind)" }
    for node in nodes {
      let outputs = node.outputs.map { self[$0].summary }.joined(separator: ", ")
      let inputs = node.inputs.map { self[$0].name }.joined(separator: ", ")
      lines.append("\(outputs) = \(node.operation.text) (\(inputs))")
    }
    lines += results.map { "result \($0.name) = \(self[$0.value].name)" }
    lines += effects.map { "\(self[$0.source].name) becomes \(self[$0.becomes].name)" }
    return lines.joined(separator: "\n")
  }
}
