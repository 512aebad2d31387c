import Collectives
import Kernels
import TestSupport
import Testing

@testable import Training

/// Batch normalisation against PyTorch and against its definition in Double, on one rank and more.
@Suite struct BatchNormalizationTests {
  /// torch.nn.BatchNorm2d(2), weight (1.5, −0.5), bias (0.25, 0.1), permuted to channels last,
  /// followed by relu or not; then the same input in evaluation.
  @Test func agreesWithPyTorch() throws {
    for golden in [PyTorchNormalization.plain, .relu] {
      let norm = try BatchNormalization(name: "norm", channels: 2, relu: golden.relu)
      norm.scale.value = Tensor(shape: [2], elements: [1.5, -0.5])
      norm.shift.value = Tensor(shape: [2], elements: [0.25, 0.1])
      let shape = [2, 2, 3, 2]
      let (y, pullback) = try norm.forward(pattern(shape, 37), alone)
      let dx = try #require(try pullback(pattern(shape, 53)))
      func check(_ found: Tensor<Float>, _ expected: [Double]) {
        let expected = Tensor<Double>(shape: found.shape, elements: expected)
        #expect(mismatch(found, expected, tolerance: .relative(2e-6)) == nil)
      }
      check(y, golden.output)
      check(dx, golden.inputGradient)
      check(norm.scale.gradient, golden.scaleGradient)
      check(norm.shift.gradient, golden.shiftGradient)
      check(norm.runningMean.value, [-0.009333334, 0.003999999])
      check(norm.runningVariance.value, [1.053493, 1.033905])
      let evaluated = try norm.forward(pattern(shape, 37), evaluation).output
      check(
        Tensor(shape: [4], elements: evaluated.elements.prefix(4)),
        [golden.relu ? 0 : -2.016166, 0.1413054, 2.30962, 0.6723748])
    }
  }

  /// Odd channel counts and more rows than one block of the kernels' sums.
  @Test(arguments: [1, 3, 32, 37], [false, true])
  func agreesWithItsDefinition(channels: Int, relu: Bool) throws {
    let norm = try BatchNormalization(name: "norm", channels: channels, relu: relu)
    norm.scale.value = uniform([channels], seed: 1)
    norm.shift.value = uniform([channels], seed: 2)
    let x = uniform([5, 7, 9, channels], seed: 3)
    let g = uniform(x.shape, seed: 4)
    let plain = PlainNormalization(norm, x, g)
    let (y, pullback) = try norm.forward(x, alone)
    let dx = try #require(try pullback(g))
    #expect(mismatch(y, plain.output, tolerance: .relative(2e-6)) == nil)
    #expect(mismatch(dx, plain.inputGradient, tolerance: .relative(4e-6)) == nil)
    #expect(mismatch(norm.scale.gradient, plain.scaleGradient, tolerance: .relative(4e-6)) == nil)
    #expect(mismatch(norm.shift.gradient, plain.shiftGradient, tolerance: .relative(4e-6)) == nil)
  }

  @Test func gradientsAgreeWithDifferences() throws {
    let norm = try BatchNormalization(name: "norm", channels: 3)
    norm.scale.value = uniform([3], seed: 1)
    let x = uniform([4, 3, 2, 3], seed: 3)
    #expect(try gradientError(norm, input: x) == nil)
    // A shift keeps the ReLU's input away from its kink.
    let rectified = try BatchNormalization(name: "norm", channels: 3, relu: true)
    rectified.shift.value = Tensor(shape: [3], elements: [4, 4, -4])
    #expect(try gradientError(rectified, input: x) == nil)
  }

  /// Float sums of squares would leave nothing of this variance.
  @Test func aLargeMeanDoesNotSwampTheVariance() throws {
    let norm = try BatchNormalization(name: "norm", channels: 2)
    let values = (0..<1024).map { (index: Int) in 10_000 + Float(index / 2 * 37 % 101 - 50) / 8 }
    let x = Tensor<Float>(shape: [512, 2], elements: values)
    let plain = PlainNormalization(norm, x, x)
    let y = try norm.forward(x, alone).output
    // x − mean is exact to ulp(10⁴)/2 = 2⁻¹¹, of a deviation of 3.6.
    #expect(mismatch(y, plain.output, tolerance: .relative(1e-3)) == nil)
    let variance = Double(norm.runningVariance.value[0])
    #expect(abs(variance / (0.9 + 0.1 * plain.unbiasedVariance[0]) - 1) < 1e-5)
  }

