import Collectives
import Formats
import Foundation
import Kernels
import TestSupport
import Testing

@testable import Training

@Suite struct RunResumeTests {
  /// A run stopped after any step, within an epoch or at its end, before the first checkpoint or
  /// after, goes on to the same bits as one that was never stopped.
  @Test(arguments: [1, 2], ["sgd", "adam"])
  func aResumedRunHasTheSameBits(ranks: Int, optimizer: String) throws {
    for context in Context.paths(turn: ranks + (optimizer == "adam" ? 2 : 0)) {
      try resumed(ranks, optimizer, context)
    }
  }

  private func resumed(_ ranks: Int, _ optimizer: String, _ context: Context) throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      configuration.optimizer.kind = try #require(.init(rawValue: optimizer))
      if optimizer == "adam" { configuration.optimizer.learningRate = 0.003 }
      try trainOnThreads(configuration, ranks: ranks, context: context)
      let whole = configuration.output
      for stop in [1, 3, 4, 5, 8] {
        configuration.output = folder + "/stopped\(stop)"
        let run = configuration.output
        #expect(throws: Crash.self) {
          try trainOnThreads(configuration, ranks: ranks, context: context) { event in
            if case .step(let record) = event, record.step == stop { throw Crash() }
          }
        }
        let summaries = try trainOnThreads(
          configuration, ranks: ranks, resume: run, context: context)
        #expect(summaries.allSatisfy { $0.steps == 8 && $0.epochs == 2 })
        #expect(try losses(run) == losses(whole), "stopped after step \(stop)")
        #expect(
          try bytes(run + "/weights.safetensors") == bytes(whole + "/weights.safetensors"),
          "stopped after step \(stop)")
        #expect(
          try Safetensors(path: run + "/checkpoints/step-000000008.safetensors").tensors
            == Safetensors(path: whole + "/checkpoints/step-000000008.safetensors").tensors)
      }
    }
  }

  @Test func aRunCanBeStoppedAndResumedAgainAndAgain() throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      configuration.training.checkpointSteps = 1
      try trainOnThreads(configuration, ranks: 1)
      let whole = configuration.output
      configuration.output = folder + "/stopped"
      var resume: String?
      for stop in 2...8 {
        #expect(throws: Crash.self) {
          try trainOnThreads(configuration, ranks: 1, resume: resume) { event in
            if case .step(let record) = event, record.step == stop { throw Crash() }
          }
        }
        resume = configuration.output
      }
      try trainOnThreads(configuration, ranks: 1, resume: resume)
      #expect(try losses(configuration.output) == losses(whole))
    }
  }

  /// A part of an epoch that `maxSteps` left is written down, but counted once if the run goes on.
  @Test func moreStepsAreAsIfTheyHadBeenAskedForAtOnce() throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      try trainOnThreads(configuration, ranks: 1)
      let whole = configuration.output
      configuration.output = folder + "/short"
      configuration.training.maxSteps = 2
      try trainOnThreads(configuration, ranks: 1)
      configuration.training.maxSteps = nil
      try trainOnThreads(configuration, ranks: 1, resume: configuration.output)
      #expect(try losses(configuration.output) == losses(whole))
    }
  }

  @Test func aFinishedRunCanGetMoreEpochsOrJustItsSummary() throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      let first = try trainOnThreads(configuration, ranks: 2)
      let before = try losses(configuration.output)
      #expect(try trainOnThreads(configuration, ranks: 2, resume: configuration.output) == first)
      #expect(try losses(configuration.output) == before)

      configuration.training.epochs = 3
      let more = try trainOnThreads(configuration, ranks: 2, resume: configuration.output + "/")
      #expect(more.first?.epochs == 3)
      #expect(Array(try losses(configuration.output).prefix(before.count)) == before)
      let saved = try TrainingConfiguration(file: configuration.output + "/configuration.yaml")
      #expect(saved.training.epochs == 3)
    }
  }

  @Test func anotherConfigurationIsRefused() throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      try trainOnThreads(configuration, ranks: 1)
      let run = configuration.output
      let before = try bytes(run + "/metrics.jsonl")
      configuration.model.form = "tk"
      configuration.training.batchSize = 4
      let error = #expect(throws: TrainingError.self) {
        try trainOnThreads(configuration, ranks: 2, resume: run)
      }
      #expect(
        error?.description == "\(run): cannot be resumed with another configuration: model.form "
          + "was cp and is now tk; training.batchSize was 5 and is now 4; use the values of the "
          + "run, or start a new one")
      #expect(try bytes(run + "/metrics.jsonl") == before)
    }
  }

  /// Killed before the first checkpoint, the run in the folder is still the run it was.
  @Test func anotherConfigurationIsRefusedBeforeTheFirstCheckpointToo() throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      #expect(throws: Crash.self) {
        try trainOnThreads(configuration, ranks: 1) { event in
          if case .step = event { throw Crash() }
        }
      }
      configuration.seed = 1
      #expect(throws: TrainingError.self) {
        try trainOnThreads(configuration, ranks: 1, resume: configuration.output)
      }
    }
  }

  @Test func aRunKilledBeforeItWroteAnythingStarts() throws {
    try withTemporaryFolder { folder in
      let configuration = smallRun(in: folder)
      try FileManager.default.createDirectory(
        atPath: configuration.output, withIntermediateDirectories: false)
      try Data().write(
        to: URL(fileURLWithPath: configuration.output + "/.configuration.yaml.1x2.partial"))
      let summary = try trainOnThreads(configuration, ranks: 1, resume: configuration.output)
      #expect(summary.first?.steps == 8)
      #expect(!files(configuration.output).contains { $0.hasSuffix(".partial") })
    }
  }

  @Test func aHalfWrittenCheckpointIsNotSeen() throws {
    try withTemporaryFolder { folder in
      let configuration = smallRun(in: folder)
      #expect(throws: Crash.self) {
        try trainOnThreads(configuration, ranks: 1) { event in
          if case .step(let record) = event, record.step == 5 { throw Crash() }
        }
      }
      let checkpoints = configuration.output + "/checkpoints"
      #expect(files(checkpoints) == ["step-000000003.safetensors", "step-000000004.safetensors"])
      let whole = try bytes(checkpoints + "/step-000000004.safetensors")
      try whole.prefix(whole.count / 2).write(
        to: URL(fileURLWithPath: checkpoints + "/.step-000000005.safetensors.ab.partial"))
      var first = 0
      _ = try train(
        configuration, communicator: SingleCommunicator(), resume: configuration.output
      ) { event in
        if case .started(let overview) = event { first = overview.firstStep }
      }
      #expect(first == 4)
      #expect(files(checkpoints) == ["step-000000006.safetensors", "step-000000008.safetensors"])
    }
  }

  @Test func aSpoiledCheckpointIsAnErrorThatNamesTheFile() throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      configuration.training.maxSteps = 3
      try trainOnThreads(configuration, ranks: 1)
      let path = configuration.output + "/checkpoints/step-000000003.safetensors"
      let whole = try bytes(path)
      try whole.prefix(whole.count - 1).write(to: URL(fileURLWithPath: path))
      let error = #expect(throws: FormatError.self) {
        try trainOnThreads(configuration, ranks: 2, resume: configuration.output)
      }
      #expect(error?.description.hasPrefix(path) == true)

      try Safetensors(metadata: ["format": "pt"]).write(to: path)
      let other = #expect(throws: TrainingError.self) {
        try trainOnThreads(configuration, ranks: 1, resume: configuration.output)
      }
      #expect(
        other
          == .checkpointOfOtherRun(
            path: path, problem: "its metadata is not that of 'convoy checkpoint 3'"))
    }
  }
}
