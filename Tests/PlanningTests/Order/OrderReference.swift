@testable import Planning

/// The cost of contraction written down from its definition, on sets of operands and with no regard
/// for speed: shares nothing with the searches it checks.
struct OrderReference {
  let expression: BoundExpression
  let needsGradient: [Bool]?

  init(_ expression: BoundExpression, needsGradient: [Bool]? = nil) {
    self.expression = expression
    self.needsGradient = needsGradient
  }

  /// The modes of the value made of `operands`, with their extents.
  func modes(of operands: Set<Int>) -> [Int: Int] {
    var extents: [Int: Int] = [:]
    for mode in Set(operands.flatMap { expression.operands[$0].compactMap { $0 } }) {
      let isElsewhere = expression.operands.indices.contains {
        !operands.contains($0) && expression.operands[$0].contains(mode)
      }
      if operands.count == 1 || isElsewhere || expression.output.contains(mode) {
        extents[mode] = extent(mode, in: operands)
      }
    }
    return extents
  }

  /// The table of design, section 2: what a mode's extent is once `operands` are one value.
  func extent(_ mode: Int, in operands: Set<Int>) -> Int {
    guard let geometry = expression.modes[mode].convolution else {
      return expression.modes[mode].extent
    }
    let held = geometry.filters.filter { operands.contains($0.operand) }
    let span = held.reduce(0) { $0 + $1.extent - 1 }
    if !operands.contains(geometry.feature) { return span + 1 }
    if held.count == geometry.filters.count {
      let reach = geometry.filters.reduce(0) { $0 + geometry.dilation * ($1.extent - 1) }
      let padded = geometry.featureExtent + geometry.low + geometry.high
      return (padded - reach - 1) / geometry.stride + 1
    }
    if held.isEmpty { return geometry.featureExtent }
    return geometry.featureExtent + geometry.low + geometry.high - geometry.dilation * span
  }

  func elements(of operands: Set<Int>) -> Double {
    modes(of: operands).values.reduce(1) { $0 * Double($1) }
  }

  func macs(_ a: Set<Int>, _ b: Set<Int>) -> Double {
    let inA = modes(of: a)
    let inB = modes(of: b)
    return Set(inA.keys).union(inB.keys).reduce(1) { macs, mode in
      guard let x = inA[mode], let y = inB[mode] else {
        return macs * Double(inA[mode] ?? inB[mode] ?? 1)
      }
      guard let geometry = expression.modes[mode].convolution else { return macs * Double(x) }
      let slides = extent(mode, in: a.union(b))
      if a.contains(geometry.feature) { return macs * Double(slides * y) }
      if b.contains(geometry.feature) { return macs * Double(slides * x) }
      return macs * Double(x * y)
    }
  }

  func paperMacs(_ a: Set<Int>, _ b: Set<Int>) -> Double {
    let inA = modes(of: a)
    let inB = modes(of: b)
    return Set(inA.keys).union(inB.keys).reduce(1) { macs, mode in
      let isConvolution = expression.modes[mode].convolution != nil
      guard let x = inA[mode], let y = inB[mode] else {
        return macs * Double(inA[mode] ?? inB[mode] ?? 1)
      }
      return macs * Double(isConvolution ? x * y : x)
    }
  }

  /// What is minimised.
  func weightedMacs(_ a: Set<Int>, _ b: Set<Int>) -> Double {
    func gradients(_ operands: Set<Int>) -> Double {
      guard let needsGradient else { return 0 }
      return operands.contains { needsGradient[$0] } ? 1 : 0
    }
    return macs(a, b) * (1 + gradients(a) + gradients(b))
  }

  /// The operands in each value of an order; `nil` if it does not use each value exactly once.
  func operandSets(of order: ContractionOrder) -> [Set<Int>]? {
    var sets = expression.operands.indices.map { Set([$0]) }
    var used = Set<Int>()
    for pair in order.pairs {
      guard pair.first < pair.second, pair.second < sets.count,
        used.insert(pair.first).inserted, used.insert(pair.second).inserted
      else { return nil }
      sets.append(sets[pair.first].union(sets[pair.second]))
    }
    return sets.last?.count == expression.operands.count ? sets : nil
  }

  /// What is minimised, over a whole order.
  func weightedMacs(of order: ContractionOrder) -> Double? {
    operandSets(of: order).map { sets in
      order.pairs.reduce(0) { $0 + weightedMacs(sets[$1.first], sets[$1.second]) }
    }
  }
}

/// A tree's cost and its largest intermediate.
struct TreeCost: Comparable {
  var cost: Double
  var largest: Double

  static func < (x: TreeCost, y: TreeCost) -> Bool {
    (x.cost, x.largest) < (y.cost, y.largest)
  }
}

extension OrderReference {
  /// The cost of every binary tree over the operands: (2n − 3)!! of them.
  func allTrees() -> [TreeCost] { allTrees(over: Set(expression.operands.indices)) }

  private func allTrees(over operands: Set<Int>) -> [TreeCost] {
    if operands.count == 1 { return [TreeCost(cost: 0, largest: 0)] }
    let elements = elements(of: operands)
    return Self.splits(of: operands).flatMap { a, b in
      let step = weightedMacs(a, b)
      let right = allTrees(over: b)
      return allTrees(over: a).flatMap { x in
        right.map { y in
          TreeCost(
            cost: x.cost + y.cost + step, largest: max(x.largest, y.largest, elements))
        }
      }
    }
  }

  /// The least cost by dynamic programming over all subsets and splits, for up to ten operands.
  func leastCost() -> Double {
    var known: [Set<Int>: Double] = [:]
    func least(_ operands: Set<Int>) -> Double {
      if operands.count == 1 { return 0 }
      if let cost = known[operands] { return cost }
      let cost = Self.splits(of: operands).reduce(Double.infinity) { best, split in
        min(best, least(split.0) + least(split.1) + weightedMacs(split.0, split.1))
      }
      known[operands] = cost
      return cost
    }
    return least(Set(expression.operands.indices))
  }

  /// Every way to part a set in two, once.
  private static func splits(of operands: Set<Int>) -> [(Set<Int>, Set<Int>)] {
    let sorted = operands.sorted()
    return (0..<(1 << (sorted.count - 1)) - 1).map { bits in
      let a = Set(sorted.indices.filter { $0 == 0 || bits >> ($0 - 1) & 1 == 1 }.map { sorted[$0] })
      return (a, operands.subtracting(a))
    }
  }
}
