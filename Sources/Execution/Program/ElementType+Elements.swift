import Graph
import Kernels

extension ElementType {
  /// Of a tensor's elements.
  init<Element: TensorElement>(_: Element.Type) {
    self = Element.self == Double.self ? .float64 : .float32
  }
}
