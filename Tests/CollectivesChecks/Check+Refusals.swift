import Collectives

extension Check {
  /// A wrong call throws on every rank, and the group can be used afterwards.
  static let refusals: [Check] = [
    Check(description: "different lengths name the ranks on all ranks") { group in
      guard group.size > 1 else { return }
      let last = group.size - 1
      try expectMismatch(group, words: ["rank \(last): calls allReduce of 7 floats", "5 floats"]) {
        _ = try group.sum([Float](repeating: 1, count: group.rank == last ? 7 : 5))
      }
      try expectMismatch(group, words: ["rank 0: calls broadcast of 1 byte from root 0"]) {
        _ = try group.broadcast([UInt8](repeating: 1, count: group.rank == 0 ? 1 : 2), root: 0)
      }
    },
    Check(description: "different operations, types and roots") { group in
      guard group.size > 1 else { return }
      try expectMismatch(group, words: ["rank 0: calls barrier", "calls allReduce of 3 doubles"]) {
        if group.rank == 0 {
          try group.barrier()
        } else {
          _ = try group.sum([1.0, 2, 3])
        }
      }
      try expectMismatch(group, words: ["rank 0: calls allReduce of 1 float;", "1 double"]) {
        if group.rank == 0 { _ = try group.sum([Float(1)]) } else { _ = try group.sum([1.0]) }
      }
      try expectMismatch(group, words: ["from root 0", "from root 1"]) {
        _ = try group.broadcast([1], root: group.rank == 0 ? 0 : 1)
      }
    },
    Check(description: "different parts") { group in
      guard group.size > 1 else { return }
      let ones = [Int](repeating: 1, count: group.size)
      let part = [UInt8](repeating: 1, count: group.rank == 1 ? 3 : 1)
      try expectMismatch(group, words: ["rank 1", "with a part 2 longer than its count"]) {
        _ = try group.gather(part, counts: ones, whole: group.size)
      }
      var counts = ones
      if group.rank == 0 { counts.swapAt(0, 1) } else { counts = ones.map { $0 * 2 } }
      let own = [UInt8](repeating: 1, count: counts[group.rank])
      try expectMismatch(group, words: ["rank 0: calls allGather", "different lengths of parts"]) {
        _ = try group.gather(own, counts: counts, whole: 10)
      }
    },
    Check(description: "arguments that are wrong on all ranks") { group in
      let size = group.size
      try expect(.rootOutOfRange(root: size, size: size)) {
        _ = try group.broadcast([1], root: size)
      }
      try expect(.rootOutOfRange(root: -2, size: size)) {
        _ = try group.broadcast([1], root: -2)
      }
      let counts = [Int](repeating: 2, count: size)
      try expect(.countsPerRank(.allGather, expected: size, found: size + 1)) {
        _ = try group.gather([1, 2], counts: counts + [0], whole: 2 * size)
      }
      try expect(.partLength(.allGather, expected: 2, found: 1)) {
        _ = try group.gather([1], counts: counts, whole: 2 * size)
      }
      try expect(.wholeLength(.reduceScatter, expected: 2 * size, found: 2 * size + 1)) {
        let whole = [Float](repeating: 1, count: 2 * size + 1)
        _ = try group.scatterSum(whole, counts: counts, part: 2)
      }
      var negative = counts
      negative[size - 1] = -2
      try expect(.negativeCount(.reduceScatter, rank: size - 1, count: -2)) {
        _ = try group.scatterSum([1], counts: negative, part: max(0, negative[group.rank]))
      }
    },
  ]

  /// `body` throws `mismatchedCalls` on this rank, with one call per rank and a text that has these
  /// words; then the group still works.
  private static func expectMismatch(
    _ group: any Communicator, words: [String], line: Int = #line, _ body: () throws -> Void
  ) throws {
    let before = group.traffic
    do {
      try body()
      try expect(false, "nothing was thrown", line: line)
    } catch let error as CollectiveError {
      guard case .mismatchedCalls(let calls) = error else { throw error }
      try expect(calls.count == group.size, "\(calls.count) calls", line: line)
      for text in words {
        try expect("\(error)".contains(text), "\"\(error)\" lacks \"\(text)\"", line: line)
      }
    }
    let moved = group.traffic.since(before)
    try expect(moved.bytesSent + moved.bytesReceived == 0, "payload was sent", line: line)
    try expect(try group.sum([1.0]) == [Double(group.size)], "unusable afterwards", line: line)
  }
}
