import ArgumentParser
import Convoy

/// What `plan` and `contract` have in common.
struct ExpressionOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "How a convolution mode is evaluated, e.g. 'h:stride=2,padding=1:2'; '*' is all modes.",
      discussion: """
        Settings: stride=N, dilation=N, padding=default|same|valid|full|wrap|LO:HI, \
        kind=convolution|correlation, boundary=zero|circular, feature=largest|OPERAND. A mode is \
        named without its parentheses. May be given several times.
        """,
      valueName: "mode:settings"))
  var conv: [String] = []

  @Option(help: "How the order is searched: auto, optimal, greedy or left-to-right.")
  var optimizer: Optimizer = .auto

  @Flag(help: "Count the gradients of all operands, and choose the order for them too.")
  var training = false

  @Option(help: "Seed of the randomised searches.")
  var seed: UInt64 = 0

  /// An expression with these shapes and the rules that were given.
  func bound(_ expression: String, shapes: [[Int]]) throws -> BoundExpression {
    try BoundExpression(expression, shapes: shapes, rules: try ConvRules(options: conv))
  }

  /// Plans an expression for these shapes.
  func plan(_ expression: String, shapes: [[Int]]) throws -> Plan {
    let bound = try bound(expression, shapes: shapes)
    let options = PlanOptions(
      optimizer: optimizer, needsGradient: training ? shapes.map { _ in true } : nil, seed: seed)
    return try Plan(bound, options: options)
  }
}

extension Optimizer: ExpressibleByArgument {}
