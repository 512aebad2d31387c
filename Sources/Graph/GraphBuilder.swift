/// Builds a graph node by node.
///
/// Names are hierarchical, as PyTorch's are: what is added inside `scope("layer1.0")` is named
/// `layer1.0.…`. A node that is given no name takes its operator's kind, with a number if need be.
///
/// ```swift
/// var builder = GraphBuilder()
/// let x = try builder.input("x", .float32, axes)
/// let y = try builder.scope("layer1.0") { builder in
///   let weight = try builder.parameter("conv.weight", .float32, weightAxes)
///   let product = try builder.contraction("bs,ts->bt", [x, weight], name: "conv")
///   return try builder.relu(product)
/// }
/// try builder.result("y", y)
/// let graph = try builder.build()
/// ```
public struct GraphBuilder: Sendable {
  private var values: [Value] = []
  private var nodes: [Node] = []
  private var sources: [Graph.Source] = []
  private var results: [Graph.Result] = []
  private var effects: [Graph.Effect] = []
  private var names: Set<String> = []
  private var path: [String] = []

  public init() {}

  /// Goes on from a graph; its values keep their numbers.
  public init(_ graph: Graph) {
    values = graph.values
    nodes = graph.nodes
    sources = graph.sources
    results = graph.results
    effects = graph.effects
    names = Set(values.map(\.name) + nodes.map(\.name))
  }

  /// A value made before.
  ///
  /// - Precondition: the value is of this builder.
  public subscript(id: ValueID) -> Value { values[id.index] }

  /// How many nodes there are: the next gets this number.
  public var nodeCount: Int { nodes.count }

  // MARK: Sources

  /// A field of the batch, or a number that changes from step to step.
  public mutating func input(
    _ name: String, _ type: ElementType, _ axes: [Axis]
  ) throws(GraphError) -> ValueID {
    try source(name, type, axes, .input)
  }

  /// What is trained; `decays` says whether weight decay applies to it.
  public mutating func parameter(
    _ name: String, _ type: ElementType, _ axes: [Axis], decays: Bool = true
  ) throws(GraphError) -> ValueID {
    try source(name, type, axes, .parameter(decays: decays))
  }

  /// What one step leaves to the next.
  public mutating func state(
    _ name: String, _ type: ElementType, _ axes: [Axis]
  ) throws(GraphError) -> ValueID {
    try source(name, type, axes, .state)
  }

  private mutating func source(
    _ name: String, _ type: ElementType, _ axes: [Axis], _ kind: Graph.Source.Kind
  ) throws(GraphError) -> ValueID {
    guard !name.isEmpty else { throw .emptyName }
    let value = Value(name: qualified(name), type: type, axes: axes)
    try value.checkExtents()
    try take(value.name)
    values.append(value)
    sources.append(Graph.Source(kind: kind, value: ValueID(values.count - 1)))
    return ValueID(values.count - 1)
  }

  // MARK: Nodes

  /// Adds a node.
  ///
  /// - Parameters:
  ///   - name: Unique in its scope; `nil` takes the operator's kind, numbered if that is taken.
  /// - Returns: The node's outputs.
  /// - Throws: `GraphError.misfit`, if the inputs do not fit the operator; others, if an input is
  ///   not of this builder, an output is too large, or the name is empty or taken. Then nothing is
  ///   added.
  @discardableResult
  public mutating func apply(
    _ operation: any Operator, to inputs: [ValueID], name: String? = nil
  ) throws(GraphError) -> [ValueID] {
    try add(operation, to: inputs, name: name, outputCount: nil)
  }

  private mutating func add(
    _ operation: any Operator, to inputs: [ValueID], name: String?, outputCount: Int?
  ) throws(GraphError) -> [ValueID] {
    guard name != "" else { throw .emptyName }
    for id in inputs { try check(id) }
    let nodeName = name.map(qualified) ?? free(qualified(type(of: operation).kind))
    let inputValues = inputs.map { values[$0.index] }
    let outputs = values.endIndex
    var node = Node(
      name: nodeName, operation: Operation(operation), inputs: inputs, outputs: [])
    let made: [Value]
    do {
      made = try node.outputs(inputValues)
    } catch {
      throw .misfit(error, node: nodeName, operator: operation.text, inputs: inputValues)
    }
    if let outputCount, made.count != outputCount {
      throw .outputCount(
        node: nodeName, operator: operation.text, expected: outputCount, given: made.count)
    }
    for value in made { try value.checkExtents() }
    let newNames = made.map(\.name) + [nodeName]
    for newName in newNames where names.contains(newName) { throw .duplicateName(newName) }
    names.formUnion(newNames)
    values += made
    node = Node(
      name: nodeName, operation: node.operation, inputs: inputs,
      outputs: (outputs..<values.count).map { ValueID($0) })
    nodes.append(node)
    return node.outputs
  }

  /// Adds a node of an operator that has one output, and returns that.
  ///
  /// - Throws: As `apply(_:to:name:)`, and `GraphError.outputCount`, if there is not one output.
  public mutating func single(
    _ operation: any Operator, _ inputs: [ValueID], name: String? = nil
  ) throws(GraphError) -> ValueID {
    try add(operation, to: inputs, name: name, outputCount: 1)[0]
  }

  // MARK: Names

  /// Adds what `body` adds under a name: `scope("layer1")` inside `scope("encoder")` names it
  /// `encoder.layer1.…`.
  public mutating func scope<Output, Failure: Error>(
    _ name: String, _ body: (inout GraphBuilder) throws(Failure) -> Output
  ) throws(Failure) -> Output {
    let outer = path
    path.append(name)
    defer { path = outer }
    return try body(&self)
  }

  private func qualified(_ name: String) -> String { (path + [name]).joined(separator: ".") }

  private mutating func take(_ name: String) throws(GraphError) {
    guard names.insert(name).inserted else { throw .duplicateName(name) }
  }

  /// The name, or the first of `name_1`, `name_2`, … that is free.
  private func free(_ name: String) -> String {
    guard names.contains(name) else { return name }
    var number = 1
    while names.contains("\(name)_\(number)") { number += 1 }
    return "\(name)_\(number)"
  }

  /// A name that is free in the present scope.
  func freeName(_ name: String) -> String {
    let prefix = path.isEmpty ? "" : path.joined(separator: ".") + "."
    return String(free(qualified(name)).dropFirst(prefix.count))
  }

  // MARK: What goes out

  /// Lets a value go out under a name.
  public mutating func result(_ name: String, _ value: ValueID) throws(GraphError) {
    try check(value)
    guard !name.isEmpty else { throw .emptyName }
    guard !results.contains(where: { $0.name == name }) else { throw .duplicateName(name) }
    results.append(Graph.Result(name: name, value: value))
  }

  /// A parameter or state takes on a value at the end of the step.
  public mutating func effect(
    _ source: ValueID, becomes value: ValueID
  ) throws(GraphError) {
    try check(source)
    try check(value)
    effects.append(Graph.Effect(source: source, becomes: value))
  }

  /// The graph.
  ///
  /// - Throws: `GraphError`, if an effect does not fit.
  public func build() throws(GraphError) -> Graph {
    try Graph(
      values: values, nodes: nodes, sources: sources, results: results, effects: effects)
  }

  func check(_ id: ValueID) throws(GraphError) { try values.check(id) }
}
