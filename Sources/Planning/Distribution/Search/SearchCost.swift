/// The value of a plan, or of a part of it: what the objective counts, and what decides where that
/// is equal. Both add up over the steps.
struct SearchCost: Hashable, Comparable {
  var primary: Double
  var secondary: Double

  static let zero = SearchCost(primary: 0, secondary: 0)
  static let infinite = SearchCost(primary: .infinity, secondary: .infinity)

  static func + (a: SearchCost, b: SearchCost) -> SearchCost {
    SearchCost(primary: a.primary + b.primary, secondary: a.secondary + b.secondary)
  }

  static func < (a: SearchCost, b: SearchCost) -> Bool {
    a.primary != b.primary ? a.primary < b.primary : a.secondary < b.secondary
  }
}

/// What work and traffic are worth under an objective.
struct CostModel: Sendable {
  let objective: Objective
  let machine: MachineModel
  let elementBytes: Double

  /// The work of the busiest rank.
  /// - Parameter elements: that it reads and writes.
  func work(macs: Double, elements: Double) -> SearchCost {
    let seconds = machine.computeSeconds(macs: macs, bytes: elements * elementBytes)
    switch objective {
    case .macs: return SearchCost(primary: macs, secondary: 0)
    case .bytes: return SearchCost(primary: 0, secondary: seconds)
    case .time: return SearchCost(primary: seconds, secondary: 0)
    }
  }

  /// What the rank that receives most receives.
  func traffic(_ move: MoveVolume) -> SearchCost {
    let bytes = move.elements * elementBytes
    let seconds = machine.communicationSeconds(
      messages: move.messages, bytes: bytes, crossesNodes: move.crossesNodes)
    switch objective {
    case .macs: return SearchCost(primary: 0, secondary: bytes)
    case .bytes: return SearchCost(primary: bytes, secondary: seconds)
    case .time: return SearchCost(primary: seconds, secondary: bytes)
    }
  }
}
