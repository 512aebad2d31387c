/// What a run tells whoever watches it; on rank 0 only.
///
/// ```swift
/// try train(configuration, communicator: communicator) { event in
///   if case .epoch(let record) = event { print(record.testAccuracy) }
/// }
/// ```
public enum TrainingEvent: Hashable, Sendable {
  /// Everything is read and checked; steps follow.
  case started(RunOverview)
  case step(StepRecord)
  case epoch(EpochRecord)
  /// A checkpoint of so many steps is whole.
  case checkpoint(step: Int, path: String)
}

/// What is about to be trained.
///
/// ```swift
/// if case .started(let overview) = event { print(overview.parameterCount) }
/// ```
public struct RunOverview: Hashable, Sendable {
  /// The run folder.
  public var folder: String
  public var ranks: Int
  /// Of rank 0, that share the work of its kernels (`ThreadPool`).
  public var threads: Int
  /// How the ranks share the images.
  public var sharding: Sharding
  public var parameterCount: Int
  public var trainingSamples: Int
  public var testSamples: Int
  public var stepsPerEpoch: Int
  /// Samples per step, all ranks together.
  public var batchSize: Int
  /// Steps that were done before, if the run is resumed.
  public var firstStep: Int
  /// Steps at the end of the run.
  public var totalSteps: Int
}

/// How a run ended, or how far it got before it was asked to stop; the same on all ranks.
///
/// ```swift
/// let summary = try train(configuration, communicator: communicator)
/// print("\(summary.testAccuracy), see \(summary.plot)")
/// ```
public struct TrainingSummary: Hashable, Sendable {
  /// Whether the run is over; otherwise it was asked to stop, and can be resumed.
  public var isFinished: Bool
  /// Steps done, with those of before the run was resumed.
  public var steps: Int
  /// Steps at the end of the run.
  public var totalSteps: Int
  /// Epochs completed.
  public var epochs: Int
  public var trainLoss: Double
  public var testLoss: Double
  /// From 0 to 1.
  public var testAccuracy: Double
  /// Of the last epoch's training steps, all ranks together.
  public var imagesPerSecond: Double
  /// The run folder and what is in it.
  public var folder: String
  public var metrics: String
  public var plot: String
  public var weights: String
}
