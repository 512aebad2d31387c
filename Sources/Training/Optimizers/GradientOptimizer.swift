import Kernels

/// A rule by which parameters follow their gradients.
///
/// What an optimizer remembers between steps is kept per parameter, by name, so that it can be
/// written to a checkpoint beside the weights and restored bit for bit.
///
/// ```swift
/// var optimizer: any GradientOptimizer = StochasticGradientDescent(
///   parameters: network.parameters, momentum: 0.9, weightDecay: 5e-4)
/// optimizer.update(network.parameters, learningRate: 0.05)
/// ```
public protocol GradientOptimizer {
  /// One step: changes `value` of every parameter by its `gradient`, which is the mean's, summed
  /// over all ranks and divided by the number of samples.
  mutating func update(_ parameters: [Parameter], learningRate: Float)

  /// What the next step depends on besides the parameters, in a fixed order.
  var state: [(name: String, value: Tensor<Float>)] { get }

  /// Takes on a state as `state` gave it; other names in `state` are ignored. Nothing changes if
  /// it throws.
  ///
  /// - Throws: `OptimizerError`, if a tensor is missing or has not its parameter's shape.
  mutating func restore(_ state: [String: Tensor<Float>], parameters: [Parameter]) throws
}

/// Why an optimizer's state could not be restored.
public enum OptimizerError: Error, Hashable, Sendable {
  case missingState(name: String)
  case unexpectedShape(name: String, shape: [Int], expected: [Int])
  /// A step count that is not a whole number of at least 0.
  case invalidStepCount(name: String, value: Float)
}

extension OptimizerError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .missingState(let name):
      """
      the checkpoint has no optimizer state \"\(name)\"; resume with the network and the optimizer \
      that wrote it
      """
    case .unexpectedShape(let name, let shape, let expected):
      """
      the optimizer state \"\(name)\" has shape \(shape), but the network needs \(expected); resume \
      with the network that wrote it
      """
    case .invalidStepCount(let name, let value):
      "the optimizer state \"\(name)\" is \(value), but must be a whole number of at least 0"
    }
  }
}

/// One tensor per parameter, such as a velocity or a second moment; zero until first changed.
struct ParameterMoments {
  /// Before the parameter's name in a checkpoint: `momentum` of `momentum/conv1.t_s_h_w`.
  let prefix: String
  private(set) var names: [String]
  private var values: [String: Tensor<Float>]

  init(prefix: String, parameters: [Parameter]) {
    self.prefix = prefix
    names = parameters.map(\.name)
    values = Dictionary(
      parameters.map { ($0.name, Tensor<Float>(shape: $0.value.shape)) }, uniquingKeysWith: { $1 })
  }

  subscript(parameter: Parameter) -> Tensor<Float> {
    get { values[parameter.name] ?? Tensor(shape: parameter.value.shape) }
    _modify {
      yield &values[parameter.name, default: Tensor(shape: parameter.value.shape)]
    }
  }

  var state: [(name: String, value: Tensor<Float>)] {
    names.compactMap { name in values[name].map { ("\(prefix)/\(name)", $0) } }
  }

  mutating func restore(_ state: [String: Tensor<Float>], parameters: [Parameter]) throws {
    var restored: [String: Tensor<Float>] = [:]
    for parameter in parameters {
      let name = "\(prefix)/\(parameter.name)"
      guard let value = state[name] else { throw OptimizerError.missingState(name: name) }
      guard value.shape == parameter.value.shape else {
        throw OptimizerError.unexpectedShape(
          name: name, shape: value.shape, expected: parameter.value.shape)
      }
      restored[parameter.name] = value
    }
    names = parameters.map(\.name)
    values = restored
  }
}
