import HeapModule

/// The greedy search of opt_einsum and cotengra (Gray and Kourtis, *Hyper-optimized tensor network
/// contraction*, Quantum 5, 410): of all pairs of values that share a mode, contract the one of
/// least
///
///     ± log₂ |size(AB) − α (size(A) + size(B))| − T · Gumbel noise
///
/// until none is left, then multiply what is disconnected, the smallest values first. The first
/// trial has α = 1 and T = 0; the others draw both at random. Trials continue until the budget of
/// work, counted in modes visited, is used up.
struct GreedySearch {
  let network: NetworkModes
  private var random: RandomSource

  /// Modes visited in all trials, and while the best tree is improved, for each operand.
  static let trialBudget = 20_000
  static let improvementBudget = 200_000
  static let maximumTrials = 128
  static let improvementWidth = 8

  init(_ network: NetworkModes, seed: UInt64) {
    self.network = network
    random = RandomSource(seed: seed)
  }

  /// The best tree of all trials, improved.
  mutating func run() -> ContractionTree {
    let count = network.leaves.count
    var work = 0
    var best = trial(scale: 1, temperature: 0, work: &work)
    var bestCost = best.cost(in: network)
    var trials = 1
    while trials < Self.maximumTrials && work < Self.trialBudget * count {
      // Both uniform in their logarithm: α in ¼ … 4, T in 2⁻¹⁰ … 1.
      let scale = exponential2(4 * random.uniform() - 2)
      let temperature = exponential2(-10 * random.uniform())
      let tree = trial(scale: scale, temperature: temperature, work: &work)
      let cost = tree.cost(in: network)
      if cost < bestCost { (best, bestCost) = (tree, cost) }
      trials += 1
    }
    var improvement = Self.improvementBudget * count
    best.improve(in: network, width: Self.improvementWidth, work: &improvement)
    return best
  }

  private struct Candidate: Comparable {
    let score: Double
    let a: Int
    let b: Int

    static func < (x: Candidate, y: Candidate) -> Bool {
      (x.score, x.a, x.b) < (y.score, y.a, y.b)
    }
  }

  private mutating func trial(
    scale: Double, temperature: Double, work: inout Int
  ) -> ContractionTree {
    let count = network.leaves.count
    var values = network.leaves
    var sizes = values.map { network.elements($0) }
    var isAlive = [Bool](repeating: true, count: count)
    var carriers = [[Int]](repeating: [], count: network.modes.count)
    for (value, geometry) in values.enumerated() {
      for entry in geometry.entries { carriers[entry.mode].append(value) }
    }
    var children: [(Int, Int)] = []
    var heap = Heap<Candidate>()
    // The neighbour of one value that was last pushed is marked with it: each pair once.
    var mark = [Int](repeating: -1, count: 2 * count)

    func push(_ value: Int, below limit: Int) {
      for entry in values[value].entries {
        for neighbour in carriers[entry.mode] where neighbour < limit {
          if mark[neighbour] == value { continue }
          mark[neighbour] = value
          work += values[neighbour].entries.count + values[value].entries.count
          let result = network.elements(joining: values[neighbour], values[value])
          let score = logScore(result - scale * (sizes[neighbour] + sizes[value]))
          let noise = temperature == 0 ? 0 : temperature * random.gumbel()
          heap.insert(Candidate(score: score - noise, a: neighbour, b: value))
        }
      }
    }
    func contract(_ a: Int, _ b: Int) -> Int {
      let result = values.count
      let geometry = network.join(values[a], values[b])
      for value in [a, b] {
        isAlive[value] = false
        for entry in values[value].entries { carriers[entry.mode].removeAll { $0 == value } }
      }
      for entry in geometry.entries { carriers[entry.mode].append(result) }
      values.append(geometry)
      sizes.append(network.elements(geometry))
      isAlive.append(true)
      children.append((a, b))
      return result
    }

    for value in 0..<count { push(value, below: value) }
    while let pair = heap.popMin() {
      if isAlive[pair.a] && isAlive[pair.b] {
        let result = contract(pair.a, pair.b)
        push(result, below: result)
      }
    }
    var parts = Heap(
      values.indices.filter { isAlive[$0] }.map { Candidate(score: sizes[$0], a: $0, b: $0) })
    while let a = parts.popMin(), let b = parts.popMin() {
      let result = contract(a.a, b.a)
      parts.insert(Candidate(score: sizes[result], a: result, b: result))
    }
    return ContractionTree(leafCount: count, children: children)
  }
}

/// log₂ of the distance from 0, with the sign: monotone, so that noise acts on ratios.
private func logScore(_ difference: Double) -> Double {
  let magnitude = approximateLog2(min(abs(difference), .greatestFiniteMagnitude) + 1)
  return difference < 0 ? -magnitude : magnitude
}

/// 2ˣ by linear interpolation between the powers of two, the inverse of `approximateLog2`.
private func exponential2(_ x: Double) -> Double {
  let floor = x.rounded(.down)
  return Double(sign: .plus, exponent: Int(floor), significand: 1 + x - floor)
}