  /// Whatever the number of ranks and however uneven the shards, even empty ones.
  @Test(arguments: 1...4) func ranksShareTheGlobalBatch(ranks: Int) throws {
    let channels = 5
    let shape = [3, 4, 4, channels]
    let x = uniform(shape, seed: 3)
    let g = uniform(shape, seed: 4)
    struct Part: Sendable {
      var y, dx, scale, shift, mean, variance: Tensor<Float>
    }
    let parts = try ThreadCommunicator.run(ranks: ranks) { communicator in
      let norm = try BatchNormalization(name: "norm", channels: channels, relu: true)
      norm.scale.value = uniform([channels], seed: 1)
      let pass = Pass(isTraining: true, communicator: communicator)
      let (y, pullback) = try norm.forward(shard(x, communicator.rank, ranks), pass)
      let dx = try pullback(shard(g, communicator.rank, ranks)) ?? Tensor(shape: [])
      return Part(
        y: y, dx: dx, scale: norm.scale.gradient, shift: norm.shift.gradient,
        mean: norm.runningMean.value, variance: norm.runningVariance.value)
    }
    let norm = try BatchNormalization(name: "norm", channels: channels, relu: true)
    norm.scale.value = uniform([channels], seed: 1)
    let plain = PlainNormalization(norm, x, g)
    #expect(mismatch(joined(parts.map(\.y)), plain.output, tolerance: .relative(2e-6)) == nil)
    #expect(
      mismatch(joined(parts.map(\.dx)), plain.inputGradient, tolerance: .relative(4e-6)) == nil)
    func sum(_ field: KeyPath<Part, Tensor<Float>>) -> Tensor<Float> {
      let sums = parts.map { $0[keyPath: field].elements }
      return Tensor(
        shape: [channels],
        elements: (0..<channels).map { channel in sums.reduce(0) { $0 + $1[channel] } })
    }
    #expect(mismatch(sum(\.scale), plain.scaleGradient, tolerance: .relative(4e-6)) == nil)
    #expect(mismatch(sum(\.shift), plain.shiftGradient, tolerance: .relative(4e-6)) == nil)
    // Every rank has the same bits, for no one will send running statistics around.
    #expect(Set(parts.map { $0.mean.elements }).count == 1)
    #expect(Set(parts.map { $0.variance.elements }).count == 1)
  }

  @Test func evaluationLeavesTheStatisticsAlone() throws {
    let norm = try BatchNormalization(name: "norm", channels: 2)
    let x = uniform([3, 2, 2, 2], seed: 1)
    let y = try norm.forward(x, evaluation).output
    #expect(norm.runningMean.value.elements == [0, 0])
    #expect(norm.runningVariance.value.elements == [1, 1])
    let expected = Tensor(
      shape: x.shape, elements: x.elements.map { Double($0) / 1.00001.squareRoot() })
    #expect(mismatch(y, expected, tolerance: .relative(1e-6)) == nil)
  }

  @Test func nanIsNotHidden() throws {
    let norm = try BatchNormalization(name: "norm", channels: 1, relu: true)
    let y = try norm.forward(Tensor(shape: [3, 1], elements: [1, .nan, 2]), alone).output
    #expect(y.elements.allSatisfy { $0.isNaN })
  }

  @Test func aConstantChannelIsFinite() throws {
    let norm = try BatchNormalization(name: "norm", channels: 1)
    let (y, pullback) = try norm.forward(
      Tensor(shape: [100, 1], elements: Array(repeating: 0.1, count: 100)), alone)
    #expect(y.elements.allSatisfy { abs($0) < 1e-3 })
    let dx = try #require(try pullback(uniform([100, 1], seed: 1)))
    #expect(dx.elements.allSatisfy { $0.isFinite })
  }

  @Test(arguments: [(0, 0), (1, 1)]) func tooFewValues(samples: Int, count: Int) throws {
    let norm = try BatchNormalization(name: "norm1", channels: 2)
    let error = #expect(throws: NetworkError.self) {
      try norm.forward(Tensor(shape: [samples, 2]), alone)
    }
    #expect(error == .tooFewValues(layer: "norm1", count: count))
  }

  @Test func badInput() throws {
    #expect(throws: NetworkError.self) { try BatchNormalization(name: "n", channels: 0) }
    let norm = try BatchNormalization(name: "n", channels: 2)
    let error = #expect(throws: NetworkError.self) {
      try norm.forward(Tensor(shape: [4, 3]), alone)
    }
    #expect(
      error?.description
        == "n: the input has shape [4, 3], but a last extent of 2 channels was expected")
  }
}

