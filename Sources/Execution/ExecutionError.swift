/// Why an expression could not be run.
///
/// ```swift
/// do { c = try product([a, b]) } catch { print(error) }
/// // cannot contract 'ij,jk->ik': operand 1 has shape [4, 4], but the plan was made for [3, 4]; …
/// ```
public enum ExecutionError: Error, Hashable, Sendable {
  /// Another number of tensors than the expression has operands.
  case operandCount(expression: String, expected: Int, found: Int)
  /// A tensor whose shape is not the one the plan was made for.
  case operandShape(expression: String, operand: Int, expected: [Int], found: [Int])
  /// A tensor with more elements than can be addressed.
  case tooLarge(expression: String, shape: [Int])
  /// A step whose filter taps are too many to be listed.
  case tooManyTaps(expression: String, step: String)
  /// The run needs more bytes at once than the machine has.
  case notEnoughMemory(expression: String, needed: Int, available: Int, largest: [Int])
  /// A gradient of another shape than the result.
  case gradientShape(expression: String, expected: [Int], found: [Int])
}

extension ExecutionError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .operandCount(let expression, let expected, let found):
      "cannot contract '\(expression.shortened)': it has \(expected) operands, but \(found) tensors were given"
    case .operandShape(let expression, let operand, let expected, let found):
      "cannot contract '\(expression.shortened)': operand \(operand) has shape \(found), but the plan was made "
        + "for \(expected); make a plan for these shapes"
    case .tooLarge(let expression, let shape):
      "cannot contract '\(expression.shortened)': a tensor of shape \(shape) is larger than can be addressed; if "
        + "it is an intermediate, another optimizer may find an order with smaller ones"
    case .tooManyTaps(let expression, let step):
      "cannot contract '\(expression.shortened)': the filter of the step \(step.shortened) has more taps "
        + "than are walked one by one; a convolution that long needs a Fourier transform"
    case .notEnoughMemory(let expression, let needed, let available, let largest):
      "cannot contract '\(expression.shortened)': it needs \(needed) bytes at once, but this machine has "
        + "\(available), \(needed - available) too few; its largest tensor has shape \(largest)"
    case .gradientShape(let expression, let expected, let found):
      "cannot go back through '\(expression.shortened)': its result has shape \(expected), but the gradient "
        + "has \(found)"
    }
  }
}

extension String {
  /// The text, or its beginning if it is longer than a line should be.
  fileprivate var shortened: String { count <= 90 ? self : prefix(89) + "…" }
}
