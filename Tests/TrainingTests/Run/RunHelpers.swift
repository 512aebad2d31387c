import Collectives
import Formats
import Foundation
import Kernels

@testable import Training

/// What a test throws to stop a run, as a crash would.
struct Crash: Error, Equatable {}

/// A run of two epochs of four steps, the last of which has fewer samples than some tests have
/// ranks.
func smallRun(in folder: String) -> TrainingConfiguration {
  var configuration = TrainingConfiguration()
  configuration.seed = 7
  configuration.output = folder + "/run"
  configuration.data = DataConfiguration(kind: .synthetic, trainingSamples: 17, testSamples: 7)
  configuration.data.height = 8
  configuration.data.width = 6
  configuration.data.classes = 3
  configuration.training.epochs = 2
  configuration.training.batchSize = 5
  configuration.training.warmUpEpochs = 0.5
  configuration.training.checkpointSteps = 3
  return configuration
}

/// Trains on so many threads and returns the summary of each rank; `observe` is called on rank 0.
@discardableResult
func trainOnThreads(
  _ configuration: TrainingConfiguration, ranks: Int, resume: String? = nil,
  startsIfNew: Bool = false, context: Context = .process,
  observe: @escaping @Sendable (TrainingEvent) throws -> Void = { _ in },
  shouldStop: @escaping @Sendable (_ rank: Int) -> Bool = { _ in false }
) throws -> [TrainingSummary] {
  try ThreadCommunicator.run(ranks: ranks) { communicator in
    try train(
      configuration, communicator: communicator, resume: resume, startsIfNew: startsIfNew,
      context: context, observe: observe, shouldStop: { shouldStop(communicator.rank) })
  }
}

/// A step's record, but for what is of no interest.
func stepRecord(_ step: Int, _ epoch: Int, loss: Double) -> StepRecord {
  StepRecord(
    step: step, epoch: epoch, loss: loss, learningRate: 0.01, imagesPerSecond: 512, seconds: 0.25)
}

func records(_ run: String) throws -> [MetricRecord] {
  try String(contentsOfFile: run + "/metrics.jsonl", encoding: .utf8).split(separator: "\n")
    .compactMap { MetricRecord(line: $0) }
}

/// Every loss of the run, in order: all that two equal runs have in common, but the time.
func losses(_ run: String) throws -> [[Double]] {
  try records(run).map { record in
    switch record {
    case .step(let record): [Double(record.step), Double(record.epoch), record.loss]
    case .epoch(let record):
      [
        Double(record.epoch), record.trainLoss, record.trainAccuracy, record.testLoss,
        record.testAccuracy,
      ]
    }
  }
}

func stepLosses(_ run: String) throws -> [Double] {
  try records(run).compactMap { if case .step(let record) = $0 { record.loss } else { nil } }
}

func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

/// The names of all files in a folder and below, in order.
func files(_ folder: String) -> [String] {
  (FileManager.default.enumerator(atPath: folder)?.compactMap { $0 as? String } ?? []).sorted()
}

/// As `trainOnThreads`, with recordings of the first steps of every rank.
func trainOnThreads(
  _ configuration: TrainingConfiguration, ranks: Int, resume: String? = nil, recordedSteps: Int,
  record: @escaping @Sendable (_ rank: Int, StepRecording) throws -> Void
) throws {
  _ = try ThreadCommunicator.run(ranks: ranks) { communicator in
    try train(
      configuration, communicator: communicator, resume: resume,
      recorder: StepRecorder(steps: recordedSteps) { try record(communicator.rank, $0) })
  }
}
