import Kernels

/// A new tensor of `shape` (or the input's) that `body` fills from the input's elements; without a
/// call if there are none.
func transformed(
  _ input: Tensor<Float>, shape: [Int]? = nil,
  _ body: (
    _ input: (start: UnsafePointer<Float>, count: Int), _ output: UnsafeMutablePointer<Float>
  ) -> Void
) -> Tensor<Float> {
  var output = Tensor<Float>(uninitialized: shape ?? input.shape)
  input.withElements { input in
    output.withMutableElements { output in
      guard let from = input.baseAddress, let to = output.baseAddress, !input.isEmpty else {
        return
      }
      body((from, input.count), to)
    }
  }
  return output
}
