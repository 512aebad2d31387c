/// Times calls that may be much shorter than the clock's own cost.
enum CallTimer {
  /// The least time of one call of each body, in seconds. Calls are timed in batches, the bodies in turn,
  /// for whatever else the machine does only ever makes a call slower, and seldom all the time.
  ///
  /// - Parameter seconds: for all bodies together; each has at least three batches.
  static func leastSeconds(_ bodies: [() -> Void], within seconds: Double) -> [Double] {
    let calls = bodies.map { body in
      let once = time(body, calls: 1)
      // The first call meets its pages for the first time; a long one shall not have to be repeated.
      return max(once > longCallSeconds ? once : time(body, calls: 1), 1e-9)
    }
    var batches = calls.map { max(1, Int(min(batchSeconds / $0, 1e6))) }
    var least = bodies.map { _ in Double.infinity }
    var total = 0.0
    var rounds = 0
    while rounds < 3 || total < seconds {
      for (index, body) in bodies.enumerated() {
        // Others have been at the caches meanwhile, of which a long call needs little.
        if calls[index] < longCallSeconds { body() }
        let batch = time(body, calls: batches[index])
        total += batch
        least[index] = min(least[index], batch / Double(batches[index]))
        // A call that was held up at first has few calls in a batch.
        if batch < batchSeconds / 4 { batches[index] *= 2 }
      }
      rounds += 1
    }
    return least
  }

  private static let batchSeconds = 400e-6
  private static let longCallSeconds = 20e-3

  private static func time(_ body: () -> Void, calls: Int) -> Double {
    let start = ContinuousClock.now
    for _ in 0..<calls { body() }
    return (ContinuousClock.now - start) / .seconds(1)
  }
}
