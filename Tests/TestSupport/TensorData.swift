import Kernels

/// What a test's tensors hold. Every element depends on the seed, the operand's number and its own
/// flat index only, so that data are the same however a tensor is cut over ranks.
public enum TensorData: Sendable {
  /// Uniform in [−1, 1).
  case uniform
  /// −2, −1, 1 or 2: sums of products of up to 7 of these are exact in Float, in whichever order
  /// they are added, as long as there are fewer than 2¹⁷ of them. Results compare bit by bit.
  case smallIntegers

  public func value(seed: UInt64, operand: Int, index: Int) -> Double {
    let key = mixed(mixed(seed &+ 1) ^ mixed(UInt64(operand) &+ 0x5851_F42D_4C95_7F2D))
    let bits = mixed(key &+ UInt64(index) &* 0x9E37_79B9_7F4A_7C15)
    switch self {
    case .uniform: return Double(bits >> 11) / 0x1p52 - 1
    case .smallIntegers: return [-2, -1, 1, 2][Int(bits >> 62)]
    }
  }

  /// A tensor of a shape, as operand number `operand`.
  public func tensor<Element: TensorElement>(
    _ shape: [Int], seed: UInt64, operand: Int, of: Element.Type = Element.self
  ) -> Tensor<Element> {
    Tensor(
      shape: shape,
      elements: (0..<shape.reduce(1, *)).map {
        Element(value(seed: seed, operand: operand, index: $0))
      })
  }

  /// One tensor for every shape, numbered from 0.
  public func tensors<Element: TensorElement>(
    _ shapes: [[Int]], seed: UInt64, of: Element.Type = Element.self
  ) -> [Tensor<Element>] {
    shapes.enumerated().map { tensor($1, seed: seed, operand: $0) }
  }
}

extension Tensor {
  /// The same values in another element type, rounded to nearest.
  public func converted<Other: TensorElement>(to: Other.Type = Other.self) -> Tensor<Other> {
    Tensor<Other>(shape: shape, elements: elements.map { Other($0) })
  }

  /// ⟨self, other⟩, the sum of the products of corresponding elements, in Double.
  public func innerProduct(_ other: Tensor) -> Double {
    zip(elements, other.elements).reduce(0) { $0 + Double($1.0) * Double($1.1) }
  }

  /// √⟨self, self⟩.
  public var norm: Double { innerProduct(self).squareRoot() }
}
