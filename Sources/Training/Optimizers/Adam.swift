import CKernels
import Foundation
import Kernels

/// Adam (Kingma and Ba, arXiv 1412.6980, algorithm 1), by PyTorch's formulas (`torch.optim.Adam`):
/// at step t, with gradient g, weight w and learning rate η,
///
///     g ← g + decay·w      (parameters that decay only)
///     m ← β1·m + (1 − β1)·g,   v ← β2·v + (1 − β2)·g²
///     w ← w − η/(1 − β1^t) · m / (√v/√(1 − β2^t) + ε)
///
/// ```swift
/// var optimizer = Adam(parameters: network.parameters)
/// optimizer.update(network.parameters, learningRate: 1e-3)
/// ```
public struct Adam: GradientOptimizer {
  public let beta1: Double
  public let beta2: Double
  public let epsilon: Double
  public let weightDecay: Float
  private var mean: ParameterMoments
  private var variance: ParameterMoments
  private var steps = 0

  private static let stepsName = "adam.steps"
  /// The state is in Float, which counts to 2²⁴ exactly; both corrections are 1 long before.
  private static let mostSteps = 1 << 24

  public init(
    parameters: [Parameter], beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
    weightDecay: Float = 0
  ) {
    self.beta1 = beta1
    self.beta2 = beta2
    self.epsilon = epsilon
    self.weightDecay = weightDecay
    mean = ParameterMoments(prefix: "adam.mean", parameters: parameters)
    variance = ParameterMoments(prefix: "adam.variance", parameters: parameters)
  }

  public mutating func update(_ parameters: [Parameter], learningRate: Float) {
    steps = min(steps + 1, Adam.mostSteps)
    let rate = Float(Double(learningRate) / (1 - pow(beta1, Double(steps))))
    let root = Float((1 - pow(beta2, Double(steps))).squareRoot())
    for parameter in parameters {
      let decay = parameter.decays ? weightDecay : 0
      parameter.gradient.withElements { gradient in
        mean[parameter].withMutableElements { mean in
          variance[parameter].withMutableElements { variance in
            parameter.value.withMutableElements { value in
              guard let gradient = gradient.baseAddress, let mean = mean.baseAddress,
                let variance = variance.baseAddress, let start = value.baseAddress
              else { return }
              nonisolated(unsafe) let (g, m, v, w) = (gradient, mean, variance, start)
              let (beta1, beta2, epsilon) = (beta1, beta2, epsilon)
              let count = value.count
              ThreadPool.run(over: count, unit: 1024, nanoseconds: 1 * Double(count)) {
                let start = $0.lowerBound
                convoy_adam(
                  $0.count, rate, Float(beta1), Float(1 - beta1), Float(beta2),
                  Float(1 - beta2), root, Float(epsilon), decay, g + start, m + start, v + start,
                  w + start)
              }
            }
          }
        }
      }
    }
  }

  public var state: [(name: String, value: Tensor<Float>)] {
    [(Adam.stepsName, Tensor(Float(steps)))] + mean.state + variance.state
  }

  public mutating func restore(
    _ state: [String: Tensor<Float>], parameters: [Parameter]
  ) throws {
    guard let count = state[Adam.stepsName] else {
      throw OptimizerError.missingState(name: Adam.stepsName)
    }
    guard count.shape.isEmpty else {
      throw OptimizerError.unexpectedShape(
        name: Adam.stepsName, shape: count.shape, expected: [])
    }
    let value = count.withElements { $0[0] }
    guard value >= 0, value <= Float(Adam.mostSteps), let steps = Int(exactly: value) else {
      throw OptimizerError.invalidStepCount(name: Adam.stepsName, value: value)
    }
    var (newMean, newVariance) = (mean, variance)
    try newMean.restore(state, parameters: parameters)
    try newVariance.restore(state, parameters: parameters)
    (mean, variance, self.steps) = (newMean, newVariance, steps)
  }
}
