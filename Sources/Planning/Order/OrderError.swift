/// Why no order of contraction was found.
///
/// ```swift
/// do { _ = try findOrder(of: expression, optimizer: .optimal) } catch { print(error) }
/// ```
public enum OrderError: Error, Hashable, Sendable {
  /// There must be at least one operand.
  case noOperands
  /// `needsGradient` must say yes or no for every operand.
  case gradientMask(count: Int, operands: Int)
  /// `optimal` numbers subsets of operands by the bits of a 64-bit word.
  case tooManyOperands(operands: Int, limit: Int)
  /// `optimal` gave up after `work` units of work, about as many pairs of subsets looked at, with
  /// `subsets` subsets kept.
  case workLimit(operands: Int, work: Int, subsets: Int)
}

extension OrderError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .noOperands:
      return "cannot order an expression without operands: give it at least one"
    case .gradientMask(let count, let operands):
      return "the gradient mask has \(count) entries for \(operands) operands: give one for each"
    case .tooManyOperands(let operands, let limit):
      return "optimizer 'optimal' takes at most \(limit) operands, the expression has \(operands): "
        + "use 'greedy' or 'auto'"
    case .workLimit(let operands, let work, let subsets):
      return "optimizer 'optimal' gave up on \(operands) operands after \(work) units of work "
        + "(\(subsets) subsets kept): use 'greedy' or 'auto'"
    }
  }
}
