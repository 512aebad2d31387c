extension Communicator {
  /// Does something on every rank, and throws on all ranks if it throws on one: the error itself on
  /// the first of the ranks where it happened, `CollectiveError.failedElsewhere` on the others. So
  /// one mistake that all ranks make is reported once, and none waits for one that is gone.
  ///
  /// A collective: every rank makes this call, and `body` makes none.
  ///
  /// ```swift
  /// let operand = try communicator.together { try TensorFile(path) }
  /// ```
  public func together<Result>(_ body: () throws -> Result) throws -> Result {
    let result = Swift.Result(catching: body)
    var failed = false
    if case .failure = result { failed = true }
    let all = try gatherBytes([failed ? 1 : 0])
    let ranks = (0..<size).filter { all[$0] != 0 }
    guard let first = ranks.first else { return try result.get() }
    // A rank that threw at once could end the call of another, which then would say only that.
    try? barrier()
    if first == rank { return try result.get() }
    throw CollectiveError.failedElsewhere(ranks: ranks)
  }

  /// Throws `CollectiveError.differentValues` on all ranks unless they all have the same value: the
  /// hash of what they must agree on before they begin. `what` is its name in the message.
  ///
  /// ```swift
  /// try communicator.requireEqual(plan.stableHash, what: "plan")
  /// ```
  public func requireEqual(_ value: UInt64, what: String) throws {
    let all = try gatherBytes((0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) })
    let ranks = (0..<size).filter { all[$0 * 8..<($0 + 1) * 8] != all[..<8] }
    guard ranks.isEmpty else {
      throw CollectiveError.differentValues(what: what, ranks: ranks)
    }
  }

  /// The few bytes of each rank, equally many, in order of ranks.
  func gatherBytes(_ own: [UInt8]) throws -> [UInt8] {
    var all = [UInt8](repeating: 0, count: own.count * size)
    try own.withUnsafeBytes { own in
      try all.withUnsafeMutableBytes {
        try allGather(own, counts: Array(repeating: own.count, count: size), into: $0)
      }
    }
    return all
  }
}
