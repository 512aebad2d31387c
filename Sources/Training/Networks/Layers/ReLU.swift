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
    let output = transformed(input) { input, output in
      nonisolated(unsafe) let (input, output) = (input, output)
      ThreadPool.run(over: input.count, unit: 1024, nanoseconds: 0.2 * Double(input.count)) {
        convoy_relu($0.count, input.start + $0.lowerBound, output + $0.lowerBound)
      }
    }
    let pullback: Pullback = { outputGradient in
      output.withElements { output in
        transformed(outputGradient) { gradient, result in
          guard let output = output.baseAddress else { return }
          nonisolated(unsafe) let (y, gradient, result) = (output, gradient, result)
          let count = gradient.count
          ThreadPool.run(over: count, unit: 1024, nanoseconds: 0.3 * Double(count)) {
            let start = $0.lowerBound
            convoy_relu_backward($0.count, y + start, gradient.start + start, result + start)
          }
        }
      }
    }
    return (output, pass.isTraining ? pullback : noPullback("relu"))
  }
}
