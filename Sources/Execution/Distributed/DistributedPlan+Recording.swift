import Partitioning
import Planning

/// What a recorded run keeps for the reverse pass: pure, and the same for the forward schedule that
/// keeps it, the reverse schedule that is given it, and the prediction that counts it.
///
/// The operands of a step stay where the step needed them. Of a step that runs in slices they would
/// be as large as what the slices save: they are computed once more, slice by slice, from what rests
/// outside of slices, and only that stays.
extension DistributedPlan {
  /// In which layout a step's operand stays.
  enum Keeping: Hashable {
    case nothing
    /// Where the step needs it.
    case needed
    /// Where it rests.
    case resting
  }

  func isSliced(_ step: Int) -> Bool { steps[step].grid.isSliced }

  func isMadeInSlices(_ value: Int) -> Bool {
    value >= inputs.count && isSliced(value - inputs.count)
  }

  /// The sliced step, if there is one, that reads the result of a sliced step.
  func slicedConsumer(of step: Int) -> Int? {
    guard isSliced(step) else { return nil }
    return plan.steps.indices.first {
      isSliced($0) && plan.steps[$0].operands.contains(inputs.count + step)
    }
  }

  func keeping(step: Int, position: Int) -> Keeping {
    let operands = plan.steps[step].operands
    let isPair = operands.count == 2
    guard isSliced(step) else { return isPair ? .needed : .nothing }
    let isRead = isPair || slicedConsumer(of: step) != nil
    return isRead && !isMadeInSlices(operands[position]) ? .resting : .nothing
  }

  /// Everything that is kept, in the order in which the reverse pass is given it.
  func kept() -> [(step: Int, position: Int, layout: Layout, isTheCallers: Bool)] {
    plan.steps.indices.flatMap { step in
      plan.steps[step].operands.indices.compactMap { position in
        let value = plan.steps[step].operands[position]
        let rest = layout(of: value)
        let needed = steps[step].operands[position]
        switch keeping(step: step, position: position) {
        case .nothing: return nil
        case .resting: return (step, position, rest, value < inputs.count)
        case .needed:
          let isInPlace = Redistribution(from: rest, to: needed).isIdentity
          return (step, position, needed, isInPlace && value < inputs.count)
        }
      }
    }
  }
}
