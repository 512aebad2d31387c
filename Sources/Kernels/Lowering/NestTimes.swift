import Synchronization

/// What nests have been estimated to take. An estimate lowers a nest in all ways that there are, and planners ask
/// for those of the same steps again and again: for the next order, layer, number of samples, or rank of a process.
final class NestTimes: Sendable {
  private struct Key: Hashable {
    let nest: ContractionNest
    let role: ContractionNest.Role
  }

  /// Some megabytes; then it begins anew.
  private static let mostKnown = 1 << 14

  private let known = Mutex<[Key: Double]>([:])

  /// Nanoseconds on one thread.
  func nanoseconds(
    _ nest: ContractionNest, _ role: ContractionNest.Role, estimate: () -> Double
  ) -> Double {
    let key = Key(nest: nest, role: role)
    if let known = known.withLock({ $0[key] }) { return known }
    // Not under the lock: others have nests of their own to estimate.
    let time = estimate()
    known.withLock { known in
      if known.count >= Self.mostKnown { known = [:] }
      known[key] = time
    }
    return time
  }
}

extension Context {
  /// What a nest takes by the estimates of the kernel that it would be lowered to, on one thread.
  ///
  /// ```swift
  /// Context.process.nanoseconds(of: ContractionNest(plan.steps[0]), writing: .result)
  /// ```
  public func nanoseconds(
    of nest: ContractionNest, writing role: ContractionNest.Role
  ) -> Double {
    nestTimes.nanoseconds(nest, role) {
      LoweredNest(nest, writing: role, context: self).nanoseconds
    }
  }
}
