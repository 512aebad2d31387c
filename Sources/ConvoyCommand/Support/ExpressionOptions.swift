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

  /// The plan of fewest multiply-adds that the optimizer finds.
  func plan(_ bound: BoundExpression) throws -> Plan {
    try Plan(bound, options: planOptions(bound))
  }

  /// The plan that one process runs.
  ///
  /// - Parameter objective: `nil`: the time of the search and of the run; any other optimizer than `auto` has its own.
  func runningPlan(_ bound: BoundExpression, objective: Objective?) throws -> Plan {
    switch objective {
    case nil: try Plan(bound, options: planOptions(bound), costs: KernelCosts())
    case .time: try Plan(bound, options: planOptions(bound, .often), costs: KernelCosts())
    default: try plan(bound)
    }
  }

  /// Which operands need a gradient; `nil`: none.
  func needsGradient(_ bound: BoundExpression) -> [Bool]? {
    training ? bound.shapes.map { _ in true } : nil
  }

  private func planOptions(
    _ bound: BoundExpression, _ runs: PlanOptions.Runs = .once
  ) -> PlanOptions {
    PlanOptions(
      optimizer: optimizer, needsGradient: needsGradient(bound), seed: seed, runs: runs)
  }
}

extension Optimizer: ExpressibleByArgument {}
