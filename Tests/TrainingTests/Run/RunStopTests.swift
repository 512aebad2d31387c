import Collectives
import Formats
import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Training

@Suite struct RunStopTests {
  /// A run in which one rank is asked to stop, after so many questions: all ranks stop after the same
  /// step, and the run goes on to the bits of one that was left alone. Eight steps, and tests after the
  /// fourth and the eighth, in which a rank is asked once per batch: the questions 5, 6, 11 and 12.
  @Test(arguments: [1, 2, 3]) func aStoppedRunGoesOnToTheSameBits(ranks: Int) throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      try trainOnThreads(configuration, ranks: ranks)
      let whole = configuration.output
      let all = [(1, 1), (2, 2), (4, 4), (5, 4), (7, 5), (10, 8), (11, 8)]
      let stops =
        testsAreLong ? all : all.enumerated().filter { $0.offset % 3 != ranks % 3 }.map(\.element)
      for (questions, steps) in stops {
        configuration.output = folder + "/stopped\(questions)"
        let run = configuration.output
        let asked = Mutex(0)
        let summaries = try trainOnThreads(
          configuration, ranks: ranks,
          shouldStop: { rank in
            guard rank == ranks - 1 else { return false }
            return asked.withLock {
              $0 += 1
              return $0 >= questions
            }
          })
        #expect(summaries.allSatisfy { !$0.isFinished && $0.steps == steps && $0.totalSteps == 8 })
        #expect(!FileManager.default.fileExists(atPath: run + "/weights.safetensors"))
        let path = run + "/checkpoints/step-00000000\(steps).safetensors"
        #expect(try Checkpoint(path: path).progress.step == steps)
        let resumed = try trainOnThreads(configuration, ranks: ranks, resume: run)
        #expect(resumed.allSatisfy { $0.isFinished && $0.steps == 8 && $0.epochs == 2 })
        #expect(try losses(run) == losses(whole), "\(questions) questions")
        // Configurations differ in the output, which is in the checkpoints' metadata.
        for file in ["/weights.safetensors", "/checkpoints/step-000000008.safetensors"] {
          #expect(
            try Safetensors(path: run + file).tensors == Safetensors(path: whole + file).tensors,
            "\(questions) questions")
        }
        let last = try Checkpoint(path: run + "/checkpoints/step-000000008.safetensors")
        #expect(last.progress == RunProgress(step: 8, completedEpochs: 2))
      }
    }
  }

  /// Every phase of a step has a name, and a number that is the step's.
  @Test func aRunSaysWhereItIs() throws {
    try withTemporaryFolder { folder in
      let communicator = Recorder()
      _ = try train(smallRun(in: folder), communicator: communicator)
      let steps = communicator.steps.withLock { $0 }
      let named = steps.compactMap(\.self).map(\.description)
      #expect(named.contains("step 3 (train)"))
      #expect(named.contains("step 4 (test of epoch 1)"))
      #expect(named.contains("step 3 (write a checkpoint)"))
      #expect(named.contains("step 0 (read the data)"))
      #expect(!steps.contains(nil))
    }
  }
}

/// A process alone that remembers what it did.
private final class Recorder: Communicator {
  let steps = Mutex<[CollectiveStep?]>([])
  private let base = SingleCommunicator()

  var rank: Int { 0 }
  var size: Int { 1 }
  var kind: String { "recorder" }
  var traffic: Traffic { base.traffic }
  var step: CollectiveStep? { base.step }

  func agree(on call: CollectiveCall) throws { try base.agree(on: call) }

  func startExchange(
    sending: [OutgoingMessage], receiving: [IncomingMessage]
  ) throws -> any PendingExchange {
    try base.startExchange(sending: sending, receiving: receiving)
  }

  func abort(code: Int32) -> Never { base.abort(code: code) }

  func enter(_ step: CollectiveStep?) {
    steps.withLock { $0.append(step) }
    base.enter(step)
  }

  func watch(
    _ watchdog: Watchdog, report: @escaping @Sendable (CollectiveError) -> Void
  ) throws {}
}
