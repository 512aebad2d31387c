import Foundation

/// Does something, on a thread of its own, unless it is told in time that all is well: for calls that
/// cannot be given up, such as those that begin and end MPI.
///
/// Only time in which this process runs counts: one that was stopped together with all others, and goes
/// on with them, has lost nothing.
///
/// ```swift
/// let limit = TimeLimit(.seconds(60)) { note("no connection"); _exit(1) }
/// try connect()
/// limit.meet()
/// ```
public final class TimeLimit: Sendable {
  private let isMet = DispatchSemaphore(value: 0)

  private static let tick = 0.05

  /// - Parameter late: what to do when `limit` has passed; not called after `meet`, but maybe during it.
  public init(_ limit: Duration, late: @escaping @Sendable () -> Void) {
    let thread = Thread { [isMet] in
      for _ in 0..<Int(min(max(1, (limit.seconds / Self.tick).rounded()), 1e12))
      where isMet.wait(timeout: .now() + Self.tick) == .success {
        return
      }
      late()
    }
    thread.name = "time limit"
    thread.start()
  }

  /// What was to happen has happened.
  public func meet() { isMet.signal() }
}
