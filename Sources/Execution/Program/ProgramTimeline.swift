import Kernels

/// What a rank did in one run of a program, and when.
///
/// ```swift
/// runner.timeline = ProgramTimeline()
/// try runner.run(storages)
/// runner.timeline?.events.reduce(0) { $0 + $1.duration }
/// ```
public struct ProgramTimeline: Hashable, Sendable {
  public enum Kind: String, Hashable, Codable, Sendable, CaseIterable {
    case compute
    /// Packing, sending, waiting for messages, unpacking and adding them.
    case communication
  }

  public struct Event: Hashable, Sendable {
    /// The number of the graph's node, as many as there are nodes of what comes after all of them; or of the
    /// plan's step.
    public let name: Int
    /// What was done.
    public let text: String
    public let kind: Kind
    /// Of a contraction: what was computed of its step.
    public var role: ContractionNest.Role?
    /// Of the threads that run tiles.
    public var lane = 0
    /// Seconds since the run began.
    public internal(set) var start: Double
    /// Seconds.
    public let duration: Double
    /// Bytes that came from other ranks.
    public var receivedBytes = 0
  }

  public internal(set) var events: [Event] = []
  /// Of the whole run.
  public internal(set) var seconds = 0.0

  public init() {}

  /// Seconds of one kind that a node, or a step, took.
  public func seconds(_ kind: Kind, of name: Int) -> Double {
    events.reduce(0) { $1.kind == kind && $1.name == name ? $0 + $1.duration : $0 }
  }

  public var receivedBytes: Int { events.reduce(0) { $0 + $1.receivedBytes } }

  /// This run and then another one, as one: the reverse pass after the forward pass.
  public func followed(by next: ProgramTimeline) -> ProgramTimeline {
    var both = self
    both.events += next.events.map { event in
      var later = event
      later.start += seconds
      return later
    }
    both.seconds += next.seconds
    return both
  }
}
