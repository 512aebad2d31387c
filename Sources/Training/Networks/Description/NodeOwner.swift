import Graph

/// Whose a node of a training step is.
///
/// ```swift
/// let owners = made.owners(of: try made.trainingStep(OptimizerConfiguration(), ranks: 1))
/// owners[0]  // .layer(0)
/// ```
public enum NodeOwner: Hashable, Sendable {
  /// By its place in `NetworkGraph.layers`: forward, or back.
  case layer(Int)
  /// What comes after the last layer.
  case loss
  /// What changes parameters.
  case update
}

extension NetworkGraph {
  /// By node of this network's `trainingStep` or `evaluationStep`, whose it is.
  public func owners(of step: Graph) -> [NodeOwner] {
    var layersByName: [String: Int] = [:]
    for (number, layer) in layers.enumerated() {
      layersByName[layer.name] = number
      for node in graph.nodes[layer.nodes] { layersByName[node.name] = number }
    }
    return step.nodes.map { node in
      switch node.operation.base {
      case is Operators.MomentumUpdate, is Operators.AdamUpdate: return .update
      default: break
      }
      if node.name.hasSuffix(Self.meanGradientSuffix) { return .update }
      // The adjoint of a node, and what adds gradients up, begins with the name of what it is of.
      var name = node.name[...]
      while true {
        if let layer = layersByName[String(name)] { return .layer(layer) }
        guard let dot = name.lastIndex(of: ".") else { return .loss }
        name = name[..<dot]
      }
    }
  }
}
