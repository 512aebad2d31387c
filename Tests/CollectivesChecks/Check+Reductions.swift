import Collectives

extension Check {
  /// Sums, against the pairwise sum in the order of ranks that each rank works out for itself.
  static let reductions: [Check] = [
    Check(description: "allReduce of small integers is exact") { group in
      let sumOfRanks = group.size * (group.size - 1) / 2
      for length in lengths(group) {
        let expected = (0..<length).map { group.size * $0 + sumOfRanks }
        let floats = try group.sum((0..<length).map { Float($0 + group.rank) })
        try expect(floats == expected.map { Float($0) }, "Float, length \(length)")
        let doubles = try group.sum((0..<length).map { Double($0 + group.rank) })
        try expect(doubles == expected.map { Double($0) }, "Double, length \(length)")
      }
    },
    Check(description: "allReduce adds pairwise in the order of ranks, to the bit") { group in
      for length in lengths(group) {
        let floats = try group.sum((0..<length).map { Float(sample($0, rank: group.rank)) })
        let doubles = try group.sum((0..<length).map { sample($0, rank: group.rank) })
        for i in 0..<length {
          let float = pairwiseSum(0..<group.size) { Float(sample(i, rank: $0)) }
          let double = pairwiseSum(0..<group.size) { sample(i, rank: $0) }
          try expect(
            floats[i].bitPattern == float.bitPattern, "[\(i)] of \(length): \(floats[i]) \(float)")
          try expect(
            doubles[i].bitPattern == double.bitPattern,
            "[\(i)] of \(length): \(doubles[i]) \(double)")
        }
      }
    },
    Check(description: "allReduce over more than one block of workspace") { group in
      // 3 Mi Floats are 12 MiB, more than the 8 MiB of workspace, at each number of ranks ≥ 2.
      let length = 3 << 20
      let sums = try group.sum((0..<length).map { Float(($0 + group.rank) % 1024) })
      for i in Swift.stride(from: 0, to: length, by: 997) {
        let expected = (0..<group.size).reduce(0) { $0 + ($1 + i) % 1024 }
        try expect(sums[i] == Float(expected), "[\(i)]: \(sums[i]), not \(expected)")
      }
    },
    Check(description: "allReduce hands NaN and infinity to all ranks") { group in
      let last = group.rank == group.size - 1
      let sums = try group.sum([last ? Float.nan : 1, last ? .infinity : 1, 1])
      try expect(sums[0].isNaN && sums[1] == .infinity, "\(sums)")
      try expect(sums[2] == Float(group.size), "\(sums)")
    },
    Check(description: "reduceScatter of uneven and empty parts") { group in
      for unit in [1, 100, 30_001] {
        let counts = (0..<group.size).map { ($0 + 1) % 3 * unit }
        let start = counts[..<group.rank].reduce(0, +)
        let own = start..<start + counts[group.rank]
        let total = counts.reduce(0, +)
        let part = try group.scatterSum(
          (0..<total).map { Float(sample($0, rank: group.rank)) }, counts: counts, part: own.count)
        for i in own {
          let expected = pairwiseSum(0..<group.size) { Float(sample(i, rank: $0)) }
          try expect(part[i - start].bitPattern == expected.bitPattern, "[\(i)] of \(total)")
        }
      }
    },
    Check(description: "reduceScatter in place, Double") { group in
      let counts = (0..<group.size).map { $0 + 2 }
      let start = counts[..<group.rank].reduce(0, +)
      let own = start..<start + counts[group.rank]
      var whole = (0..<counts.reduce(0, +)).map { Double($0 + group.rank) }
      try whole.withUnsafeMutableBufferPointer { buffer in
        try group.reduceScatter(
          UnsafeBufferPointer(buffer), counts: counts,
          into: UnsafeMutableBufferPointer(rebasing: buffer[own]))
      }
      let sumOfRanks = group.size * (group.size - 1) / 2
      let expected = own.map { Double(group.size * $0 + sumOfRanks) }
      try expect(Array(whole[own]) == expected, "\(whole[own]), not \(expected)")
    },
  ]

  /// The sum of the largest power of two of ranks that leaves some, and of the rest, each made likewise.
  private static func pairwiseSum<Element: FloatingPoint>(
    _ ranks: Range<Int>, _ term: (Int) -> Element
  ) -> Element {
    guard ranks.count > 1 else { return term(ranks.lowerBound) }
    var half = 1
    while 2 * half < ranks.count { half *= 2 }
    let middle = ranks.lowerBound + half
    return pairwiseSum(ranks.lowerBound..<middle, term)
      + pairwiseSum(middle..<ranks.upperBound, term)
  }

  /// Around the number of ranks, where some parts are empty, and long enough for many.
  private static func lengths(_ group: any Communicator) -> [Int] {
    [0, 1, 2, group.size - 1, group.size, group.size + 1, 1000, 20_011]
  }
}
