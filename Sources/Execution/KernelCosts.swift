import Kernels
import Planning

/// The time of a plan's steps by the kernels' own estimates: what planners are given where time counts.
///
/// ```swift
/// let plan = try Plan(bound, options: PlanOptions(runs: .often), costs: KernelCosts())
/// ```
public struct KernelCosts: StepCostModel {
  /// The kernels that will run it.
  public let context: Context

  public init(_ context: Context = .process) { self.context = context }

  public func estimates(of expression: BoundExpression) -> any StepEstimates {
    KernelEstimates(expression, context)
  }
}

/// What the kernels' estimates say of the steps of one expression.
private struct KernelEstimates: StepEstimates {
  /// A quarter of a multiply-add, as minimal filtering counts, at 200 GFLOP/s.
  private static let leastNanosecondsPerMac = 0.0025
  /// About as fast as one core reads or writes what is in no cache.
  private static let nanosecondsPerElement = 0.1

  /// Steps below this are estimated roughly: a hundredth of what it takes to read the operands and write the result.
  private let smallNanoseconds: Double
  private let context: Context

  init(_ expression: BoundExpression, _ context: Context) {
    self.context = context
    let elements = (expression.shapes + [expression.outputShape]).reduce(0.0) {
      $0 + $1.reduce(1.0) { $0 * Double($1) }
    }
    smallNanoseconds = 0.01 * Self.nanosecondsPerElement * elements
  }

  /// What a step writes, if these of its operands need a gradient.
  private static func roles(_ needed: [Bool]) -> [ContractionNest.Role] {
    [.result] + zip([ContractionNest.Role.first, .second], needed).filter(\.1).map(\.0)
  }

  mutating func nanoseconds(_ step: Step, needed: [Bool], limit: Double) -> Double {
    guard ([step.resultShape] + step.operandShapes).allSatisfy(Plan.isAddressable) else {
      return .infinity
    }
    let nest = ContractionNest(step)
    let macs = nest.loops.reduce(1.0) { $0 * Double($1) }
    let roles = Self.roles(needed)
    let rough = 1000 + 0.2 * macs
    guard rough > smallNanoseconds else { return rough * Double(roles.count) }
    // What no kernel here undercuts; most steps of most orders are out of the question by it alone.
    let least = Self.leastNanosecondsPerMac * macs
    var total = least * Double(roles.count)
    for role in roles where total < limit { total += time(nest, role) - least }
    return total
  }

  mutating func nanoseconds(
    _ step: Step, _ distribution: StepDistribution, rank: Int, needed: [Bool]
  ) -> Double {
    let nest = ContractionNest(StepPart(step, distribution, rank: rank))
    return Self.roles(needed).reduce(0) { $0 + time(nest, $1) }
  }

  private func time(_ nest: ContractionNest, _ role: ContractionNest.Role) -> Double {
    context.nanoseconds(of: nest, writing: role)
  }
}
