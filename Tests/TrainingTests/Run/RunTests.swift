import Collectives
import Formats
import Foundation
import Kernels
import TestSupport
import Testing

@testable import Training

@Suite struct RunTests {
  @Test func leavesEverythingInTheRunFolder() throws {
    try withTemporaryFolder { folder in
      let configuration = smallRun(in: folder)
      let summary = try #require(try trainOnThreads(configuration, ranks: 1).first)
      let run = configuration.output
      #expect(
        files(run) == [
          "checkpoints", "checkpoints/step-000000006.safetensors",
          "checkpoints/step-000000008.safetensors", "configuration.yaml", "metrics.jsonl",
          "plot.svg", "weights.safetensors",
        ])
      #expect(summary.steps == 8)
      #expect(summary.epochs == 2)
      #expect(summary.folder == run)

      let records = try records(run)
      let steps = records.compactMap { if case .step(let record) = $0 { record } else { nil } }
      let epochs = records.compactMap { if case .epoch(let record) = $0 { record } else { nil } }
      #expect(steps.map(\.step) == Array(1...8))
      #expect(steps.map(\.epoch) == [1, 1, 1, 1, 2, 2, 2, 2])
      #expect(epochs.map(\.epoch) == [1, 2])
      // The epoch's loss is that of its samples: batches of 5, 5, 5 and 2.
      for (epoch, steps) in zip(epochs, [steps[..<4], steps[4...]]) {
        let sum = zip(steps, [5.0, 5, 5, 2]).reduce(0) { $0 + $1.0.loss * $1.1 }
        #expect(abs(epoch.trainLoss - sum / 17) < 1e-6)
        #expect((0...1).contains(epoch.testAccuracy))
        // A whole number of the 17 samples.
        let correct = 17 * epoch.trainAccuracy
        #expect((0...17).contains(correct) && abs(correct - correct.rounded()) < 1e-9)
        #expect(epoch.imagesPerSecond > 0 && epoch.seconds >= 17 / epoch.imagesPerSecond)
      }
      #expect(summary.testLoss == epochs[1].testLoss)
      #expect(summary.trainLoss == epochs[1].trainLoss)
      #expect(summary.testAccuracy == epochs[1].testAccuracy)

      #expect(try TrainingConfiguration(file: run + "/configuration.yaml") == configuration)
      let weights = try Safetensors(path: summary.weights)
      let checkpoint = try Safetensors(path: run + "/checkpoints/step-000000008.safetensors")
      for tensor in weights.tensors {
        let same = checkpoint["parameters/" + tensor.name] ?? checkpoint["state/" + tensor.name]
        #expect(same?.elements == tensor.elements, "\(tensor.name)")
      }
      #expect(checkpoint.metadata["step"] == "8")
      #expect(checkpoint.metadata["seed"] == "7")
    }
  }

  @Test func tellsWhatHappensOnRankZero() throws {
    try withTemporaryFolder { folder in
      var names: [String] = []
      _ = try train(smallRun(in: folder), communicator: SingleCommunicator()) { event in
        switch event {
        case .started(let overview):
          #expect(overview.stepsPerEpoch == 4 && overview.totalSteps == 8)
          #expect(overview.trainingSamples == 17 && overview.testSamples == 7)
          names.append("started")
        case .step(let record): names.append("\(record.step)")
        case .epoch(let record): names.append("epoch \(record.epoch)")
        case .checkpoint(let step, _): names.append("checkpoint \(step)")
        }
      }
      #expect(
        names == [
          "started", "1", "2", "3", "checkpoint 3", "4", "epoch 1", "checkpoint 4", "5", "6",
          "checkpoint 6", "7", "8", "epoch 2", "checkpoint 8",
        ])
    }
  }

  /// Uneven and empty parts of the batch included: batches of 5 and 2 samples on up to 4 ranks.
  @Test(arguments: ["cp", "dense"], Context.paths)
  func lossesDoNotDependOnTheNumberOfRanks(form: String, context: Context) throws {
    try withTemporaryFolder { folder in
      var expected: [[Double]] = []
      for ranks in 1...4 {
        var configuration = smallRun(in: folder)
        configuration.model.form = form
        configuration.output += "\(ranks)"
        let summaries = try trainOnThreads(configuration, ranks: ranks, context: context)
        #expect(summaries.count == ranks)
        #expect(Set(summaries).count == 1)
        let found = try losses(configuration.output)
        if ranks == 1 { expected = found }
        #expect(found.count == expected.count)
        for (found, expected) in zip(found.joined(), expected.joined()) {
          #expect(abs(found - expected) <= 1e-4 * max(1, abs(expected)), "\(ranks) ranks")
        }
      }
    }
  }

  /// In an epoch of one step all samples are told with the weights as they are at first, in training mode.
  @Test(arguments: [1, 2, 3]) func trainingAccuracyIsThatOfTheStepsOwnWeights(ranks: Int) throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      configuration.training.batchSize = 17
      configuration.training.epochs = 1
      let data = try Trainer.load(configuration, SingleCommunicator())
      let network = try Trainer.network(
        configuration, data, Sampling(count: 17, batchSize: 17), SingleCommunicator(), .process)
      let correct = try network.train(17, learningRate: 0, step: 1) { images, labels in
        data.training.write(
          Array(0..<17), rows: 0..<8, normalization: data.normalization, images: images,
          labels: labels)
      }.correct
      try trainOnThreads(configuration, ranks: ranks)
      let accuracies = try records(configuration.output).compactMap { record in
        if case .epoch(let record) = record { record.trainAccuracy } else { nil }
      }
      #expect(accuracies == [Double(correct) / 17])
    }
  }

  @Test(arguments: Context.paths) func learns(context: Context) throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      configuration.data.trainingSamples = 120
      configuration.data.testSamples = 60
      configuration.training.batchSize = 20
      configuration.training.epochs = 4
      let summary = try #require(
        try trainOnThreads(configuration, ranks: 2, context: context).first)
      #expect(summary.testAccuracy > 0.8, "chance is a third")
      #expect(summary.trainLoss < 0.5, "ln 3 is 1.1")
    }
  }

  /// `maxSteps` ends a run within an epoch, whose part is tested and written down all the same.
  @Test func maxStepsLeavesAPartOfAnEpoch() throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      configuration.training.maxSteps = 6
      let summary = try #require(try trainOnThreads(configuration, ranks: 1).first)
      #expect(summary.steps == 6 && summary.epochs == 1)
      let epochs = try records(configuration.output).compactMap {
        if case .epoch(let record) = $0 { record.epoch } else { nil }
      }
      #expect(epochs == [1, 2])
    }
  }

  @Test func seedsGiveOtherRuns() throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      try trainOnThreads(configuration, ranks: 1)
      let first = try stepLosses(configuration.output)
      configuration.output += "again"
      try trainOnThreads(configuration, ranks: 1)
      #expect(try stepLosses(configuration.output) == first)
      configuration.output += "other"
      configuration.seed = 8
      try trainOnThreads(configuration, ranks: 1)
      #expect(try stepLosses(configuration.output) != first)
    }
  }

  /// Recomputing intermediates costs time, saves memory and changes nothing else.
  @Test func checkpointingDoesNotChangeTheRun() throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      configuration.model.form = "tr"
      try trainOnThreads(configuration, ranks: 1)
      let kept = try losses(configuration.output)
      configuration.output += "-recomputed"
      configuration.model.checkpointing = .recompute
      try trainOnThreads(configuration, ranks: 1)
      #expect(try losses(configuration.output) == kept)
    }
  }
}
