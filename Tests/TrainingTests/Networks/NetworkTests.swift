import Collectives
import Execution
import Kernels
import TestSupport
import Testing

@testable import Training

/// The demo network as a whole.
@Suite struct NetworkTests {
  static func network(_ form: String = "cp", seed: UInt64 = 1) throws -> Network {
    try Network(
      ModelConfiguration(form: form, compression: 0.1), height: 8, width: 8, channels: 1,
      classes: 10, seed: seed)
  }

  /// Counted by hand: three kernels, four normalisations, the linear layer.
  @Test func parametersOfTheDenseNetwork() throws {
    let network = try Self.network("dense")
    let kernels = 9 * (1 * 32 + 32 * 64 + 64 * 128 + 128 * 128)
    #expect(network.parameterCount == kernels + 2 * (32 + 64 + 128 + 128) + 128 * 10 + 10)
    #expect(
      network.parameters.map(\.name) == [
        "conv1.t_s_h_w", "norm1.scale", "norm1.shift", "conv2.t_s_h_w", "norm2.scale",
        "norm2.shift", "conv3.t_s_h_w", "norm3.scale", "norm3.shift", "conv4.t_s_h_w",
        "norm4.scale", "norm4.shift", "linear.weight", "linear.bias",
      ])
    let statistics = (1...4).flatMap { ["norm\($0).mean", "norm\($0).variance"] }
    #expect(network.state.map(\.name) == statistics)
  }

  /// The kernels of a compressed network have a tenth of the dense parameters, never more.
  @Test(arguments: Form.all.filter(\.hasRank)) func compressedNetworks(form: Form) throws {
    let network = try Self.network(form.name)
    for layer in network.layers.compactMap({ $0 as? FactorizedConvolution }).dropFirst() {
      #expect(layer.form == form)
      let fraction = Double(layer.parameterCount) / Double(layer.kernel.count)
      #expect(fraction <= 0.1 && fraction > 0.05)
    }
  }

  @Test(arguments: ["cp", "tk", "tt", "tr", "dense", "rcp"], Context.paths)
  func shapesAndGradients(form: String, context: Context) throws {
    let network = try Self.network(form)
    let images = uniform([6, 8, 8, 1], seed: 5)
    let (logits, pullback) = try network.forward(images, alone(in: context))
    #expect(logits.shape == [6, 10])
    #expect(logits.norm > 0.1 && logits.norm < 100)
    // The first layer's input needs no gradient; every parameter gets one.
    let loss = try softmaxCrossEntropy(logits: logits, labels: [0, 1, 2, 3, 4, 5])
    #expect(try pullback(loss.gradient) == nil)
    #expect(network.parameters.allSatisfy { $0.gradient.norm > 0 })
    network.resetGradients()
    #expect(network.parameters.allSatisfy { $0.gradient.norm == 0 })
  }

  /// A second call would find nothing kept, and hand back its own argument. In tiles, too.
  @Test(arguments: [6, 3000]) func aPullbackIsCalledOnce(batch: Int) throws {
    let network = try Self.network()
    #expect((network.tiles(of: [batch, 8, 8, 1]).count > 1) == (batch > 6))
    let (logits, pullback) = try network.forward(uniform([batch, 8, 8, 1], seed: 5), alone)
    let gradient = uniform(logits.shape, seed: 6)
    #expect(try pullback(gradient) == nil)
    #expect(throws: NetworkError.pullbackUsed(layer: "network")) { try pullback(gradient) }
    // Also after a call that failed on its way.
    let (_, other) = try network.forward(uniform([batch, 8, 8, 1], seed: 5), alone)
    #expect(throws: (any Error).self) { try other(Tensor(shape: [batch, 9])) }
    #expect(throws: NetworkError.pullbackUsed(layer: "network")) { try other(gradient) }
    #expect(
      "\(NetworkError.pullbackUsed(layer: "network"))" == """
        network: the pullback was called before, and has let go of what it needs; run forward \
        again for each pullback
        """)
  }

  /// Along the gradient of the last convolution's factors, the loss changes as predicted.
  @Test(arguments: Context.paths) func theLossFollowsItsGradient(context: Context) throws {
    let network = try Self.network()
    let images = uniform([6, 8, 8, 1], seed: 5)
    let labels = [0, 1, 2, 3, 4, 5]
    func loss() throws -> Double {
      try softmaxCrossEntropy(
        logits: network.forward(images, alone(in: context)).logits, labels: labels
      ).sum
    }
    let (logits, pullback) = try network.forward(images, alone(in: context))
    _ = try pullback(softmaxCrossEntropy(logits: logits, labels: labels).gradient)
    let names = [
      "conv4.r_t", "conv3.r_h", "conv2.r_s", "conv1.t_s_h_w", "norm3.scale", "linear.bias",
    ]
    for name in names {
      let parameter = try #require(network.parameters.first { $0.name == name })
      let value = parameter.value
      let direction = parameter.gradient
      let size = 2e-3 / direction.norm
      func moved(_ sign: Double) throws -> Double {
        parameter.value = Tensor(
          shape: value.shape,
          elements: zip(value.elements, direction.elements).map {
            $0 + Float(sign * size) * $1
          })
        return try loss()
      }
      let slope = try (moved(1) - moved(-1)) / (2 * size)
      parameter.value = value
      let predicted = direction.innerProduct(direction)
      #expect(abs(slope / predicted - 1) < 0.03, "\(name): \(slope), predicted \(predicted)")
    }
  }

  /// The sum of the ranks' gradients is that of the whole batch, whatever the shards: 5 samples on
  /// 2 ranks are uneven, on 6 one rank has none.
  @Test(arguments: [2, 3, 6], Context.paths)
  func shardsAddUpToTheWholeBatch(ranks: Int, context: Context) throws {
    let images = uniform([5, 8, 8, 1], seed: 5)
    let labels = [3, 1, 4, 1, 5]
    struct Outcome: Sendable {
      var loss: Double
      var gradients: [[Float]]
      var state: [[Float]]
    }
    @Sendable func outcome(_ communicator: any Communicator) throws -> Outcome {
      let (rank, size) = (communicator.rank, communicator.size)
      let network = try Self.network()
      let part = 5 * rank / size..<5 * (rank + 1) / size
      let (logits, pullback) = try network.forward(
        shard(images, rank, size),
        Pass(isTraining: true, communicator: communicator, context: context))
      let loss = try softmaxCrossEntropy(logits: logits, labels: labels[part])
      _ = try pullback(loss.gradient)
      return Outcome(
        loss: loss.sum, gradients: network.parameters.map(\.gradient.elements),
        state: network.state.map(\.value.elements))
    }
    let whole = try outcome(SingleCommunicator())
    let parts = try ThreadCommunicator.run(ranks: ranks, outcome)
    let loss = parts.reduce(0) { $0 + $1.loss }
    #expect(abs(loss / whole.loss - 1) < 1e-5)
    for (index, expected) in whole.gradients.enumerated() {
      let sum = expected.indices.map { element in
        parts.reduce(Float(0)) { $0 + $1.gradients[index][element] }
      }
      let expected = Tensor<Double>(shape: [expected.count], elements: expected.map(Double.init))
      #expect(
        mismatch(Tensor(shape: [sum.count], elements: sum), expected, tolerance: .relative(1e-3))
          == nil)
    }
    #expect(Set(parts.map(\.state)).count == 1)
  }

  @Test(arguments: Context.paths) func checkpointingChangesNothing(context: Context) throws {
    func gradients(_ checkpointing: Checkpointing) throws -> [[Float]] {
      let network = try Network(
        ModelConfiguration(form: "tt", compression: 0.1, checkpointing: checkpointing), height: 8,
        width: 8, channels: 2, classes: 4, seed: 1)
      let (logits, pullback) = try network.forward(
        uniform([3, 8, 8, 2], seed: 2), alone(in: context))
      _ = try pullback(logits)
      return network.parameters.map(\.gradient.elements)
    }
    #expect(try gradients(.keep) == gradients(.recompute))
  }

  @Test func weightsFollowFromTheSeed() throws {
    func values(_ seed: UInt64) throws -> [[Float]] {
      try Self.network(seed: seed).parameters.map(\.value.elements)
    }
    #expect(try values(1) == values(1))
    #expect(try values(1) != values(2))
  }

  /// Two kinds of images that differ in the direction of their stripes are told apart after a few
  /// steps, in every form.
  @Test(arguments: ["cp", "tk", "tt", "tr", "dense"], Context.paths)
  func learns(form: String, context: Context) throws {
    let network = try Self.network(form)
    var images = uniform([16, 8, 8, 1], seed: 3)
    let labels = (0..<16).map { $0 % 2 }
    for b in 0..<16 {
      for h in 0..<8 {
        for w in 0..<8 { images[b, h, w, 0] += (b % 2 == 0 ? h : w) % 2 == 0 ? 1 : -1 }
      }
    }
    var optimizer = StochasticGradientDescent(parameters: network.parameters, momentum: 0.9)
    var losses: [Double] = []
    for _ in 0..<15 {
      network.resetGradients()
      let (logits, pullback) = try network.forward(images, alone(in: context))
      let loss = try softmaxCrossEntropy(logits: logits, labels: labels)
      _ = try pullback(loss.gradient)
      for parameter in network.parameters {
        parameter.gradient.withMutableElements { for i in $0.indices { $0[i] /= 16 } }
      }
      optimizer.update(network.parameters, learningRate: 0.05)
      losses.append(loss.sum / 16)
    }
    #expect(losses[0] > 1 && losses[14] < 0.2, "\(losses)")
  }

  @Test func badModels() throws {
    #expect(throws: NetworkError.unknownForm(name: "cpp", known: Form.all.map(\.name))) {
      try Self.network("cpp")
    }
    #expect(throws: NetworkError.self) {
      try Network(
        ModelConfiguration(form: "cp", compression: 0), height: 8, width: 8, channels: 1,
        classes: 10, seed: 1)
    }
    for (height, classes, channels) in [(3, 10, 1), (8, 0, 1), (8, 10, 0)] {
      #expect(throws: NetworkError.self) {
        try Network(
          ModelConfiguration(), height: height, width: 8, channels: channels, classes: classes,
          seed: 1)
      }
    }
    #expect(throws: NetworkError.duplicateParameter(name: "a.weight")) {
      let layer = try Linear(name: "a", inputs: 2, outputs: 2, seed: 1)
      _ = try Network(layers: [layer, layer])
    }
  }

  @Test func anEvaluationKeepsNothing() throws {
    let network = try Self.network()
    let before = network.state.map(\.value.elements)
    let (logits, pullback) = try network.forward(uniform([2, 8, 8, 1], seed: 5), evaluation)
    #expect(network.state.map(\.value.elements) == before)
    #expect(throws: NetworkError.evaluationHasNoGradient(layer: "network")) {
      try pullback(logits)
    }
  }
}
