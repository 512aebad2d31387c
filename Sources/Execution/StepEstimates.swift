import Kernels
import Planning

/// What the kernels' estimates say of the steps of one expression.
struct StepEstimates {
  /// A quarter of a multiply-add, as minimal filtering counts, at 200 GFLOP/s.
  private static let leastNanosecondsPerMac = 0.0025
  /// About as fast as one core reads or writes what is in no cache.
  private static let nanosecondsPerElement = 0.1

  /// Steps below this are estimated roughly: a hundredth of what it takes to read the operands and write the result.
  private let smallNanoseconds: Double
  private let context: Context
  /// Different orders have many steps in common.
  private var known: [ContractionNest: [ContractionNest.Role: Double]] = [:]

  init(_ expression: BoundExpression, _ context: Context) {
    self.context = context
    let elements = (expression.shapes + [expression.outputShape]).reduce(0.0) {
      $0 + $1.reduce(1.0) { $0 * Double($1) }
    }
    smallNanoseconds = 0.01 * Self.nanosecondsPerElement * elements
  }

  /// What a step writes, if these of its operands need a gradient.
  static func roles(_ needed: [Bool]) -> [ContractionNest.Role] {
    [.result] + zip([ContractionNest.Role.first, .second], needed).filter(\.1).map(\.0)
  }

  /// Of all steps together.
  mutating func nanoseconds(of plan: Plan, needsGradient: [Bool]?) -> Double {
    var isNeeded = needsGradient ?? plan.expression.shapes.map { _ in false }
    return plan.steps.reduce(0) { total, step in
      let needed = step.operands.map { isNeeded[$0] }
      isNeeded.append(needed.contains(true))
      return total + nanoseconds(step, needed: needed, limit: .infinity)
    }
  }

  /// Of one step, with the gradients of the operands that need one; where it is not less than the limit,
  /// anything that is not.
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

  private mutating func time(_ nest: ContractionNest, _ role: ContractionNest.Role) -> Double {
    if let time = known[nest]?[role] { return time }
    let time = LoweredNest(nest, writing: role, context: context).nanoseconds
    known[nest, default: [:]][role] = time
    return time
  }
}
