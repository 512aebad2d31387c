import CKernels
import Kernels

/// Stochastic gradient descent with momentum and weight decay, by PyTorch's formulas
/// (`torch.optim.SGD`): with gradient g, weight w, velocity v and learning rate η,
///
///     g ← g + decay·w      (parameters that decay only)
///     v ← momentum·v + g
///     w ← w − η·v          (Nesterov: w − η·(g + momentum·v))
///
/// ```swift
/// var optimizer = StochasticGradientDescent(parameters: network.parameters, momentum: 0.9)
/// optimizer.update(network.parameters, learningRate: 0.05)
/// ```
public struct StochasticGradientDescent: GradientOptimizer {
  public let momentum: Float
  public let weightDecay: Float
  public let nesterov: Bool
  private var velocity: ParameterMoments

  public init(
    parameters: [Parameter], momentum: Float = 0, weightDecay: Float = 0, nesterov: Bool = false
  ) {
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.nesterov = nesterov
    velocity = ParameterMoments(prefix: "momentum", parameters: parameters)
  }

  public mutating func update(_ parameters: [Parameter], learningRate: Float) {
    for parameter in parameters {
      let decay = parameter.decays ? weightDecay : 0
      parameter.gradient.withElements { gradient in
        velocity[parameter].withMutableElements { velocity in
          parameter.value.withMutableElements { value in
            guard let gradient = gradient.baseAddress, let velocity = velocity.baseAddress,
              let start = value.baseAddress
            else { return }
            nonisolated(unsafe) let (g, v, w) = (gradient, velocity, start)
            let (momentum, nesterov) = (momentum, nesterov)
            let count = value.count
            ThreadPool.run(over: count, unit: 1024, nanoseconds: 0.4 * Double(count)) {
              let start = $0.lowerBound
              convoy_sgd(
                $0.count, learningRate, momentum, decay, nesterov ? 1 : 0, g + start, v + start,
                w + start)
            }
          }
        }
      }
    }
  }

  public var state: [(name: String, value: Tensor<Float>)] { velocity.state }

  public mutating func restore(
    _ state: [String: Tensor<Float>], parameters: [Parameter]
  ) throws {
    try velocity.restore(state, parameters: parameters)
  }
}
