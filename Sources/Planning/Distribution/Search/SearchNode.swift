import Partitioning

/// A value during the search: an operand, or what a set of operands is contracted to, with the best
/// way to bring it to rest in each of some layouts.
final class SearchNode {
  /// One layout to rest in, and the cheapest way there.
  struct Resting {
    let layout: Int
    let partialAxes: [Int]
    let cost: SearchCost
    let decision: Decision
  }

  /// How a value is made.
  struct Decision {
    let operands: [SearchNode]
    /// The layouts that the operands are needed in.
    let needed: [Int]
    let grid: StepGrid
    let computed: Int
  }

  /// Where an operand, or the value `resting`, comes from.
  enum Origin {
    /// An operand that starts in a layout.
    case operand(Int, layout: Int)
    case resting(Resting)
  }

  /// Number in the assembly.
  let value: Int
  /// Set for an operand that needs no preparation.
  let operand: Int?
  let needsGradient: Bool
  /// By cost, ascending; none for an operand.
  var restings: [Resting] = []
  /// By layout needed.
  var supplies: [Int: (cost: SearchCost, origin: Origin)?] = [:]

  init(value: Int, operand: Int?, needsGradient: Bool) {
    self.value = value
    self.operand = operand
    self.needsGradient = needsGradient
  }

  /// The sets of axes along which the value may be partial.
  var partialChoices: [[Int]] {
    guard operand == nil else { return [[]] }
    return Set(restings.map(\.partialAxes)).sorted { $0.lexicographicallyPrecedes($1) }
  }
}

/// What searches have done so far, in elementary steps of one or two microseconds, so that who makes
/// several can stop at the same place on every machine.
package final class SearchEffort {
  /// There is no more to be done than this.
  package var limit: Int
  package var count = 0

  package init(limit: Int = .max) { self.limit = limit }

  package var isExhausted: Bool { count >= limit }

  /// A search that was not gone through with.
  package struct Exhausted: Error {}
}
