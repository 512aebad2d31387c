import Kernels

/// The first element at which a tensor is not what it should be.
///
/// ```swift
/// #expect(mismatch(result, expected) == nil)       // exactly equal, NaN equal to NaN
/// #expect(mismatch(result, expected, tolerance: .relative) == nil)
/// ```
public struct Mismatch: Equatable, CustomStringConvertible, Sendable {
  public let description: String
}

/// How far elements may be from what is expected.
public enum Tolerance: Sendable {
  /// Not at all.
  case exact
  /// By rounding: a multiple of the element type's ulp of the tensor's largest magnitude.
  case rounding
  /// By so much of the tensor's largest magnitude.
  case relative(Double)

  func bound<Element: TensorElement>(of: Element.Type, magnitude: Double) -> Double {
    switch self {
    case .exact: return 0
    // Enough for sums of some 10⁴ products of mixed sign, which cancel to a tenth of a typical one.
    case .rounding: return 4096 * Double(Element.ulpOfOne) * magnitude
    case .relative(let fraction): return fraction * magnitude
    }
  }
}

/// Compares a tensor with what is expected, in shape and in every element.
///
/// NaN matches NaN only, an infinity only the same infinity.
///
/// - Parameter magnitude: What `tolerance` is relative to; by default the largest finite magnitude
///   among the expected elements. Give it where sums may cancel to nearly nothing.
/// - Returns: `nil` if all elements match, else the first that does not.
public func mismatch<Element: TensorElement>(
  _ actual: Tensor<Element>, _ expected: Tensor<Double>, tolerance: Tolerance = .exact,
  magnitude: Double? = nil
) -> Mismatch? {
  guard actual.shape == expected.shape else {
    return Mismatch(description: "shape \(actual.shape), expected \(expected.shape)")
  }
  let wanted = expected.elements
  let found = actual.elements
  let largest = wanted.lazy.map(abs).filter(\.isFinite).max() ?? 0
  let bound = tolerance.bound(of: Element.self, magnitude: magnitude ?? largest)
  func matches(_ index: Int) -> Bool {
    let (found, wanted) = (Double(found[index]), wanted[index])
    return found == wanted || found.isNaN && wanted.isNaN || abs(found - wanted) <= bound
  }
  guard let first = wanted.indices.first(where: { !matches($0) }) else { return nil }
  let all = wanted.indices.count { !matches($0) }
  return Mismatch(
    description: """
      at \(position(first, in: expected.shape)) of \(expected.shape): \(found[first]), \
      expected \(wanted[first]) ± \(bound); \(all) of \(wanted.count) elements differ
      """)
}

/// The index per dimension of a flat index.
private func position(_ flat: Int, in shape: [Int]) -> [Int] {
  var rest = flat
  var position: [Int] = []
  for extent in shape.reversed() {
    position.append(rest % extent)
    rest /= extent
  }
  return position.reversed()
}
