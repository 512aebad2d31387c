import Kernels

extension Tensor {
  /// A tensor all of whose elements are equal. (Here, for it may be large, and tests are not optimised.)
  public static func repeating(_ value: Element, shape: [Int]) -> Tensor {
    var tensor = Tensor(uninitialized: shape)
    tensor.withMutableElements { $0.initialize(repeating: value) }
    return tensor
  }
}
