import Collectives
import Execution
import Foundation
import Kernels
import Synchronization
import TestSupport
import Testing

@testable import Training

/// `training.parallelism` and `training.memory`.
@Suite struct ParallelismTests {
  static func best(
    ranks: Int, batch: Int, form: String = "dense", memory: Int? = nil
  ) throws -> Sharding {
    try programs(Sharding(batch: ranks, rows: 1), form: form)
      .bestSharding(samples: batch, memory: memory)
  }

  /// Of the demo network.
  static func programs(
    _ sharding: Sharding, form: String = "dense", checkpointing: Checkpointing = .keep
  ) -> StepPrograms {
    StepPrograms(
      .demo(factorization: Factorization(form, compression: 0.1)), extents: [28, 28], channels: 1,
      classes: 10, sharding: sharding, passes: ContractionPasses(checkpointing: checkpointing))
  }

  static func bytes(_ programs: StepPrograms, batch: Int) throws -> Int {
    try programs.prediction(samples: batch).peakBytesPerRank.max() ?? 0
  }

  @Test(arguments: [(1, 1), (4, 4), (8, 128), (7, 9)])
  func samplesAreSharedWhereThereAreEnough(ranks: Int, batch: Int) throws {
    #expect(try Self.best(ranks: ranks, batch: batch) == Sharding(batch: ranks, rows: 1))
  }

  @Test(arguments: [(2, 1), (4, 1), (7, 3)])
  func rowsAreSharedWhereRanksOutnumberSamples(ranks: Int, batch: Int) throws {
    for form in ["dense", "tk"] {
      let best = try Self.best(ranks: ranks, batch: batch, form: form)
      #expect(best.rows > 1 && best.ranks == ranks)
      #expect(best.batch <= batch)
    }
  }

