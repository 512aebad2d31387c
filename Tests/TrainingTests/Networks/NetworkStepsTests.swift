import Collectives
import Execution
import Kernels
import Testing

@testable import Training

/// Steps of networks as programs.
@Suite(.serialized) struct NetworkStepsTests {
  struct Outcome: Equatable, Sendable {
    var losses: [Double] = []
    var tensors: [String: [Float]] = [:]
    var measuredPeak = 0
    var predictedPeak = 0
    var received: [Int] = []
    var predictedReceived = 0
  }

  static func images(_ count: Int, _ shape: [Int]) -> Tensor<Float> {
    uniform([count] + shape, seed: 5)
  }

  static func labels(_ count: Int, _ classes: Int) -> [Int] { (0..<count).map { $0 % classes } }

  /// Some steps of a network, all of one batch.
  static func train(
    _ description: NetworkDescription, batch: Int, extents: [Int], channels: Int, classes: Int,
    steps: Int, ranks: Int, sharding: Sharding? = nil, checkpointing: Checkpointing = .keep,
    options: ProgramOptions = ProgramOptions(threads: 1), context: Context = .process
  ) throws -> [Outcome] {
    let images = images(batch, extents + [channels])
    let labels = labels(batch, classes)
    return try ThreadCommunicator.run(ranks: ranks) { communicator in
      let meter = MemoryMeter()
      let network = try NetworkSteps(
        description, extents: extents, channels: channels, classes: classes, seed: 3,
        checkpointing: checkpointing, sharding: sharding, communicator: communicator,
        context: context, options: options, meter: meter)
      let part = network.part(of: batch)
      let mine = box(images, part)
      var outcome = Outcome()
      for step in 0..<steps {
        let before = communicator.traffic
        let sums = try network.train(batch, learningRate: 0.05, step: step + 1) {
          pixels, classes in
          mine.withElements {
            pixels.update(from: $0.baseAddress ?? .init(pixels), count: $0.count)
          }
          for (number, sample) in part.ranges[0].enumerated() {
            classes[number] = Int32(labels[sample])
          }
        }
        outcome.losses.append(sums.loss)
        outcome.received.append(communicator.traffic.since(before).bytesReceived)
      }
      for tensor in network.tensors { outcome.tensors[tensor.name] = tensor.tensor.elements }
      let program = try network.programs.program(
        .training, samples: batch, rank: communicator.rank)
      outcome.predictedPeak = program.peakBytes
      outcome.predictedReceived = program.receivedBytes
      outcome.measuredPeak = meter.peakBytes
      return outcome
    }
  }

  static func demo(_ form: String, compression: Double = 0.2) -> NetworkDescription {
    .demo(factorization: Factorization(form, compression: compression))
  }

  /// Counted by hand: three kernels, four normalisations, the linear layer.
  @Test func tensorsOfTheDenseDemoNetwork() throws {
    let network = try NetworkSteps(
      Self.demo("dense"), extents: [8, 8], channels: 1, classes: 10,
      communicator: SingleCommunicator())
    let kernels = 9 * (1 * 32 + 32 * 64 + 64 * 128 + 128 * 128)
    #expect(network.parameterCount == kernels + 2 * (32 + 64 + 128 + 128) + 128 * 10 + 10)
    let parameters = [
      "conv1.t_s_h_w", "norm1.scale", "norm1.shift", "conv2.t_s_h_w", "norm2.scale",
      "norm2.shift", "conv3.t_s_h_w", "norm3.scale", "norm3.shift", "conv4.t_s_h_w",
      "norm4.scale", "norm4.shift", "linear.weight", "linear.bias",
    ]
    let statistics = (1...4).flatMap { ["norm\($0).mean", "norm\($0).variance"] }
    let momentum = parameters.map { "momentum/\($0)" }
    #expect(Set(network.tensors.map(\.name)) == Set(parameters + statistics + momentum))
  }

  @Test func weightsFollowFromTheSeed() throws {
    func values(_ seed: UInt64) throws -> [[Float]] {
      try NetworkSteps(
        Self.demo("cp"), extents: [8, 8], channels: 1, classes: 10, seed: seed,
        communicator: SingleCommunicator()
      ).tensors.map(\.tensor.elements)
    }
    #expect(try values(1) == values(1))
    #expect(try values(1) != values(2))
  }

