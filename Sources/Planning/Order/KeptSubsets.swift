/// The subsets that a pass of the capped search has kept, by size and within a size by *group*, the
/// subset's lowest bits, so that the subsets disjoint from a given one are found group by group.
struct KeptSubsets {
  /// The subsets of one size.
  struct Level {
    let members: Range<Int>
    /// The bits that are the group.
    let groupMask: UInt64
    /// The members of group g are groupStarts[g] ..< groupStarts[g + 1], the cheapest first.
    let groupStarts: [Int]
  }

  private(set) var masks: [UInt64] = []
  /// Of the best tree.
  private(set) var costs: [Double] = []
  /// The largest intermediate of that tree.
  private(set) var largest: [Double] = []
  private(set) var plainElements: [Double] = []
  /// `wordCount` for each.
  private(set) var bundles: [UInt64] = []
  /// Tracked extents, one for each convolution mode.
  private(set) var extents: [Double] = []
  /// The two subsets of the best split.
  private(set) var splits: [(Int32, Int32)] = []
  /// Of size 1, 2, ….
  private(set) var levels: [Level] = []

  /// A group is at most so many bits: then it takes more subsets to fill the groups than to visit
  /// them.
  static let maximumGroupBits = 10

  var count: Int { masks.count }

  /// Closes a size: what is below the cap is kept.
  mutating func append(
    _ open: OpenSubsets, cap: Double, network: SubsetNetwork, budget: inout SearchBudget
  ) {
    var kept = open.entries.filter { $0.cost + $0.rest < cap }
    // About eight subsets in a group.
    let wanted = kept.count.bitWidth - kept.count.leadingZeroBitCount - 4
    let bits = max(0, min(network.operandCount, Self.maximumGroupBits, wanted))
    let groupMask: UInt64 = (1 << UInt64(bits)) - 1
    budget.work +=
      open.entries.count + kept.count
      * (network.valueWork + 8 * kept.count.bitWidth
        - 8 * kept.count.leadingZeroBitCount)
    kept.sort {
      ($0.mask & groupMask, $0.cost, $0.mask) < ($1.mask & groupMask, $1.cost, $1.mask)
    }
    let start = count
    var groupStarts = [Int](repeating: 0, count: Int(groupMask) + 2)
    groupStarts[0] = start
    for entry in kept {
      groupStarts[Int(entry.mask & groupMask) + 1] += 1
      masks.append(entry.mask)
      costs.append(entry.cost)
      largest.append(entry.largest)
      plainElements.append(network.plainElements(entry.mask))
      for word in 0..<network.wordCount {
        bundles.append(network.bundles(of: entry.mask, word: word))
      }
      for number in network.convolutions.indices {
        extents.append(network.extent(ofConvolution: number, in: entry.mask))
      }
      splits.append(entry.split)
    }
    for group in 0...Int(groupMask) { groupStarts[group + 1] += groupStarts[group] }
    levels.append(Level(members: start..<count, groupMask: groupMask, groupStarts: groupStarts))
  }

  /// Contracts every kept subset of `smaller` operands with every disjoint one of `larger`, as far
  /// as `budget` allows.
  func contract(
    _ smaller: Int, _ larger: Int, network: SubsetNetwork, cap: Double,
    into open: inout OpenSubsets, budget: inout SearchBudget
  ) {
    let outer = levels[smaller - 1]
    let inner = levels[larger - 1]
    let stepWork = network.stepWork
    for i in outer.members {
      let a = masks[i]
      let free = inner.groupMask & ~a
      var group: UInt64 = 0
      repeat {
        // `b` runs over the groups that share no bit with `a`, that is over the subsets of `free`.
        let members = inner.groupStarts[Int(group)]..<inner.groupStarts[Int(group) + 1]
        budget.work += 2
        for j in members {
          budget.work += 1
          let b = masks[j]
          let parts = costs[i] + costs[j]
          if parts >= cap { break }
          if a & b != 0 || (smaller == larger && b < a) { continue }
          budget.work += stepWork
          let total = parts + stepCost(i, j, network)
          if total >= cap { continue }
          // The hash table is larger than the caches.
          budget.work += 8
          let number =
            open.number(of: a | b) ?? open.append(a | b, in: network, budget: &budget)
          open.update(
            number, cost: total, largest: max(largest[i], largest[j]),
            split: (Int32(i), Int32(j)), cap: cap)
        }
        group = (group &- free) & free
      } while group != 0
      if budget.isExhausted(subsets: count + open.entries.count) { return }
    }
  }

