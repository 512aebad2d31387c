import Collectives
import Execution
import Kernels
import Partitioning
import TestSupport
import Testing

@testable import Training

/// The same training step, however the ranks share the images.
@Suite struct ShardingTests {
  /// Every kind of layer: 13×11 images, a pool without overlap that leaves a row out, 6×5, one with,
  /// 2×2, and a strided convolution: most ranks end with no rows at all.
  static func network(_ form: Form, checkpointing: Checkpointing = .keep) throws -> Network {
    func convolution(
      _ name: String, _ form: Form, _ inputs: Int, _ outputs: Int, stride: Int = 1
    ) throws -> FactorizedConvolution {
      try FactorizedConvolution(
        name: name, form: form,
        kernel: KernelShape(inputChannels: inputs, outputChannels: outputs, height: 3, width: 3),
        compression: 1, stride: stride, seed: 3, needsInputGradient: name != "conv1",
        checkpointing: checkpointing)
    }
    return try Network(layers: [
      convolution("conv1", .dense, 2, 8), BatchNormalization(name: "norm1", channels: 8),
      ReLU(), MaxPool(name: "pool1", window: 2),
      convolution("conv2", form, 8, 8),
      BatchNormalization(name: "norm2", channels: 8, relu: true),
      AveragePool(name: "pool2", window: 3, stride: 2),
      convolution("conv3", .dense, 8, 4, stride: 2), GlobalAveragePool(name: "pool3"),
      Linear(name: "linear", inputs: 4, outputs: 3, seed: 3),
    ])
  }

