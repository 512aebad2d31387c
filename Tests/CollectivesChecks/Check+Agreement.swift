import Collectives

private struct Broken: Error, Equatable {
  let rank: Int
}

extension Check {
  /// What ranks do, say and know together.
  static let agreement: [Check] = [
    Check(description: "together returns each rank's own result") { group in
      try expect(try group.together { group.rank * 3 } == group.rank * 3, "wrong result")
    },
    Check(description: "together throws the first rank's error once, on all ranks") { group in
      for first in 0..<group.size {
        // The first and the last: so that the list has one rank or two.
        let failing = Set([first, group.size - 1]).sorted()
        do {
          try group.together { if failing.contains(group.rank) { throw Broken(rank: group.rank) } }
          try expect(false, "nothing was thrown")
        } catch let error as Broken {
          try expect(group.rank == first && error.rank == first, "\(error) on \(group.rank)")
        } catch let error as CollectiveError {
          try expect(group.rank != first, "\(error) on the first")
          try expect(error == .failedElsewhere(ranks: failing), "\(error)")
        }
      }
      try group.barrier()
    },
    Check(description: "equal values are equal, and each bit of another one differs") { group in
      try group.requireEqual(0xfedc_ba98_7654_3210, what: "plan")
      let last = group.size - 1
      for bit in 0..<64 {
        let value: UInt64 = group.rank == last ? 1 << bit : 0
        guard group.size > 1 else {
          try group.requireEqual(value, what: "plan")
          continue
        }
        try expect(.differentValues(what: "plan", ranks: [last])) {
          try group.requireEqual(value, what: "plan")
        }
      }
    },
    Check(description: "a rank is in the step that it entered") { group in
      let step = CollectiveStep(number: 3 + group.rank, description: "gather operand 1")
      group.enter(step)
      try expect(group.step == step, "\(group.step.map { "\($0)" } ?? "none")")
      group.enter(nil)
      try expect(group.step == nil, "still in a step")
    },
  ]
}