  /// 8 samples on 7 ranks: one rank has two of them, unless rows are cut.
  @Test func memoryDecides() throws {
    #expect(try Self.best(ranks: 7, batch: 8, memory: 1 << 40).isDataParallel)
    let most = try Self.bytes(Self.programs(Sharding(batch: 7, rows: 1)), batch: 8)
    let least = try Self.bytes(Self.programs(Sharding(batch: 1, rows: 7)), batch: 8)
    #expect(least < most)
    // Two whole samples' activations alone.
    #expect(most > 2 * 28 * 28 * 4 * (1 + 32 + 32 + 64))
    #expect(try Self.best(ranks: 7, batch: 8, memory: most).isDataParallel)
    #expect(try !Self.best(ranks: 7, batch: 8, memory: most - 1).isDataParallel)
    #expect(throws: TrainingError.self) {
      try Self.best(ranks: 7, batch: 8, memory: 1 << 20)
    }
  }

  @Test func recomputingNeedsLess() throws {
    func bytes(_ checkpointing: Checkpointing) throws -> Int {
      try Self.bytes(
        Self.programs(Sharding(batch: 4, rows: 1), form: "tk", checkpointing: checkpointing),
        batch: 64)
    }
    #expect(try bytes(.recompute) < bytes(.keep))
  }

  /// A step, and an evaluation, that does not fit is refused before it starts.
  @Test func whatDoesNotFitIsRefused() throws {
    let programs = Self.programs(Sharding(batch: 2, rows: 1))
    let needed = try programs.peakBytes(.training, samples: 8, rank: 0)
    func require(evaluation: Int, limitBytes: Int) throws {
      try Trainer.requireMemory(
        programs, rank: 0, sharing: 2, step: 8, evaluation: evaluation, limitBytes: limitBytes)
    }
    try require(evaluation: 2, limitBytes: needed)
    #expect(
      throws: TrainingError.notEnoughHostMemory(
        pass: "training step", needed: needed, available: needed - 1, sharing: 2)
    ) {
      try require(evaluation: 2, limitBytes: needed - 1)
    }
    // A test set may be larger than the training set.
    #expect(throws: TrainingError.self) {
      try require(evaluation: 1000, limitBytes: needed)
    }
    let evaluation = TrainingError.notEnoughHostMemory(
      pass: "evaluation", needed: 3 << 20, available: 1 << 20, sharing: 2)
    #expect(
      "\(evaluation)" == """
        an evaluation needs 3.0 MiB a rank, but each of the 2 ranks on this machine has 1.0 MiB; \
        use a smaller training.batchSize, or more machines
        """)
  }

  /// Thirty steps on 8 ranks that share rows, and on one rank.
  @Test(arguments: Context.paths(turn: 1))
  func theResultDoesNotDependOnTheChoice(context: Context) throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      configuration.data.trainingSamples = 16
      configuration.model.form = "dense"
      configuration.data.height = 17
      configuration.data.width = 16
      configuration.training.batchSize = 4
      configuration.training.epochs = 8
      configuration.training.maxSteps = 30
      configuration.training.checkpointSteps = nil
      configuration.optimizer.learningRate = 0.01
      try trainOnThreads(configuration, ranks: 1, context: context)
      let expected = try stepLosses(configuration.output)
      configuration.output += "-auto"
      configuration.training.parallelism = .auto
      let sharding = Mutex<Sharding?>(nil)
      try trainOnThreads(configuration, ranks: 8, context: context) { event in
        if case .started(let run) = event { sharding.withLock { $0 = run.sharding } }
      }
      #expect(sharding.withLock { $0 }.map { $0.rows > 1 } ?? false)
      let found = try stepLosses(configuration.output)
      #expect(found.count == 30 && expected.count == 30)
      let differences = zip(found, expected).map { abs($0 / $1 - 1) }
      #expect(differences.allSatisfy { $0 < 1e-4 }, "\(differences)")
      // They learn, so that equal losses say something.
      #expect(expected[29] < expected[0])
    }
  }

  /// Batches of 5, the last of 2: on 3 ranks samples are shared, but the last batch has too few.
  @Test(arguments: Context.paths(turn: 2))
  func autoWithEnoughSamplesHasTheBitsOfData(context: Context) throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      try trainOnThreads(configuration, ranks: 3, context: context)
      let expected = try stepLosses(configuration.output)
      configuration.output += "-auto"
      configuration.training.parallelism = .auto
      try trainOnThreads(configuration, ranks: 3, context: context)
      #expect(try stepLosses(configuration.output) == expected)
    }
  }

  /// A run goes on with another choice; the memory that nothing fits into ends it before it starts.
  @Test func theChoiceMayChange() throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      configuration.training.maxSteps = 3
      try trainOnThreads(configuration, ranks: 2)
      configuration.training.maxSteps = 5
      configuration.training.parallelism = .auto
      configuration.training.memory = MemorySize(bytes: 1 << 16)
      let error = #expect(throws: TrainingError.self) {
        try trainOnThreads(configuration, ranks: 2, resume: configuration.output)
      }
      guard case .notEnoughMemory(let needed, 1 << 16, 2)? = error else {
        Issue.record("\(error.map { "\($0)" } ?? "")")
        return
      }
      #expect(needed > 1 << 16)
      configuration.training.memory = MemorySize(bytes: needed)
      try trainOnThreads(configuration, ranks: 2, resume: configuration.output)
      #expect(try stepLosses(configuration.output).count == 5)
    }
  }

  @Test func theMessageNamesTheFix() {
    let error = TrainingError.notEnoughMemory(needed: 3 << 20, memory: 1 << 19, ranks: 2)
    #expect(
      "\(error)" == """
        a step on 2 ranks needs 3.0 MiB a rank, but training.memory is 0.5 MiB; use more ranks, \
        a smaller training.batchSize or training.checkpointing recompute, or raise the limit
        """)
  }

  @Test(arguments: [
    ("1", 1), ("2GiB", 2 << 30), ("512MiB", 512 << 20), ("1.5 gib", 3 << 29),
    ("1.5e9", 1_500_000_000),
    ("3kB", 3000), ("2 MB", 2_000_000), ("7b", 7), ("1TiB", 1 << 40),
  ])
  func sizes(text: String, bytes: Int) {
    #expect(MemorySize(text)?.bytes == bytes)
    #expect(MemorySize("\(MemorySize(bytes: bytes))")?.bytes == bytes)
  }

  @Test(arguments: ["", "GiB", "0", "-1GiB", "2 GiBs", "nan", "inf", "1e30", "0.5", "1 2"])
  func noSizes(text: String) { #expect(MemorySize(text) == nil) }
}
