import CKernels
import Kernels

/// max(0, x), element by element, any shape. NaN stays NaN.
///
/// ```swift
/// let (y, _) = try ReLU().forward(Tensor(shape: [2], elements: [-1, 3]), pass)   // 0, 3
/// ```
public final class ReLU: Layer {
  public init() {}

  public func forward(_ input: Tensor<Float>, _ pass: Pass) throws -> (
    output: Tensor<Float>, pullback: Pullback
  ) {
    let output = transformed(input) { convoy_relu($0.count, $0.start, $1) }
    let pullback: Pullback = { outputGradient in
      output.withElements { output in
        transformed(outputGradient) { gradient, result in
          guard let y = output.baseAddress else { return }
          convoy_relu_backward(gradient.count, y, gradient.start, result)
        }
      }
    }
    return (output, pass.isTraining ? pullback : noPullback("relu"))
  }
}
