import Collectives
import Foundation
import Graph
import Testing

@testable import Training

@Suite struct RunErrorTests {
  @Test func aLossThatIsNoNumberEndsTheRunOnAllRanks() throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      configuration.optimizer.learningRate = 1e30
      configuration.training.warmUpEpochs = 0
      configuration.training.schedule = .constant
      let errors = try ThreadCommunicator.run(ranks: 3) { [configuration] communicator in
        do {
          _ = try train(configuration, communicator: communicator)
          return "no error"
        } catch let error as TrainingError {
          #expect(error.isSameOnAllRanks)
          return "\(error)"
        }
      }
      #expect(Set(errors).count == 1)
      let error = try #require(errors.first)
      #expect(error.hasPrefix("the loss became NaN at step "))
      #expect(error.contains("(epoch 1, learning rate 1e+30)"))
      #expect(error.contains("try a lower optimizer.learningRate"))
      // All that is written down is whole.
      #expect(try stepLosses(configuration.output).allSatisfy(\.isFinite))
      let text = String(decoding: try bytes(configuration.output + "/metrics.jsonl"), as: UTF8.self)
      #expect(text.split(separator: "\n").allSatisfy { MetricRecord(line: $0) != nil })
      #expect(!files(configuration.output).contains { $0.hasSuffix(".partial") })
    }
  }

  @Test func aFolderWithARunOrOtherFilesIsNotOverwritten() throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      try trainOnThreads(configuration, ranks: 1)
      let before = try bytes(configuration.output + "/metrics.jsonl")
      let error = #expect(throws: TrainingError.self) {
        try trainOnThreads(configuration, ranks: 2)
      }
      #expect(error == .outputHoldsFiles(path: configuration.output, holdsRun: true))
      #expect(error?.description.contains("--resume \(configuration.output)") == true)
      #expect(try bytes(configuration.output + "/metrics.jsonl") == before)

      configuration.output = folder
      #expect(throws: TrainingError.outputHoldsFiles(path: folder, holdsRun: false)) {
        try trainOnThreads(configuration, ranks: 1)
      }
    }
  }

  @Test(arguments: [("/dev/null/run", ENOTDIR), ("/proc/run", ENOENT)])
  func anUnwritableOutputIsAnErrorBeforeAnyWork(path: String, code: Int32) throws {
    var configuration = smallRun(in: "")
    configuration.output = path
    // Nor is what comes before the folder, the configuration, in its way.
    try configuration.check()
    let error = #expect(throws: TrainingError.self) {
      try trainOnThreads(configuration, ranks: 2)
    }
    #expect(error == .outputUnwritable(path: path, code: code))
    #expect(error?.description.contains("choose a folder you can write to") == true)
  }

  @Test func aRunThatCannotStartLeavesNoFolder() throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      configuration.output = folder + "/a/b"
      configuration.data = DataConfiguration(kind: .idx, path: folder + "/nowhere")
      #expect(throws: TrainingError.self) { try trainOnThreads(configuration, ranks: 2) }
      #expect(files(folder).isEmpty)
      // An impossible network too, and a folder that was there before stays.
      try FileManager.default.createDirectory(
        atPath: folder + "/a", withIntermediateDirectories: false)
      configuration.data = DataConfiguration(kind: .synthetic, trainingSamples: 4, testSamples: 4)
      configuration.data.height = 1
      #expect(throws: GraphError.self) { try trainOnThreads(configuration, ranks: 2) }
      #expect(files(folder) == ["a"])
    }
  }

  @Test func onlyARunCanBeResumed() throws {
    try withTemporaryFolder { folder in
      let configuration = smallRun(in: folder)
      let missing = folder + "/missing"
      #expect(throws: TrainingError.nothingToResume(path: missing, exists: false)) {
        try trainOnThreads(configuration, ranks: 2, resume: missing)
      }
      #expect(files(folder).isEmpty)
      try Data("text".utf8).write(to: URL(fileURLWithPath: folder + "/notes"))
      #expect(throws: TrainingError.nothingToResume(path: folder, exists: true)) {
        try trainOnThreads(configuration, ranks: 1, resume: folder)
      }
      #expect(files(folder) == ["notes"])
    }
  }

  @Test func ranksWithOtherConfigurationsDoNotStart() throws {
    try withTemporaryFolder { folder in
      let configuration = smallRun(in: folder)
      #expect(throws: TrainingError.configurationsDiffer(rank: 2)) {
        try ThreadCommunicator.run(ranks: 3) { communicator in
          var mine = configuration
          if communicator.rank == 2 { mine.optimizer.learningRate = 0.5 }
          _ = try train(mine, communicator: communicator)
        }
      }
      #expect(files(folder).isEmpty)
    }
  }

  @Test func anErrorOfOneRankIsThrownByAll() throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      configuration.output = folder + "/a"
      try Data("text".utf8).write(to: URL(fileURLWithPath: configuration.output))
      let errors = try ThreadCommunicator.run(ranks: 3) { [configuration] communicator in
        do {
          _ = try train(configuration, communicator: communicator)
          return "no error"
        } catch {
          return "\(error)"
        }
      }
      #expect(errors[0].contains(configuration.output))
      #expect(errors[1...] == ["stopped because rank 0 failed", "stopped because rank 0 failed"])
    }
  }
}
