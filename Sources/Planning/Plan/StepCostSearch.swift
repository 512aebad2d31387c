/// The search of `Plan.init(_:needsGradient:known:cost:)`.
struct StepCostSearch {
  typealias Arrangement = PlanAssembly.Arrangement

  /// The best way to one set of operands with its result stored in one arrangement.
  private struct Way {
    let value: Int
    let modes: [Int?]
    let cost: Double
    let parts: (first: Int, firstWay: Int, second: Int, secondWay: Int)?
    let arrangement: Arrangement
  }

  /// By what factor a set's second layout may be dearer than its best and still be of use.
  private static let worstLayout = 1.5

  private let count: Int
  private let needsGradient: [Bool]?
  private let cost: (Step, [Bool], Double) -> Double
  private let largest: Int
  private var assembly: PlanAssembly
  private let operands: [Int: [Way]]
  /// By set, a bit for every operand.
  private var ways: [Int: [Way]] = [:]
  /// What costs more is part of no plan that is wanted.
  private var bound = Double.infinity

  init(
    _ expression: BoundExpression, needsGradient: [Bool]?,
    cost: @escaping (Step, [Bool], Double) -> Double
  ) {
    count = expression.operands.count
    self.needsGradient = needsGradient
    self.cost = cost
    let elements = expression.shapes.map { $0.reduce(1.0) { $0 * Double($1) } }
    largest = elements.indices.max { elements[$0] < elements[$1] } ?? 0
    var assembly = PlanAssembly(expression)
    operands = Dictionary(
      uniqueKeysWithValues: (0..<count).map { operand in
        let value = assembly.prepare(operand: operand)
        let way = Way(
          value: value, modes: assembly.values[value].modes, cost: 0, parts: nil,
          arrangement: .appended)
        return (1 << operand, [way])
      })
    self.assembly = assembly
  }

  /// The best order, and the arrangement of every result; `nil` if there is none that costs no more than `bound`.
  mutating func order(
    atMost bound: Double
  ) -> (pairs: [ContractionOrder.Pair], arrangements: [Arrangement])? {
    self.bound = bound
    ways = operands
    let everything = (1 << count) - 1
    let others = everything ^ 1 << largest
    let sets = (1..<everything).filter { ways[$0] == nil }
    for set in sets where set & others == set { ways[set] = best(of: set) }
    // All others before the largest is one plan, and often a good one.
    var whole: [[Int?]: Way] = [:]
    split(everything, others, &whole)
    self.bound = min(bound, whole.values.map(\.cost).min() ?? .infinity)
    for set in sets where set & others != set { ways[set] = best(of: set) }
    if count > 1 {
      ways[everything] = best(of: everything, known: whole).filter { $0.cost <= self.bound }
    }
    guard ways[everything]?.isEmpty == false else { return nil }
    var pairs: [ContractionOrder.Pair] = []
    var arrangements: [Arrangement] = []
    func number(_ set: Int, _ index: Int) -> Int {
      guard let way = ways[set]?[index], let parts = way.parts else {
        return set.trailingZeroBitCount
      }
      let a = number(parts.first, parts.firstWay)
      let b = number(parts.second, parts.secondWay)
      pairs.append(.init(a, b))
      arrangements.append(way.arrangement)
      return count + pairs.count - 1
    }
    _ = number(everything, 0)
    return (pairs, arrangements)
  }

  private mutating func best(of set: Int, known: [[Int?]: Way] = [:]) -> [Way] {
    // By the order of modes: arrangements that come to the same are one way.
    var best = known
    var part = (set - 1) & set
    while part > 0 {
      // Each split once: the part with the first operand is the first.
      if part & set & -set != 0 { split(set, part, &best) }
      part = (part - 1) & set
    }
    // Two layouts are enough to choose from: more would multiply the search.
    return Array(best.values.sorted { ($0.cost, $0.value) < ($1.cost, $1.value) }.prefix(2))
  }

  /// Joins a part of a set and the rest of it, in all ways that may be among the set's best.
  private mutating func split(_ set: Int, _ part: Int, _ best: inout [[Int?]: Way]) {
    for (i, a) in (ways[part] ?? []).enumerated() {
      for (j, b) in (ways[set ^ part] ?? []).enumerated() {
        let parts = a.cost + b.cost
        // A step may cost nothing, as of an empty tensor: what is at the bound may still be the plan itself.
        guard parts <= bound, best.values.map(\.cost).min().map({ parts < $0 }) ?? true else {
          continue
        }
        var seen: [[Int?]] = []
        for arrangement in Arrangement.allCases {
          let value = assembly.contract(
            a.value, b.value, macs: 0, arrangement: arrangement, isLast: set == (1 << count) - 1)
          let modes = assembly.values[value].modes
          guard !seen.contains(modes) else { continue }
          seen.append(modes)
          let step = assembly.steps[assembly.steps.count - 1]
          let least = best.values.map(\.cost).min() ?? .infinity
          let limit = min(Self.worstLayout * least, bound.nextUp) - parts
          let total = parts + cost(step, [isNeeded(part), isNeeded(set ^ part)], limit)
          guard total <= bound, best[modes].map({ total < $0.cost }) ?? true else { continue }
          best[modes] = Way(
            value: value, modes: modes, cost: total, parts: (part, i, set ^ part, j),
            arrangement: arrangement)
        }
      }
    }
  }

  private func isNeeded(_ set: Int) -> Bool {
    (0..<count).contains { set >> $0 & 1 == 1 && needsGradient?[$0] ?? false }
  }
}