  /// Tiles of a few samples, on any number of threads; intermediates kept or computed again.
  @Test(arguments: ["cp", "dense"], Context.paths)
  func bitsDependOnNeitherThreadsNorCheckpointing(form: String, context: Context) throws {
    func train(
      threads: Int, _ checkpointing: Checkpointing = .keep
    ) throws -> [String: [Float]] {
      ThreadPool.use(count: threads)
      defer { ThreadPool.use(count: 1) }
      let outcome = try Self.train(
        Self.demo(form), batch: 11, extents: [12, 12], channels: 2, classes: 5, steps: 2,
        ranks: 1, checkpointing: checkpointing,
        options: ProgramOptions(threads: threads, tileElements: 30_000), context: context)[0]
      #expect(outcome.measuredPeak == outcome.predictedPeak)
      return outcome.tensors
    }
    let expected = try train(threads: 1)
    for threads in [2, 3] { #expect(try train(threads: threads) == expected) }
    #expect(try train(threads: 1, .recompute) == expected)
  }

  @Test(arguments: Context.paths) func tilesAddUpToTheBatch(context: Context) throws {
    func train(_ elements: Int) throws -> Outcome {
      try Self.train(
        Self.demo("cp"), batch: 11, extents: [12, 12], channels: 2, classes: 5, steps: 1, ranks: 1,
        options: ProgramOptions(threads: 1, tileElements: elements), context: context)[0]
    }
    let whole = try train(1 << 30)
    for elements in [1, 30_000, 50_000] {
      let tiled = try train(elements)
      for (name, expected) in whole.tensors {
        let shape = [expected.count]
        let found = Tensor(shape: shape, elements: tiled.tensors[name] ?? [])
        #expect(
          mismatchOfParts(found, Tensor(shape: shape, elements: expected)) < 1e-4, "\(name)")
      }
    }
  }

  /// Two kinds of images that differ in the direction of their stripes are told apart after a few
  /// steps, in every form.
  @Test(arguments: zip(["cp", "tk", "tt", "tr", "dense"], Context.paths + Context.paths))
  func learns(form: String, context: Context) throws {
    let network = try NetworkSteps(
      Self.demo(form, compression: 0.1), extents: [8, 8], channels: 1, classes: 10,
      optimizer: OptimizerConfiguration(), seed: 1, communicator: SingleCommunicator(),
      context: context)
    var images = uniform([16, 8, 8, 1], seed: 3)
    for b in 0..<16 {
      for h in 0..<8 {
        for w in 0..<8 { images[b, h, w, 0] += (b % 2 == 0 ? h : w) % 2 == 0 ? 1 : -1 }
      }
    }
    let labels = (0..<16).map { $0 % 2 }
    let losses = try (0..<15).map { _ in
      try network.train(images, labels: labels, learningRate: 0.05).loss / 16
    }
    #expect(try network.evaluate(images, labels: labels).correct == 16)
    #expect(losses[0] > 1 && losses[14] < 0.2, "\(losses)")
  }

  @Test(
    arguments: zip([1, 2, 3, 4, 4], [Checkpointing.keep, .recompute, .keep, .recompute, .keep]))
  func ranksAgree(ranks: Int, checkpointing: Checkpointing) throws {
    let description = NetworkDescription.resnet20(
      factorization: Factorization("cp", compression: 0.2))
    func train(_ ranks: Int, _ sharding: Sharding? = nil) throws -> [Outcome] {
      try Self.train(
        description, batch: 5, extents: [12, 12], channels: 3, classes: 4, steps: 2, ranks: ranks,
        sharding: sharding, checkpointing: checkpointing)
    }
    let expected = try train(1)[0]
    let shardings =
      [nil] + (ranks > 1 ? [Sharding(batch: 1, rows: ranks)] : [])
      + (ranks == 4 ? [Sharding(batch: 2, rows: 2)] : [])
    for sharding in shardings {
      for outcome in try train(ranks, sharding) {
        for (found, expected) in zip(outcome.losses, expected.losses) {
          #expect(abs(found - expected) < 1e-4 * abs(expected))
        }
        for (name, elements) in expected.tensors {
          let found = Tensor(shape: [elements.count], elements: outcome.tensors[name] ?? [])
          let tolerance = 2e-3
          #expect(
            mismatchOfParts(found, Tensor(shape: [elements.count], elements: elements)) < tolerance,
            "\(name)")
        }
        #expect(outcome.measuredPeak == outcome.predictedPeak)
        // Before the first step the ranks compare their programs.
        #expect(outcome.received[1] == outcome.predictedReceived)
      }
    }
  }

  @Test func whatDoesNotFitIsTold() throws {
    let network = try NetworkSteps(
      Self.demo("dense"), extents: [8, 8], channels: 2, classes: 3,
      communicator: SingleCommunicator())
    let images = uniform([2, 8, 8, 2], seed: 1)
    #expect(throws: NetworkError.labelOutOfRange(label: 3, sample: 1, classes: 3)) {
      try network.train(images, labels: [0, 3], learningRate: 0.1)
    }
    #expect(throws: NetworkError.unexpectedLabels(count: 1, samples: 2)) {
      try network.evaluate(images, labels: [0])
    }
    #expect(
      throws: NetworkError.unexpectedImages(
        shape: [2, 8, 8, 1], expected: [2, 8, 8, 2], batch: 2)
    ) { try network.evaluate(uniform([2, 8, 8, 1], seed: 1), labels: [0, 1]) }
  }
}
