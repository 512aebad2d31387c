/// What a rank did during one run, and when: the data of a trace, and of seconds per step.
///
/// ```swift
/// _ = try contraction(boxes)
/// for step in contraction.plan.steps.indices {
///   print(contraction.timeline.seconds(.compute, step: step))
/// }
/// ```
public struct RunTimeline: Hashable, Codable, Sendable {
  public enum Kind: String, Hashable, Codable, Sendable, CaseIterable {
    /// Running a kernel.
    case compute
    /// Packing, sending, waiting for messages, unpacking and adding them.
    case communication
  }

  public struct Event: Hashable, Codable, Sendable {
    public let name: String
    public let kind: Kind
    /// The plan's step that it belongs to.
    public let step: Int
    /// Seconds since the run began.
    public let start: Double
    /// Seconds.
    public let duration: Double
  }

  /// A redistribution and what this rank received in it, over all slices.
  public struct Movement: Hashable, Codable, Sendable {
    public let name: String
    public let step: Int
    public internal(set) var receivedBytes: Int
  }

  /// In order of time.
  public internal(set) var events: [Event] = []
  public internal(set) var movements: [Movement] = []
  /// Of the whole run.
  public internal(set) var seconds = 0.0

  public init() {}

  /// Seconds that a step took of one kind.
  public func seconds(_ kind: Kind, step: Int) -> Double {
    events.reduce(0) { $1.kind == kind && $1.step == step ? $0 + $1.duration : $0 }
  }

  /// Bytes received in all movements.
  public var receivedBytes: Int { movements.reduce(0) { $0 + $1.receivedBytes } }

  /// This run and then another one, as one: the reverse pass after the forward pass.
  public func followed(by next: RunTimeline) -> RunTimeline {
    var both = self
    both.events += next.events.map {
      Event(
        name: $0.name, kind: $0.kind, step: $0.step, start: seconds + $0.start,
        duration: $0.duration)
    }
    both.movements += next.movements
    both.seconds += next.seconds
    return both
  }
}
