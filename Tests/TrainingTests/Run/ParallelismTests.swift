import Collectives
import Foundation
import Kernels
import Synchronization
import TestSupport
import Testing

@testable import Training

/// `training.parallelism` and `training.memory`.
@Suite struct ParallelismTests {
  static func search(
    ranks: Int, batch: Int, form: String = "dense", memory: Int? = nil
  ) throws -> ShardingSearch {
    ShardingSearch(
      network: try Network(
        ModelConfiguration(form: form), height: 28, width: 28, channels: 1, classes: 10, seed: 0),
      images: [batch, 28, 28, 1], ranks: ranks, memory: memory, stateCount: 0)
  }

  @Test(arguments: [(1, 1), (4, 4), (8, 128), (7, 9)])
  func samplesAreSharedWhereThereAreEnough(ranks: Int, batch: Int) throws {
    let best = try Self.search(ranks: ranks, batch: batch).best()
    #expect(best.sharding == Sharding(batch: ranks, rows: 1))
  }

  @Test(arguments: [(2, 1), (4, 1), (8, 4), (6, 4), (7, 3)])
  func rowsAreSharedWhereRanksOutnumberSamples(ranks: Int, batch: Int) throws {
    for form in ["dense", "tk"] {
      let search = try Self.search(ranks: ranks, batch: batch, form: form)
      let best = try search.best()
      #expect(best.sharding.rows > 1 && best.sharding.ranks == ranks)
      #expect(best.sharding.batch <= batch)
      // Idle ranks are what it avoids.
      let data = try search.candidate(Sharding(batch: ranks, rows: 1))
      #expect(best.seconds < data.seconds)
    }
  }

  /// 5 samples on 4 ranks: one rank has two of them, unless rows are cut.
  @Test func memoryDecides() throws {
    let roomy = try Self.search(ranks: 4, batch: 5, memory: 1 << 40)
    let data = try roomy.best()
    #expect(data.sharding.isDataParallel)
    let rows = try roomy.candidate(Sharding(batch: 1, rows: 4))
    let (most, least) = (try #require(data.bytes), try #require(rows.bytes))
    #expect(least < most)
    // Two whole samples' activations alone.
    #expect(most > 2 * 28 * 28 * 4 * (1 + 32 + 32 + 64 + 64))
    #expect(try Self.search(ranks: 4, batch: 5, memory: most).best() == data)
    let short = try Self.search(ranks: 4, batch: 5, memory: most - 1).best()
    #expect(!short.sharding.isDataParallel && short.bytes.map { $0 < most } ?? false)
    #expect(throws: TrainingError.self) {
      try Self.search(ranks: 4, batch: 5, memory: 1 << 20).best()
    }
  }

  /// What 1,000 more classes take in a real step with Adam, by the objects that hold it: values, gradients, the
  /// buffer in which those are summed, both moments, and the scores. No contraction is planned for them.
  @Test func allThatAStepHoldsOfAParameterCounts() throws {
    func step(classes: Int) throws -> (predicted: Int, held: Int) {
      let network = try Network(
        ModelConfiguration(form: "dense"), height: 28, width: 28, channels: 1, classes: classes,
        seed: 0)
      var adam = Adam(parameters: network.parameters)
      adam.update(network.parameters, learningRate: 0.1)
      let state = adam.state.reduce(0) { $0 + $1.value.count }
      let candidate = try ShardingSearch(
        network: network, images: [3, 28, 28, 1], ranks: 1, memory: 1, stateCount: state
      ).candidate(Sharding(batch: 1, rows: 1))
      let summed = network.parameters.reduce(0) { $0 + $1.gradient.count }
      let held = network.parameters.reduce(state + summed) {
        $0 + $1.value.count + $1.gradient.count
      }
      return (try #require(candidate.bytes), 4 * (held + 3 * classes))
    }
    let (few, many) = (try step(classes: 10), try step(classes: 1010))
    #expect(many.held > few.held + 4 * 5 * 1000)
    #expect(many.predicted - few.predicted == many.held - few.held)
  }

  @Test func recomputingNeedsLess() throws {
    func bytes(_ configuration: ModelConfiguration) throws -> Int {
      let network = try Network(
        configuration, height: 28, width: 28, channels: 1, classes: 10, seed: 0)
      let candidate = try ShardingSearch(
        network: network, images: [4, 28, 28, 1], ranks: 4, memory: 1, stateCount: 0
      ).candidate(Sharding(batch: 2, rows: 2))
      return try #require(candidate.bytes)
    }
    let kept = try bytes(ModelConfiguration(form: "tk"))
    let recomputed = try bytes(ModelConfiguration(form: "tk", checkpointing: .recompute))
    #expect(recomputed < kept)
  }

  /// Thirty steps on 8 ranks that share rows, and on one rank.
  @Test(arguments: Context.paths)
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
  @Test(arguments: Context.paths)
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
        a step on 2 ranks needs about 3.0 MiB a rank, but training.memory is 0.5 MiB; use more \
        ranks, a smaller training.batchSize or training.checkpointing recompute, or raise the limit
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
