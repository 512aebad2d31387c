extension Graph {
  /// Adds the nodes that compute gradients of the sum of some losses (reverse mode).
  ///
  /// The walk goes over the nodes from the last to the first and lets each operator add the nodes
  /// that give its inputs' gradients. Only what is needed is added: a node is passed by if no loss
  /// depends on it, or if it depends on nothing that a gradient is asked for. The gradients that a
  /// value gets from several consumers are added by one node, those of later consumers first.
  /// Values keep their numbers; effects and results stay.
  ///
  /// ```swift
  /// let (graph, gradients) = try forward.differentiated(
  ///   [loss], withRespectTo: forward.parameters)
  /// ```
  ///
  /// - Parameters:
  ///   - losses: Floating-point scalars.
  ///   - variables: Floating-point values, sources or not.
  /// - Returns: The graph, and by variable its gradient, `nil` where no loss depends on it.
  /// - Throws: `GraphError.noAdjoint`, where a gradient is needed through an operator without one;
  ///   others, where a loss is no floating-point scalar, a variable is not floating-point, or an
  ///   adjoint does not keep to `Operator`.
  public func differentiated(
    _ losses: [ValueID], withRespectTo variables: [ValueID]
  ) throws(GraphError) -> (graph: Graph, gradients: [ValueID?]) {
    var walk = ReverseWalk(self)
    for variable in variables {
      try walk.builder.check(variable)
      guard self[variable].type.isFloatingPoint else {
        throw .notDifferentiable(self[variable])
      }
    }
    walk.mark(variables)
    for loss in losses { try walk.start(loss) }
    for node in nodes.reversed() { try walk.visit(node) }
    var gradients: [ValueID?] = []
    for variable in variables { gradients.append(try walk.gradient(of: variable)) }
    return (try walk.builder.build(), gradients)
  }

  /// As `differentiated(_:withRespectTo:)`, of the result of this name.
  public func differentiated(
    _ result: String, withRespectTo variables: [ValueID]
  ) throws(GraphError) -> (graph: Graph, gradients: [ValueID?]) {
    try differentiated([self.result(result)], withRespectTo: variables)
  }

  /// The values of all parameters, in order of declaration.
  public var parameters: [ValueID] {
    sources.compactMap { source in
      if case .parameter = source.kind { source.value } else { nil }
    }
  }
}

/// A reverse walk under way.
private struct ReverseWalk {
  let graph: Graph
  var builder: GraphBuilder
  /// By value: whether it depends on a variable, or is one.
  private var isActive: [Bool]
  /// By value: the gradients it got so far, or one that is their sum.
  private var terms: [[ValueID]]

  init(_ graph: Graph) {
    self.graph = graph
    builder = GraphBuilder(graph)
    isActive = Array(repeating: false, count: graph.values.count)
    terms = Array(repeating: [], count: graph.values.count)
  }

  mutating func mark(_ variables: [ValueID]) {
    for variable in variables { isActive[variable.index] = true }
    for node in graph.nodes where node.inputs.contains(where: { isActive[$0.index] }) {
      for output in node.outputs where graph[output].type.isFloatingPoint {
        isActive[output.index] = true
      }
    }
  }

  mutating func start(_ loss: ValueID) throws(GraphError) {
    try builder.check(loss)
    let value = graph[loss]
    guard value.axes.isEmpty, value.type.isFloatingPoint else { throw .lossIsNoScalar(value) }
    guard isActive[loss.index] else { return }
    let name = builder.freeName("\(value.name).seed")
    terms[loss.index].append(try builder.fill(with: 1, like: loss, name: name))
  }

  mutating func visit(_ node: Node) throws(GraphError) {
    let needed = node.inputs.map { isActive[$0.index] }
    guard needed.contains(true), node.outputs.contains(where: { !terms[$0.index].isEmpty }) else {
      return
    }
    var gradients: [ValueID?] = []
    for output in node.outputs { gradients.append(try gradient(of: output)) }
    let inputGradients = try builder.scope(node.name) { (builder) throws(GraphError) in
      try node.operation.base.adjoint(
        of: node, gradients: gradients, needed: needed, in: &builder)
    }
    guard inputGradients.count == node.inputs.count else {
      throw .gradientCount(
        node: node.name, operator: node.operation.text, expected: node.inputs.count,
        given: inputGradients.count)
    }
    for (position, (input, gradient)) in zip(node.inputs, inputGradients).enumerated() {
      guard needed[position], let gradient else { continue }
      try builder.check(gradient)
      let (value, made) = (builder[input], builder[gradient])
      guard value.type == made.type, value.shape == made.shape else {
        throw .gradient(
          node: node.name, operator: node.operation.text, input: value, gradient: made)
      }
      terms[input.index].append(gradient)
    }
  }

  /// The sum of all that a value got.
  mutating func gradient(of value: ValueID) throws(GraphError) -> ValueID? {
    if terms[value.index].count > 1 {
      let name = builder.freeName("\(graph[value].name).gradient")
      terms[value.index] = [try builder.add(terms[value.index], name: name)]
    }
    return terms[value.index].first
  }
}
