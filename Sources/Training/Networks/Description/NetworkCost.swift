import Execution
import Graph
import Kernels
import Planning

/// What one forward pass takes of a layer's contraction; nothing where there is none.
///
/// ```swift
/// let costs = try made.costs()
/// costs.reduce(0) { $0 + $1.macs }
/// ```
public struct LayerCost: Hashable, Sendable {
  /// Multiply-adds in the best order.
  public let macs: Double
  /// Multiply-adds from left to right.
  public let leftToRightMacs: Double
  /// By the kernels' estimates on one thread, in the order that they run fastest.
  public let seconds: Double

  static let none = LayerCost(macs: 0, leftToRightMacs: 0, seconds: 0)
}

extension NetworkGraph {
  /// The cost of every layer, in order of `layers`.
  ///
  /// - Throws: `OrderError`.
  public func costs(context: Context = .process) throws -> [LayerCost] {
    // Most layers of a network are several times there.
    var known: [BoundExpression: LayerCost] = [:]
    return try layers.map { layer in
      guard let node = layer.contraction.map({ graph.nodes[$0] }),
        let contraction = node.operation.base as? Operators.Contraction
      else { return .none }
      let bound = try BoundExpression(
        contraction.expression, shapes: node.inputs.map { graph[$0].shape },
        rules: contraction.rules)
      if let cost = known[bound] { return cost }
      let plan = try Plan(bound)
      let costs = KernelCosts(context)
      let fastest = try Plan(bound, options: PlanOptions(runs: .often), costs: costs)
      let cost = LayerCost(
        macs: plan.macs, leftToRightMacs: plan.leftToRightMacs,
        seconds: fastest.estimatedSeconds(costs))
      known[bound] = cost
      return cost
    }
  }
}
