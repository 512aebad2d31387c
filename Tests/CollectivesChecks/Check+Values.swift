import Collectives

extension Check {
  /// What is moved arrives whole and in its place, and moves the bytes of the documented formula.
  static let values: [Check] = [
    Check(description: "ranks are 0 ..< size") { group in
      try expect((0..<group.size).contains(group.rank), "rank \(group.rank) of \(group.size)")
      let ranks = try group.gather(
        [UInt8(group.rank)], counts: Array(repeating: 1, count: group.size), whole: group.size)
      try expect(ranks == (0..<group.size).map { UInt8($0) }, "\(ranks)")
    },
    Check(description: "broadcast from every root") { group in
      for root in 0..<group.size {
        for length in [0, 1, 13, 100_003] {
          let mine = (0..<length).map { byte($0, rank: group.rank) }
          let sent = (0..<length).map { byte($0, rank: root) }
          let received = try group.broadcast(mine, root: root)
          try expect(received == sent, "root \(root), \(length) bytes: wrong values")
        }
      }
    },
    Check(description: "allGather of uneven and empty parts") { group in
      for unit in [1, 17, 40_000] {
        // 0, 2, 1, 0, 2, 1 … units, and a few bytes on the last rank.
        var counts = (0..<group.size).map { $0 * 2 % 3 * unit }
        counts[group.size - 1] += 5
        let parts = counts.enumerated().map { rank, count in
          (0..<count).map { byte($0, rank: rank) }
        }
        let whole = try group.gather(
          parts[group.rank], counts: counts, whole: counts.reduce(0, +))
        try expect(whole == parts.flatMap(\.self), "unit \(unit): wrong values")
      }
    },
    Check(description: "allGather in place") { group in
      let length = 1000
      var whole = [UInt8](repeating: 0, count: length * group.size)
      for i in 0..<length { whole[group.rank * length + i] = byte(i, rank: group.rank) }
      try whole.withUnsafeMutableBytes { bytes in
        let own = bytes[group.rank * length..<(group.rank + 1) * length]
        try group.allGather(
          UnsafeRawBufferPointer(rebasing: own),
          counts: Array(repeating: length, count: group.size), into: bytes)
      }
      let expected = (0..<group.size).flatMap { rank in (0..<length).map { byte($0, rank: rank) } }
      try expect(whole == expected, "wrong values")
    },
    Check(description: "traffic is the documented formula") { group in
      let (rank, size) = (group.rank, group.size)
      // The expected bytes are added up from the boundaries here, apart from `received`.
      let length = 1003
      let own = length * (rank + 1) / size - length * rank / size
      let counts = (0..<size).map { 3 * $0 + 1 }
      let total = counts.reduce(0, +)
      let ones = [Float](repeating: 1, count: length)

      let reduced = (size - 1) * own + length - own
      try expectTraffic(
        group, .allReduce(count: length, elementBytes: 4), bytes: 4 * reduced
      ) { _ = try group.sum(ones) }
      try expectTraffic(
        group, .allReduce(count: length, elementBytes: 8), bytes: 8 * reduced
      ) { _ = try group.sum(ones.map(Double.init)) }
      try expectTraffic(
        group, .reduceScatter(counts: counts, elementBytes: 4),
        bytes: 4 * (size - 1) * (3 * rank + 1)
      ) {
        _ = try group.scatterSum(
          Array(ones[..<total]), counts: counts, part: counts[rank])
      }
      try expectTraffic(group, .allGather(counts: counts), bytes: total - (3 * rank + 1)) {
        let part = [UInt8](repeating: 1, count: counts[rank])
        _ = try group.gather(part, counts: counts, whole: total)
      }
      try expectTraffic(
        group, .broadcast(bytes: 77, root: size - 1), bytes: rank == size - 1 ? 0 : 77
      ) { _ = try group.broadcast(Array(repeating: 1, count: 77), root: size - 1) }
      try expectTraffic(group, .barrier, bytes: 0) { try group.barrier() }
    },
    Check(description: "what all ranks send is what all receive") { group in
      let before = group.traffic
      _ = try group.sum([Float](repeating: 1, count: 501))
      _ = try group.broadcast(Array(repeating: 1, count: 99), root: 0)
      let change = group.traffic.since(before)
      try expect(change.calls == 2, "\(change.calls) calls")
      let sums = try group.sum([Double(change.bytesSent), Double(change.bytesReceived)])
      try expect(sums[0] == sums[1], "sent \(sums[0]), received \(sums[1])")
    },
  ]

  private static func expectTraffic(
    _ group: any Communicator, _ collective: Traffic.Collective, bytes: Int,
    _ body: () throws -> Void
  ) throws {
    let before = group.traffic
    try body()
    let measured = group.traffic.since(before)
    try expect(
      measured.bytesReceived == bytes, "\(collective): \(measured.bytesReceived), not \(bytes)")
    let predicted = Traffic.received(by: group.rank, size: group.size, in: collective)
    try expect(predicted == bytes, "\(collective): predicts \(predicted), not \(bytes)")
    try expect(measured.calls == 1, "\(collective): \(measured.calls) calls")
  }
}
