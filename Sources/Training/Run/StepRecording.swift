import Execution

/// One training step on one rank: what its program says of it, and what it took.
///
/// ```swift
/// let recorder = StepRecorder(steps: 1) { recording in
///   print(recording.program.peakBytes == recording.peakBytes)  // true
/// }
/// _ = try train(configuration, communicator: communicator, recorder: recorder)
/// ```
public struct StepRecording: Sendable {
  /// Its number in the run, from 1.
  public let step: Int
  public let program: Program
  /// The names of the network's layers, and by name in the program whose it is.
  public let layers: [String]
  public let owners: [NodeOwner]
  public let timeline: ProgramTimeline
  public let receivedBytes: Int
  /// The most that lived at once up to the end of the step: parameters, state, the program's memory, inputs
  /// and results. What the program predicts is that of the first step of a run; later ones of other batches
  /// have inputs of their own.
  public let peakBytes: Int
}

/// What is to be done with recordings of the first steps of a call of `train`.
///
/// ```swift
/// StepRecorder(steps: 2) { print($0.timeline.seconds) }
/// ```
public struct StepRecorder {
  /// How many steps are recorded.
  public let steps: Int
  let record: (StepRecording) throws -> Void

  /// - Parameter record: Called after each of these steps, on every rank.
  public init(steps: Int, record: @escaping (StepRecording) throws -> Void) {
    self.steps = steps
    self.record = record
  }
}