  static func check(
    _ form: Form, _ sharding: Sharding, batch: Int, checkpointing: Checkpointing = .keep,
    tolerance: Double = 1e-5, _ context: Context
  ) throws {
    let images = uniform([batch, 13, 11, 2], seed: 5)
    let labels = (0..<batch).map { $0 * 2 % 3 }
    let expected = try trainingStep(
      network(form), images: images, labels: labels, sharding: nil, SingleCommunicator(),
      context)
    let outcomes = try ThreadCommunicator.run(ranks: sharding.ranks) { communicator in
      try trainingStep(
        network(form, checkpointing: checkpointing), images: images, labels: labels,
        sharding: sharding, communicator, context)
    }
    for outcome in outcomes {
      let difference = outcome.difference(from: expected)
      #expect(
        difference <= tolerance,
        "\(form.name), \(sharding), \(batch), \(context.path): \(difference)")
    }
    #expect(Set(outcomes.map(\.state)).count == 1)
  }

  /// All grids of 1 to 8 ranks, for batches that give some of them no sample.
  @Test(arguments: 1...8) func allGrids(ranks: Int) throws {
    for (turn, sharding) in Sharding.all(ranks: ranks).enumerated() {
      for batch in 1...5 {
        for context in Context.paths(turn: turn + batch) {
          try Self.check(.dense, sharding, batch: batch, context)
        }
      }
    }
  }

  /// Every form, each on a few of the grids; together they have most of them.
  @Test(arguments: Form.all.indices)
  func allForms(index: Int) throws {
    let cases = (2...8).flatMap { ranks in
      Sharding.all(ranks: ranks).filter { !$0.isDataParallel }.map {
        ($0, 1 + (ranks + $0.rows) % 5)
      }
    }
    for turn in 0..<2 {
      let (sharding, batch) = cases[(3 * index + 7 * turn) % cases.count]
      for context in Context.paths(turn: index + turn) {
        try Self.check(Form.all[index], sharding, batch: batch, context)
      }
    }
  }

  @Test(arguments: Context.paths)
  func recomputedIntermediatesGiveTheSame(context: Context) throws {
    try Self.check(
      .tucker, Sharding(batch: 1, rows: 3), batch: 2, checkpointing: .recompute, context)
  }

  /// A grid of one part of rows has the bits of data parallelism.
  @Test(arguments: Context.paths)
  func wholeSamplesHaveTheBitsOfDataParallelism(context: Context) throws {
    let images = uniform([5, 13, 11, 2], seed: 5)
    func gradients(sharded: Bool) throws -> [[Float]] {
      try ThreadCommunicator.run(ranks: 3) { communicator in
        let sharding = Sharding(batch: 3, rows: 1)
        let part = box(images, sharding.layout(of: images.shape).box(of: communicator.rank))
        let network = try Self.network(.cp)
        let pass = Pass(
          isTraining: true, communicator: communicator, context: context,
          sharding: sharded ? sharding.layout(of: images.shape) : nil)
        let (logits, pullback) = try network.forward(part, pass)
        _ = try pullback(logits)
        return network.parameters.flatMap(\.gradient.elements)
      }
    }
    #expect(try gradients(sharded: true) == gradients(sharded: false))
  }

  /// Bytes as the plan says, of which none are parameters' gradients: those are summed later.
  @Test func whatTravelsIsPredicted() throws {
    let layout = Sharding(batch: 2, rows: 3).layout(of: [3, 13, 11, 8])
    let images = uniform(layout.shape, seed: 5)
    let received = try ThreadCommunicator.run(ranks: 6) { communicator in
      let layer = try FactorizedConvolution(
        name: "conv", form: .tucker,
        kernel: KernelShape(inputChannels: 8, outputChannels: 8, height: 3, width: 3),
        compression: 1, seed: 3)
      let part = box(images, layout.box(of: communicator.rank))
      let pass = Pass(isTraining: true, communicator: communicator, sharding: layout)
      // The first call of each pass compares plans, and what memory there is.
      let first = try layer.forward(part, pass)
      _ = try first.pullback(first.output)
      let before = communicator.traffic.bytesReceived
      let (output, pullback) = try layer.forward(part, pass)
      _ = try pullback(output)
      let plan = try layer.plan(for: layout)
      let reverse = RunSchedule.Pass.reverse(needed: plan.inputs.map { _ in true }, asTerms: true)
      let predicted = try [.recorded, reverse].reduce(0) {
        $0
          + (try RunSchedule(plan, pass: $1).receivedBytes(rank: communicator.rank, elementBytes: 4))
      }
      return (communicator.traffic.bytesReceived - before, predicted)
    }
    #expect(received.allSatisfy { $0.0 == $0.1 && $0.0 > 0 }, "\(received)")
    // Halos of one row, and no images.
    #expect(received.allSatisfy { $0.0 < 4 * 3 * 13 * 11 * 8 / 2 }, "\(received)")
  }

  @Test func anEvaluationMayBeShardedToo() throws {
    let images = uniform([3, 13, 11, 2], seed: 5)
    let expected = try Self.network(.tucker).forward(images, evaluation).logits
    let sharding = Sharding(batch: 2, rows: 2)
    let parts = try ThreadCommunicator.run(ranks: 4) { communicator in
      let layout = sharding.layout(of: images.shape)
      return try Self.network(.tucker).forward(
        box(images, layout.box(of: communicator.rank)),
        Pass(isTraining: false, communicator: communicator, sharding: layout)
      ).logits
    }
    let doubles = Tensor<Double>(
      shape: expected.shape, elements: expected.elements.map(Double.init))
    #expect(mismatch(joined(parts), doubles, tolerance: .relative(1e-5)) == nil)
  }

  /// Pools move values and add few: bits for the maximum, in both directions.
  @Test(arguments: [(2, 2), (3, 1), (3, 2), (2, 3)]) func poolsOfSharedRows(
    window: Int, stride: Int
  ) throws {
    let images = uniform([2, 7, 6, 3], seed: 1)
    let pool = try MaxPool(name: "p", window: window, stride: stride)
    let (output, pullback) = try pool.forward(images, alone)
    let gradient = uniform(output.shape, seed: 2)
    let inputGradient = try #require(try pullback(gradient))
    for rows in 2...8 {
      let layout = Sharding(batch: 1, rows: rows).layout(of: images.shape)
      let parts = try ThreadCommunicator.run(ranks: rows) { communicator in
        let pool = try MaxPool(name: "p", window: window, stride: stride)
        let rank = communicator.rank
        let results = try pool.outputLayout(layout)
        let (part, pullback) = try pool.forward(
          box(images, layout.box(of: rank)),
          Pass(isTraining: true, communicator: communicator, sharding: layout))
        let back = try pullback(box(gradient, results.box(of: rank)))
        return (
          part.elements == box(output, results.box(of: rank)).elements,
          back.map { mismatchOfParts($0, box(inputGradient, layout.box(of: rank))) } ?? .infinity
        )
      }
      #expect(parts.allSatisfy { $0.0 }, "\(rows) parts")
      // Where windows overlap, their terms are added in another order.
      #expect(parts.allSatisfy { $0.1 <= 1e-6 }, "\(rows) parts: \(parts.map(\.1))")
    }
  }

  @Test func whereThingsAre() throws {
    let sharding = Sharding(batch: 4, rows: 2)
    #expect("\(sharding)" == "4 × 2 (batch × rows)")
    #expect(Sharding.all(ranks: 6).map(\.rows) == [1, 2, 3, 6])
    let images = sharding.layout(of: [6, 13, 11, 3])
    // Rank 5 has part 2 of the samples, 3 ..< 4, and part 1 of the rows.
    #expect(images.box(of: 5).ranges == [3..<4, 6..<13, 0..<11, 0..<3])
    let features = try GlobalAveragePool(name: "p").outputLayout(images)
    let sampling = Sampling(count: 6, batchSize: 6)
    for rank in 0..<8 {
      let expected = sampling.shard(batch: 0, rank: rank, ranks: 8)
      #expect(features.box(of: rank).ranges == [expected, 0..<3])
    }
    #expect(features.cutsSamplesOnly && !images.cutsSamplesOnly)
  }

  @Test func badShardings() throws {
    let layout = Sharding(batch: 1, rows: 2).layout(of: [2, 8, 8, 2])
    // Two ranks planned, one there; a part of another shape; channels cut; copies.
    let mesh = Mesh(axes: [1])
    let bad: [(Layout, String)] = [
      (
        layout,
        "network: the input is cut by the axes [[0], [1], [], []] of the ranks 1 × 2; "
          + "expected images [batch, height, width, channels] once over 1 ranks, channels whole"
      ),
      (Layout(shape: [2, 8, 8, 2], mesh: mesh, axes: [[], [], [], [0]]), "[[], [], [], [0]]"),
      (
        Layout(shape: [2, 8, 9, 2], mesh: mesh, axes: [[], [], [0], []]),
        "network: the input has shape [2, 8, 8, 2], but rank 0's part"
      ),
    ]
    for (layout, message) in bad {
      let error = #expect(throws: NetworkError.self) {
        try Self.network(.dense).forward(
          Tensor(shape: [2, 8, 8, 2]),
          Pass(isTraining: true, communicator: SingleCommunicator(), sharding: layout))
      }
      #expect(error.map { "\($0)".contains(message) } ?? false, "\(error.map { "\($0)" } ?? "")")
    }
    #expect(throws: NetworkError.self) {
      try Linear(name: "l", inputs: 2, outputs: 2, seed: 0).outputLayout(layout)
    }
  }
}

/// ‖a − b‖ / ‖b‖, of parts that may be empty.
func mismatchOfParts(_ a: Tensor<Float>, _ b: Tensor<Float>) -> Double {
  guard a.shape == b.shape else { return .infinity }
  let difference = Tensor<Float>(
    shape: a.shape, elements: zip(a.elements, b.elements).map { $0 - $1 })
  return difference.norm / max(b.norm, 1)
}
