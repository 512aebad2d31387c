import Collectives
import Formats
import Foundation
import Graph
import Testing

@testable import Training

/// What `train` refuses before it makes the run folder.
@Suite struct ConfigurationCheckTests {
  /// Images that the pools leave one pixel of: the last normalisation has as many values as a batch has samples.
  private static func run(
    in folder: String, samples: Int, batchSize: Int, side: Int = 4
  ) -> TrainingConfiguration {
    var configuration = smallRun(in: folder)
    configuration.data.trainingSamples = samples
    (configuration.data.height, configuration.data.width) = (side, side)
    configuration.training.batchSize = batchSize
    configuration.training.epochs = 1
    return configuration
  }

  @Test(arguments: [1, 3]) func aLastBatchOfOneSampleIsRefusedAtOnce(ranks: Int) throws {
    try withTemporaryFolder { folder in
      var configuration = Self.run(in: folder, samples: 9, batchSize: 4)
      let error = #expect(throws: TrainingError.self) {
        try trainOnThreads(configuration, ranks: ranks)
      }
      #expect(
        error
          == .batchTooSmall(
            layer: "norm4", values: 1, batch: 1, isLast: true, batchSize: 4, samples: 9))
      #expect(error?.description.contains("training.dropLast=true") == true)
      #expect(files(folder).isEmpty)

      // Each of the remedies, and a run that does not get so far.
      configuration.training.maxSteps = 2
      try trainOnThreads(configuration, ranks: ranks)
      configuration.training.maxSteps = nil
      configuration.output = folder + "/dropped"
      configuration.training.dropLast = true
      let summaries = try trainOnThreads(configuration, ranks: ranks)
      #expect(summaries.allSatisfy { $0.steps == 2 && $0.epochs == 1 })
      configuration = Self.run(in: folder, samples: 9, batchSize: 4, side: 8)
      configuration.output = folder + "/larger"
      #expect(try trainOnThreads(configuration, ranks: ranks)[0].steps == 3)
    }
  }

  @Test func batchesOfOneSampleAreRefused() throws {
    for (samples, dropLast) in [(9, false), (9, true), (1, false)] {
      var configuration = Self.run(in: "", samples: samples, batchSize: samples == 1 ? 4 : 1)
      configuration.training.dropLast = dropLast
      let error = #expect(throws: TrainingError.self) { try configuration.check() }
      #expect(
        error?.description
          == "of a batch of 1 sample norm4 sees 1 value per channel, and its statistics need at "
          + "least 2; use a larger training.batchSize or larger images")
    }
    #expect(throws: Never.self) {
      try Self.run(in: "", samples: 9, batchSize: 1, side: 8).check()
    }
  }

  @Test func anEpochWithoutABatchIsRefused() throws {
    var configuration = Self.run(in: "", samples: 9, batchSize: 16)
    try configuration.check()
    configuration.training.dropLast = true
    #expect(throws: TrainingError.noWholeBatch(batchSize: 16, samples: 9)) {
      try configuration.check()
    }
  }

  /// As many steps as whole batches, and a resumed run has the same bits.
  @Test func aRunThatLeavesOutTheLastBatchCanBeResumed() throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      configuration.training.dropLast = true
      let summary = try trainOnThreads(configuration, ranks: 2)[0]
      #expect(summary.steps == 6 && summary.epochs == 2)
      let whole = configuration.output
      for stop in [2, 3, 5] {
        configuration.output = folder + "/stopped\(stop)"
        let run = configuration.output
        #expect(throws: Crash.self) {
          try trainOnThreads(configuration, ranks: 2) { event in
            if case .step(let record) = event, record.step == stop { throw Crash() }
          }
        }
        try trainOnThreads(configuration, ranks: 2, resume: run)
        #expect(try losses(run) == losses(whole))
        #expect(try bytes(run + "/weights.safetensors") == bytes(whole + "/weights.safetensors"))
      }
      configuration.training.dropLast = false
      let error = #expect(throws: TrainingError.self) {
        try trainOnThreads(configuration, ranks: 2, resume: whole)
      }
      #expect(
        error?.description.contains("training.dropLast was true and is now false") == true)
    }
  }

  /// Every mistake of the configuration is told also where the folder cannot be used either.
  @Test func mistakesAreNotHiddenByTheFolder() throws {
    try withTemporaryFolder { folder in
      try Data("text".utf8).write(to: URL(fileURLWithPath: folder + "/notes"))
      var configuration = smallRun(in: folder)
      configuration.output = folder
      #expect(throws: TrainingError.outputHoldsFiles(path: folder, holdsRun: false)) {
        try trainOnThreads(configuration, ranks: 2)
      }
      let good = configuration
      configuration.data = DataConfiguration(kind: .idx, path: folder + "/nowhere")
      let missing = #expect(throws: TrainingError.self) {
        try trainOnThreads(configuration, ranks: 2)
      }
      #expect(missing?.description.contains("there is no train-images-idx3-ubyte") == true)
      configuration = good
      configuration.data.height = 1
      #expect(throws: GraphError.self) { try trainOnThreads(configuration, ranks: 2) }
      configuration = good
      configuration.data.trainingSamples = 1 << 50
      let large = #expect(throws: TrainingError.self) {
        try trainOnThreads(configuration, ranks: 2)
      }
      #expect(large?.description.contains("do not fit in memory") == true)
    }
  }

  @Test func theOutlineIsThatOfTheData() throws {
    let configuration = DataConfiguration(kind: .synthetic, trainingSamples: 5, testSamples: 3)
    let data = try LabelledData(configuration, seed: 0)
    let outline = try DataOutline(configuration)
    #expect(outline.trainingSamples == data.training.count)
    #expect(outline.imageShape == data.training.imageShape)
    #expect(throws: TrainingError.missingDataPath) {
      try DataOutline(DataConfiguration(kind: .idx))
    }
  }
}
