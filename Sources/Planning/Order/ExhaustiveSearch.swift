/// The best tree over a few values by dynamic programming over all their subsets:
///
///     best(S) = min over A ⊎ B = S of best(A) + best(B) + cost(A, B)
///
/// 3^k / 2 splits of 2^k subsets, so for about ten values at most. Among trees of equal cost the
/// one with the smallest largest intermediate wins (both are optimal substructures: a cheapest tree
/// has cheapest subtrees, and the maximum grows with its parts), then the first found.
struct ExhaustiveSearch {
  let cost: Double
  /// Steps in order: the given values are 0 ..< k, the results k, k + 1, ….
  let steps: [(Int, Int)]
  /// Modes visited.
  let work: Int

  init(_ values: [ValueGeometry], in network: NetworkModes) {
    let subsets = 1 << values.count
    let empty = ValueGeometry(entries: [], needsGradient: false)
    var geometry = [ValueGeometry](repeating: empty, count: subsets)
    var best = [Double](repeating: 0, count: subsets)
    var largest = [Double](repeating: 0, count: subsets)
    var split = [Int](repeating: 0, count: subsets)
    var work = 0
    for subset in 1..<subsets {
      let lowest = subset & -subset
      let others = subset ^ lowest
      if others == 0 {
        geometry[subset] = values[subset.trailingZeroBitCount]
        continue
      }
      geometry[subset] = network.join(geometry[lowest], geometry[others])
      let elements = network.elements(geometry[subset])
      // Every split once: `a` is the part that holds the lowest value.
      var extra = 0
      repeat {
        let a = lowest | extra
        let b = subset ^ a
        let parts = best[a] + best[b]
        if split[subset] == 0 || parts <= best[subset] {
          work += geometry[a].entries.count + geometry[b].entries.count + 1
          let total = parts + network.weightedMacs(geometry[a], geometry[b])
          let peak = max(elements, largest[a], largest[b])
          if split[subset] == 0 || (total, peak) < (best[subset], largest[subset]) {
            best[subset] = total
            largest[subset] = peak
            split[subset] = a
          }
        }
        extra = (extra - others) & others
      } while extra != others
    }
    cost = best[subsets - 1]
    steps = Self.steps(of: subsets - 1, split: split, count: values.count)
    self.work = work
  }

  private static func steps(of whole: Int, split: [Int], count: Int) -> [(Int, Int)] {
    var steps: [(Int, Int)] = []
    func number(of subset: Int) -> Int {
      if subset & (subset - 1) == 0 { return subset.trailingZeroBitCount }
      let a = number(of: split[subset])
      let b = number(of: subset ^ split[subset])
      steps.append((a, b))
      return count + steps.count - 1
    }
    _ = number(of: whole)
    return steps
  }
}

extension ContractionTree {
  /// Replaces small subtrees by optimal ones until none gets cheaper or `work` runs out; never makes
  /// the tree dearer. A subtree is a step with the values that remain when its largest
  /// intermediates are opened again, `width` of them.
  mutating func improve(in network: NetworkModes, width: Int, work: inout Int) {
    var values = geometries(in: network)
    var isImproved = true
    while isImproved {
      isImproved = false
      for step in stepsUpwards {
        if work <= 0 { return }
        let (frontier, inner) = open(step, width: width, values: values, in: network)
        if frontier.count < 3 { continue }
        let old = inner.reduce(0.0) { sum, step in
          let (a, b) = childrenOf(step)
          return sum + network.weightedMacs(values[a], values[b])
        }
        let search = ExhaustiveSearch(frontier.map { values[$0] }, in: network)
        work -= search.work
        // Less by more than rounding, or it might never end.
        guard search.cost < old * (1 - 1e-12) else { continue }
        // The last of the new steps is the subtree's root, and so is the last of the old ones.
        let numbers = frontier + inner
        for (node, (a, b)) in zip(inner, search.steps) {
          children[node - leafCount] = (numbers[a], numbers[b])
          values[node] = network.join(values[numbers[a]], values[numbers[b]])
        }
        isImproved = true
      }
    }
  }

  /// Opens `step`: the values that go in, and the steps within, `step` itself last.
  private func open(
    _ step: Int, width: Int, values: [ValueGeometry], in network: NetworkModes
  ) -> (frontier: [Int], inner: [Int]) {
    let (a, b) = childrenOf(step)
    var frontier = [a, b]
    var sizes = frontier.map { isLeaf($0) ? -1 : network.elements(values[$0]) }
    var inner = [step]
    while frontier.count < width {
      guard let largest = sizes.indices.max(by: { sizes[$0] < sizes[$1] }), sizes[largest] >= 0
      else { break }
      let opened = frontier[largest]
      let (a, b) = childrenOf(opened)
      frontier[largest] = a
      frontier.append(b)
      sizes[largest] = isLeaf(a) ? -1 : network.elements(values[a])
      sizes.append(isLeaf(b) ? -1 : network.elements(values[b]))
      inner.append(opened)
    }
    return (frontier, inner.reversed())
  }
}