/// The definition, in Double: y = max(0, scale·(x − μ)/√(σ² + ε) + shift) and its derivative.
private struct PlainNormalization {
  var output, inputGradient, scaleGradient, shiftGradient: Tensor<Double>
  var unbiasedVariance: [Double] = []

  init(_ norm: BatchNormalization, _ x: Tensor<Float>, _ g: Tensor<Float>) {
    let channels = norm.channels
    let rows = x.count / channels
    let values = x.elements.map(Double.init)
    var y = values
    var dx = values
    var scaleGradient: [Double] = []
    var shiftGradient: [Double] = []
    for c in 0..<channels {
      let column = (0..<rows).map { values[$0 * channels + c] }
      let mean = column.reduce(0, +) / Double(rows)
      let squares = column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      let deviation = (squares / Double(rows) + norm.epsilon).squareRoot()
      let normalized = column.map { ($0 - mean) / deviation }
      let (scale, shift) = (Double(norm.scale.value[c]), Double(norm.shift.value[c]))
      let before = normalized.map { scale * $0 + shift }
      let gradient = (0..<rows).map { row in
        norm.relu && before[row] <= 0 ? 0 : Double(g.elements[row * channels + c])
      }
      let sum = gradient.reduce(0, +)
      let product = zip(gradient, normalized).reduce(0) { $0 + $1.0 * $1.1 }
      for row in 0..<rows {
        y[row * channels + c] = norm.relu ? max(0, before[row]) : before[row]
        dx[row * channels + c] =
          scale / deviation
          * (gradient[row] - sum / Double(rows) - normalized[row] * product / Double(rows))
      }
      scaleGradient.append(product)
      shiftGradient.append(sum)
      unbiasedVariance.append(squares / Double(rows - 1))
    }
    output = Tensor(shape: x.shape, elements: y)
    inputGradient = Tensor(shape: x.shape, elements: dx)
    self.scaleGradient = Tensor(shape: [channels], elements: scaleGradient)
    self.shiftGradient = Tensor(shape: [channels], elements: shiftGradient)
  }
}

private struct PyTorchNormalization {
  var relu: Bool
  var output, inputGradient, scaleGradient, shiftGradient: [Double]

  static let plain = PyTorchNormalization(
    relu: false,
    output: [
      -1.604687, 0.1541558, 2.138409, 0.6415576, 0.7726846, -0.6942844, -0.5930396, -0.2068827,
      -1.958764, 0.2805192, 1.784332, 0.767921, 0.418608, -0.567921, -0.9471163, -0.0805192,
      2.79598, 0.4068826, 1.430256, 0.8942845, 0.0645313, -0.4415576, -1.301193, 0.04584424,
    ],
    inputGradient: [
      -1.322471, -0.1272797, -1.207894, -0.361175, -0.9045085, -0.05776637, -0.6011233,
      -0.2916616, -0.2977381, -0.525557, -0.1831606, -0.7594523, 0.1202247, -0.4560436, 0.4236099,
      -0.689939, 0.5381874, 0.8994097, 0.8415726, 0.6655143, 1.144958, 0.968923, 1.448343,
      0.7350277,
    ], scaleGradient: [0.5260565, 3.917988], shiftGradient: [-5.52, 3.76])

  static let relu = PyTorchNormalization(
    relu: true,
    output: [
      0, 0.1541558, 2.138409, 0.6415576, 0.7726846, 0, 0, 0, 0, 0.2805192, 1.784332, 0.767921,
      0.418608, 0, 0, 0, 2.79598, 0.4068826, 1.430256, 0.8942845, 0.0645313, 0, 0, 0.04584424,
    ],
    inputGradient: [
      -0.04267106, -0.2762095, -1.097875, -0.3747283, -1.087451, -0.009105501, 0.1369496,
      -0.01736469, -0.1055383, -0.6393892, -0.1490951, -0.7379079, -0.1386712, -0.01124677,
      0.07408236, -0.01950596, 0.7892613, 0.8206751, 0.7996852, 0.7221563, 0.8101092, -0.01338804,
      0.0112151, 0.5560142,
    ], scaleGradient: [-2.527321, 0.2252879], shiftGradient: [-2.72, -0.6000004])
}
