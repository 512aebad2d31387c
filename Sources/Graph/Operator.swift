/// What a node of a graph does: a value that knows shapes, what may be cut, and its adjoint.
///
/// An operator of the module is one file that adds a type to `Operators`, and one line in
/// `Operation.kinds`, from which graphs are decoded. It is pure: it never sees an element. Wherever
/// it can, an operator is the same for a part of its inputs as for the whole of them: a mean is a
/// sum with a factor, and a normalisation knows over how many elements its sums are.
///
/// ```swift
/// struct Negation: Operator {
///   static let kind = "negation"
///
///   func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
///     try inputs.check(count: 1)
///     return [try inputs.floating(0)]
///   }
///
///   func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
///     Factor.elementwise(inputs[0].shape, inputs: 1, outputs: 1)
///   }
///
///   func adjoint(
///     of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
///   ) throws(GraphError) -> [ValueID?] {
///     guard let gradient = gradients[0] else { return [nil] }
///     return [try builder.single(Negation(), [gradient])]
///   }
/// }
/// ```
public protocol Operator: Sendable, Hashable, Codable {
  /// The operator's name in files and tables, unique among all operators.
  static var kind: String { get }

  /// All of the operator's settings in words, for tables and for hashing: two operators of a kind
  /// are equal if and only if these are.
  var settings: String { get }

  /// The outputs for these inputs, whose extents and sizes a graph has checked. Their names tell
  /// several outputs of one node apart; the name of a single one does not count.
  ///
  /// - Throws: What does not fit; the builder adds the node and its inputs.
  func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value]

  /// What may be cut, of inputs that fit the operator and the outputs that it gives for them; each
  /// factor has an entry for every one. Dimensions that no factor has may not be cut.
  func factors(inputs: [Value], outputs: [Value]) -> [Factor]

  /// Whether terms of an input give terms of the outputs: whoever holds some need not add them up before.
  func isLinear(in input: Int) -> Bool

  /// Adds nodes that compute the gradients of the inputs from those of the outputs.
  ///
  /// - Parameters:
  ///   - node: The node, whose inputs and outputs the new nodes may read.
  ///   - gradients: By output; `nil` where nothing depends on it. At least one is not `nil`.
  ///   - needed: By input: whether its gradient is asked for. At least one is.
  /// - Returns: By input; `nil` where it is not needed or is zero.
  /// - Throws: `GraphError.noAdjoint`, unless the operator has one.
  func adjoint(
    of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
  ) throws(GraphError) -> [ValueID?]
}

extension Operator {
  public var settings: String { "" }

  public func isLinear(in input: Int) -> Bool { false }

  /// Kind and settings: `max-pool 3×3 /2 over 2,3`.
  public var text: String { settings.isEmpty ? Self.kind : "\(Self.kind) \(settings)" }

  public func adjoint(
    of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
  ) throws(GraphError) -> [ValueID?] {
    throw noAdjoint(of: node, in: builder)
  }

  func noAdjoint(of node: Node, in builder: GraphBuilder) -> GraphError {
    .noAdjoint(node: node.name, operator: text, inputs: node.inputs.map { builder[$0] })
  }
}

/// One application of an operator: single assignment, so each value is the output of one node or a
/// source.
///
/// ```swift
/// for node in graph.nodes { print(node.name, node.operation.text) }
/// ```
public struct Node: Hashable, Codable, Sendable {
  /// Unique among nodes: `layer1.0.conv1`.
  public let name: String
  public let operation: Operation
  public let inputs: [ValueID]
  public let outputs: [ValueID]

  public init(name: String, operation: Operation, inputs: [ValueID], outputs: [ValueID]) {
    self.name = name
    self.operation = operation
    self.inputs = inputs
    self.outputs = outputs
  }
}
