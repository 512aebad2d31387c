import Graph
import Planning
import Testing

@testable import Training

/// What tests of descriptions share.
enum Described {
  /// The layers over images of 32×32 with three channels, one sample, ten classes.
  static func graph(
    _ network: NetworkDescription, extents: [Int] = [32, 32], channels: Int = 3, batch: Int = 1,
    classes: Int = 10, mode: NetworkMode = .training
  ) throws -> NetworkGraph {
    try network.graph(
      NetworkInput(batch: batch, extents: extents, channels: channels), classes: classes,
      mode: mode)
  }

  /// The layers between an input of 8×8 with four channels and a head.
  static func graph(
    layers: [LayerDescription], extents: [Int] = [8, 8], channels: Int = 4,
    mode: NetworkMode = .training, naming: NetworkDescription.Naming = .pyTorch,
    factorize: [FactorizationRule] = []
  ) throws -> NetworkGraph {
    var network = NetworkDescription(
      layers + [.globalMean.named("mean"), .linear().named("head")])
    network.naming = naming
    network.factorize = factorize
    return try graph(network, extents: extents, channels: channels, batch: 2, mode: mode)
  }

  /// The message of what making a network throws.
  static func message(
    layers: [LayerDescription], extents: [Int] = [8, 8], factorize: [FactorizationRule] = []
  ) -> String {
    do {
      _ = try graph(layers: layers, extents: extents, factorize: factorize)
      return "no error"
    } catch {
      return "\(error)"
    }
  }
}

extension NetworkGraph {
  /// Multiply-adds in the best order, without the kernels' estimates.
  func macs() throws -> Double {
    var known: [BoundExpression: Double] = [:]
    return try layers.reduce(0) { sum, layer in
      guard let node = layer.contraction.map({ graph.nodes[$0] }) else { return sum }
      let contraction = try #require(node.operation.base as? Operators.Contraction)
      let bound = try BoundExpression(
        contraction.expression, shapes: node.inputs.map { graph[$0].shape },
        rules: contraction.rules)
      let macs = try known[bound] ?? Plan(bound).macs
      known[bound] = macs
      return sum + macs
    }
  }

  func layer(_ name: String) throws -> LayerSummary {
    try #require(layers.first { $0.name == name }, "there is no \(name)")
  }

  var parameterNames: [String] { graph.parameters.map { graph[$0].name } }

  func shape(_ parameter: String) throws -> [Int] {
    graph[try #require(graph.source(parameter), "there is no \(parameter)")].shape
  }
}
