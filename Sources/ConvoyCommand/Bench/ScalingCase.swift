import Convoy

/// One expression that is benchmarked: what a file of cases has of it.
///
/// ```swift
/// let cases = try ScalingCase.read(path: "cluster/cases/scaling.json")
/// try cases[0].bound(growth: 4).shapes  // of the weak case on 4 ranks
/// ```
struct ScalingCase: Equatable {
  let name: String
  /// The kind of layer, e.g. `CP`, in files that have it; for people.
  let form: String?
  let expression: String
  /// As `--conv` takes them.
  let conv: [String]
  let shapes: [[Int]]
  /// The mode that grows with the number of ranks, without parentheses.
  let weak: String?
}

extension ScalingCase {
  /// The expression with its shapes, the weak mode's extent times `growth`.
  ///
  /// - Throws: `ExpressionError`, or a `Problem` of the weak mode.
  func bound(growth: Int = 1) throws -> BoundExpression {
    let rules = try ConvRules(options: conv)
    let bound = try BoundExpression(expression, shapes: shapes, rules: rules)
    guard let weak else { return bound }
    guard let mode = bound.modes.firstIndex(where: { $0.mode.name == weak }) else {
      throw Problem.unknownWeakMode(weak, known: bound.modes.map(\.mode.name))
    }
    guard bound.modes[mode].convolution == nil else { throw Problem.weakConvolution(weak) }
    guard growth > 1 else { return bound }
    var grown = shapes
    for (operand, modes) in bound.operands.enumerated() {
      for (dimension, number) in modes.enumerated() where number == mode {
        let (extent, isTooLarge) = shapes[operand][dimension]
          .multipliedReportingOverflow(by: growth)
        guard !isTooLarge else { throw Problem.weakExtent(weak, growth: growth) }
        grown[operand][dimension] = extent
      }
    }
    return try BoundExpression(expression, shapes: grown, rules: rules)
  }

  /// What is wrong with a weak mode.
  enum Problem: Error, Equatable, CustomStringConvertible {
    case unknownWeakMode(String, known: [String])
    case weakConvolution(String)
    case weakExtent(String, growth: Int)

    var description: String {
      switch self {
      case .unknownWeakMode(let mode, let known):
        "the expression has no mode '\(mode)' to grow; expected one of "
          + known.joined(separator: ", ")
      case .weakConvolution(let mode):
        "the mode '\(mode)' is convolved, so that work does not grow with it; expected another "
          + "mode for 'weak'"
      case .weakExtent(let mode, let growth):
        "the extent of mode '\(mode)', \(growth) times, is larger than can be counted"
      }
    }
  }
}
