import Collectives
import Kernels
import Testing

@testable import Training

/// What a step and an evaluation hold in any case, by hand, and that it is looked at before they start.
@Suite struct StepFloorTests {
  private static func network() throws -> Network {
    try Network(
      ModelConfiguration(form: "dense"), height: 28, width: 28, channels: 1, classes: 10, seed: 0)
  }

  /// Elements per image: what convolutions, normalisations and the linear layer read.
  private static let keptPerImage =
    28 * 28 * (1 + 32 + 32 + 64) + 14 * 14 * (64 + 128) + 7 * 7 * (128 + 128) + 128

  @Test func aStepByHand() throws {
    let network = try Self.network()
    let parameters = network.parameterCount
    let floor = StepFloor(network, stateCount: 2 * parameters)
    let whole = Sharding(batch: 1, rows: 1)
    #expect(
      try floor.stepBytes(images: whole.layout(of: [5, 28, 28, 1]))
        == 4 * (5 * parameters + 5 * Self.keptPerImage))
    // Of 5 samples on 2 ranks one has 3.
    let shared = Sharding(batch: 2, rows: 1)
    #expect(
      try floor.stepBytes(images: shared.layout(of: [5, 28, 28, 1]))
        == 4 * (5 * parameters + 3 * Self.keptPerImage))
  }

  /// The second convolution's input and output are the largest pair.
  @Test func anEvaluationByHand() throws {
    let network = try Self.network()
    let floor = StepFloor(network, stateCount: 0)
    let whole = Sharding(batch: 1, rows: 1)
    #expect(
      try floor.evaluationBytes(images: whole.layout(of: [7, 28, 28, 1]))
        == 4 * (3 * network.parameterCount + 7 * 28 * 28 * (32 + 64)))
  }

  @Test func whatDoesNotFitIsRefusedBeforeItStarts() throws {
    let network = try Self.network()
    let floor = StepFloor(network, stateCount: 0)
    let sharding = Sharding(batch: 2, rows: 1)
    let step = try floor.stepBytes(images: sharding.layout(of: [8, 28, 28, 1]))
    func check(test: Int, limitBytes: Int) throws {
      _ = try ThreadCommunicator.run(ranks: 2) { communicator in
        let floor = StepFloor(try Self.network(), stateCount: 0)
        try Trainer.requireMemory(
          floor, step: ([8, 28, 28, 1], sharding), evaluation: [test, 28, 28, 1],
          communicator: communicator, limitBytes: limitBytes)
      }
    }
    try check(test: 2, limitBytes: step)
    let error = TrainingError.notEnoughHostMemory(
      pass: "training step", needed: step, available: step - 1, sharing: 2)
    #expect(throws: error) { try check(test: 2, limitBytes: step - 1) }
    // A test set may be larger than the training set.
    #expect(throws: TrainingError.self) { try check(test: 1000, limitBytes: step) }
    let evaluation = TrainingError.notEnoughHostMemory(
      pass: "evaluation", needed: 3 << 20, available: 1 << 20, sharing: 2)
    #expect(
      "\(evaluation)" == """
        an evaluation needs more than 3.0 MiB a rank, but each of the 2 ranks on this machine has \
        1.0 MiB; use a smaller training.batchSize, or more machines
        """)
  }
}
