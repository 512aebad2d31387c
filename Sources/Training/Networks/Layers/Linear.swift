import CKernels
import Execution
import Kernels
import Partitioning

/// y = x·Wᵀ + bias: `[batch, inputs]` to `[batch, outputs]`, the expression `bs,ts->bt`.
///
/// Weights are normal with variance 1/inputs, so that inputs of unit variance give outputs of unit
/// variance; biases are 0.
///
/// ```swift
/// let linear = try Linear(name: "linear", inputs: 128, outputs: 10, seed: 0)
/// let (logits, pullback) = try linear.forward(features, pass)
/// ```
public final class Linear: Layer {
  public let name: String
  public let inputs: Int
  public let outputs: Int
  /// `[outputs, inputs]`.
  public let weight: Parameter
  /// `[outputs]`.
  public let bias: Parameter
  public var parameters: [Parameter] { [weight, bias] }
  private let expression: ParameterizedExpression

  /// - Parameter needsInputGradient: `false` for the first layer, whose pullback returns `nil`.
  /// - Throws: `NetworkError.extentNotPositive`.
  public init(
    name: String, inputs: Int, outputs: Int, seed: UInt64, needsInputGradient: Bool = true
  ) throws {
    try checkPositive(
      name, [("the number of inputs", inputs), ("the number of outputs", outputs)])
    self.name = name
    self.inputs = inputs
    self.outputs = outputs
    let weights = normalTensor(
      shape: [outputs, inputs], standardDeviation: 1 / Double(inputs).squareRoot(), seed: seed,
      name: "\(name).weight")
    weight = Parameter(name: "\(name).weight", value: weights, decays: true)
    bias = Parameter(name: "\(name).bias", value: Tensor(shape: [outputs]), decays: false)
    expression = ParameterizedExpression(
      name: name, text: "bs,ts->bt", parameters: [weight],
      needsInputGradient: needsInputGradient, checkpointing: .keep)
  }

  public func outputLayout(_ input: Layout) throws -> Layout {
    guard input.cutsSamplesOnly, input.shape.count == 2 else {
      throw NetworkError.unexpectedSharding(
        layer: name, axes: input.cuts.map(\.axes), mesh: input.mesh.axes,
        expected: "[batch, inputs], each rank with whole samples, as GlobalAveragePool leaves them")
    }
    return input.resized(to: [input.shape[0], outputs])
  }

  /// - Throws: `NetworkError.unexpectedInput`, `.unexpectedSharding`, and what planning or kernels
  ///   throw.
  public func forward(_ input: Tensor<Float>, _ pass: Pass) throws -> (
    output: Tensor<Float>, pullback: Pullback
  ) {
    _ = try pass.sharding.map(outputLayout)
    guard input.shape.count == 2, input.shape[1] == inputs else {
      throw NetworkError.unexpectedInput(
        layer: name, shape: input.shape, expected: "[batch, \(inputs)]")
    }
    let (product, back) = try expression.forward(input, pass)
    var output = product
    let rows = input.shape[0]
    output.withMutableElements { output in
      bias.value.withElements { bias in
        guard let to = output.baseAddress, let from = bias.baseAddress else { return }
        convoy_add_bias(rows, outputs, from, to)
      }
    }
    let pullback: Pullback = { [bias, outputs] outputGradient in
      var term = Tensor<Float>(shape: [outputs])
      outputGradient.withElements { gradient in
        term.withMutableElements { sum in
          guard let from = gradient.baseAddress, let to = sum.baseAddress else { return }
          convoy_accumulate_rows(rows, outputs, from, to)
        }
      }
      bias.accumulate(term, tile: pass.tile)
      return try back(outputGradient)
    }
    return (output, pass.isTraining ? pullback : noPullback(name))
  }
}