  @inline(__always)
  private func stepCost(_ i: Int, _ j: Int, _ network: SubsetNetwork) -> Double {
    let a = masks[i]
    let b = masks[j]
    var cost = plainElements[i] * network.trainingFactor(a, b)
    let wordCount = network.wordCount
    for word in 0..<wordCount {
      let added = bundles[j * wordCount + word] & ~bundles[i * wordCount + word]
      cost *= network.product(added, word: word)
    }
    let convolutionCount = network.convolutions.count
    for number in 0..<convolutionCount {
      cost *= network.factor(
        network.convolutions[number], a, extents[i * convolutionCount + number], b,
        extents[j * convolutionCount + number])
    }
    return cost
  }
}

/// Subsets of the size being searched: the best that is known of each so far.
struct OpenSubsets {
  struct Entry {
    let mask: UInt64
    /// Lower bound of the steps that follow.
    let rest: Double
    let elements: Double
    var cost: Double
    var largest: Double
    var split: (Int32, Int32)
  }

  private(set) var entries: [Entry] = []
  /// Open addressing with linear probing: numbers of entries, −1 where free; at most half full.
  private var slots = [Int32](repeating: -1, count: 1 << 10)

  /// The operands, at no cost.
  init(operandsOf network: SubsetNetwork, budget: inout SearchBudget) {
    for operand in 0..<network.operandCount {
      let number = append(1 << UInt64(operand), in: network, budget: &budget)
      entries[number].cost = 0
      entries[number].largest = 0
    }
  }

  init() {}

  @inline(__always)
  func number(of mask: UInt64) -> Int? {
    let number = slots[slot(of: mask)]
    return number < 0 ? nil : Int(number)
  }

  mutating func append(
    _ mask: UInt64, in network: SubsetNetwork, budget: inout SearchBudget
  ) -> Int {
    budget.work += 3 * network.operandCount + network.valueWork
    if 2 * (entries.count + 1) > slots.count {
      slots = [Int32](repeating: -1, count: 4 * slots.count)
      for number in entries.indices { slots[slot(of: entries[number].mask)] = Int32(number) }
    }
    slots[slot(of: mask)] = Int32(entries.count)
    entries.append(
      Entry(
        mask: mask, rest: network.leastRest(mask), elements: network.elements(mask),
        cost: .infinity, largest: .infinity, split: (0, 0)))
    return entries.count - 1
  }

  /// Takes a split if it is better: cheaper, or as cheap with a smaller largest intermediate, of
  /// which `largest` is that of the parts.
  @inline(__always)
  mutating func update(
    _ number: Int, cost: Double, largest: Double, split: (Int32, Int32), cap: Double
  ) {
    let entry = entries[number]
    if cost > entry.cost || cost + entry.rest >= cap { return }
    let largest = max(largest, entry.elements)
    if cost == entry.cost && largest >= entry.largest { return }
    entries[number].cost = cost
    entries[number].largest = largest
    entries[number].split = split
  }

  /// Where `mask` is, or would be.
  @inline(__always)
  private func slot(of mask: UInt64) -> Int {
    let mixed = mask &* 0x9E37_79B9_7F4A_7C15
    var slot = Int(truncatingIfNeeded: (mixed ^ (mixed >> 32)) >> 8) & (slots.count - 1)
    while slots[slot] >= 0 && entries[Int(slots[slot])].mask != mask {
      slot = (slot + 1) & (slots.count - 1)
    }
    return slot
  }
}
