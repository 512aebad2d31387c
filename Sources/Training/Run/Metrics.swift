import Foundation

/// One line of `metrics.jsonl`.
///
/// ```swift
/// let record = MetricRecord.step(
///   StepRecord(
///     step: 1, epoch: 1, loss: 2.3, learningRate: 0.01, imagesPerSecond: 512, seconds: 0.25))
/// record.line  // {"kind":"step","step":1,"epoch":1,"loss":2.3,"learningRate":0.01, …
/// ```
public enum MetricRecord: Hashable, Sendable {
  case step(StepRecord)
  case epoch(EpochRecord)
}

/// One step of training: the mean loss of its global batch, before the step changed the weights.
///
/// ```swift
/// if case .step(let record) = event { print(record.loss) }
/// ```
public struct StepRecord: Hashable, Codable, Sendable {
  /// From 1, over all epochs.
  public var step: Int
  /// From 1.
  public var epoch: Int
  public var loss: Double
  /// Of the optimizer in this step.
  public var learningRate: Float
  /// All ranks together.
  public var imagesPerSecond: Double
  /// The step's wall time on rank 0.
  public var seconds: Double

  public init(
    step: Int, epoch: Int, loss: Double, learningRate: Float, imagesPerSecond: Double,
    seconds: Double
  ) {
    self.step = step
    self.epoch = epoch
    self.loss = loss
    self.learningRate = learningRate
    self.imagesPerSecond = imagesPerSecond
    self.seconds = seconds
  }
}

/// One epoch, or the part of one that `training.maxSteps` left.
///
/// ```swift
/// if case .epoch(let record) = event { print(record.testAccuracy) }
/// ```
public struct EpochRecord: Hashable, Codable, Sendable {
  /// From 1.
  public var epoch: Int
  /// The mean over the epoch's samples, each with the weights of its step.
  public var trainLoss: Double
  /// The part of these samples that was told right, as `trainLoss` with the weights of their steps and in training mode;
  /// from 0 to 1.
  public var trainAccuracy: Double
  public var testLoss: Double
  /// From 0 to 1.
  public var testAccuracy: Double
  /// Over the training steps of the epoch, all ranks together, without the test.
  public var imagesPerSecond: Double
  /// The epoch's wall time, with the test.
  public var seconds: Double
}

extension MetricRecord {
  private struct Kind: Decodable { var kind: String }

  /// The record as one line of JSON, without the end of the line. Keys keep their order, which
  /// `JSONEncoder` would not promise.
  public var line: String {
    switch self {
    case .step(let record):
      #"{"kind":"step","step":\#(record.step),"epoch":\#(record.epoch),"loss":\#(record.loss),"#
        + #""learningRate":\#(record.learningRate),"imagesPerSecond":\#(record.imagesPerSecond),"#
        + #""seconds":\#(record.seconds)}"#
    case .epoch(let record):
      #"{"kind":"epoch","epoch":\#(record.epoch),"trainLoss":\#(record.trainLoss),"#
        + #""trainAccuracy":\#(record.trainAccuracy),"#
        + #""testLoss":\#(record.testLoss),"testAccuracy":\#(record.testAccuracy),"#
        + #""imagesPerSecond":\#(record.imagesPerSecond),"seconds":\#(record.seconds)}"#
    }
  }

  /// `nil` for a line that is no record, such as one that a crash cut short.
  public init?(line: some StringProtocol) {
    let bytes = Data(line.utf8)
    let decoder = JSONDecoder()
    switch (try? decoder.decode(Kind.self, from: bytes))?.kind {
    case "step":
      guard let record = try? decoder.decode(StepRecord.self, from: bytes) else { return nil }
      self = .step(record)
    case "epoch":
      guard let record = try? decoder.decode(EpochRecord.self, from: bytes) else { return nil }
      self = .epoch(record)
    default: return nil
    }
  }
}
