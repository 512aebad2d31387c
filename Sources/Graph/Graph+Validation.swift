extension Graph {
  /// Every value is made once before it is read, by a source or by a node whose operator gives it;
  /// names are unique; effects are of parameters and states.
  func validate() throws(GraphError) {
    try validateNames()
    var isMade = [Bool](repeating: false, count: values.count)
    for source in sources { try make(source.value, place: "sources", &isMade) }
    for node in nodes {
      for input in node.inputs {
        try values.check(input)
        guard isMade[input.index] else {
          throw .disorder(value: self[input].name, place: node.name)
        }
      }
      for output in node.outputs { try make(output, place: node.name, &isMade) }
      try validateOutputs(of: node)
    }
    if let unmade = isMade.firstIndex(of: false) {
      throw .disorder(value: values[unmade].name, place: "values")
    }
    for result in results { try values.check(result.value) }
    try validateEffects()
  }

  private func make(
    _ id: ValueID, place: String, _ isMade: inout [Bool]
  ) throws(GraphError) {
    try values.check(id)
    guard !isMade[id.index] else { throw .disorder(value: self[id].name, place: place) }
    try self[id].checkExtents()
    isMade[id.index] = true
  }

  private func validateNames() throws(GraphError) {
    for names in [values.map(\.name), nodes.map(\.name), results.map(\.name)] {
      var seen: Set<String> = []
      for name in names {
        guard !name.isEmpty else { throw .emptyName }
        guard seen.insert(name).inserted else { throw .duplicateName(name) }
      }
    }
  }

  private func validateOutputs(of node: Node) throws(GraphError) {
    let inputs = node.inputs.map { self[$0] }
    let expected: [Value]
    do {
      expected = try node.outputs(inputs)
    } catch {
      throw .misfit(error, node: node.name, operator: node.operation.text, inputs: inputs)
    }
    let recorded = node.outputs.map { self[$0] }
    guard recorded == expected else {
      throw .outputs(node: node.name, recorded: recorded, expected: expected)
    }
  }

  private func validateEffects() throws(GraphError) {
    var changed: Set<ValueID> = []
    for effect in effects {
      try values.check(effect.source)
      try values.check(effect.becomes)
      let (source, becomes) = (self[effect.source], self[effect.becomes])
      let kind = sources.first { $0.value == effect.source }?.kind
      guard let kind, kind != .input else { throw .effectOnNoState(source) }
      guard changed.insert(effect.source).inserted else { throw .secondEffect(source) }
      guard source.type == becomes.type, source.shape == becomes.shape else {
        throw .effectMismatch(source: source, becomes: becomes)
      }
    }
  }
}

extension Node {
  /// The outputs with their names in the graph: a single one has the node's.
  public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
    let outputs = try operation.base.outputs(inputs)
    return outputs.map { $0.named(outputs.count == 1 ? name : "\(name).\($0.name)") }
  }
}
