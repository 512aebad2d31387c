import Collectives
import Kernels

/// Batch normalisation over the global batch (Ioffe and Szegedy, arXiv 1502.03167), with an
/// optional ReLU in the same sweep.
///
/// Input and output `[…, channels]`. Over all N values of a channel on all ranks, with mean μ and
/// biased variance σ²:
///
///     y = scale · (x − μ) / √(σ² + ε) + shift,  then max(0, y) if `relu`
///
/// Sums are exchanged in `Double`, so the result does not depend on how samples are sharded but
/// for rounding, and every rank gets the same bits. Running statistics follow PyTorch:
/// `running = (1 − momentum)·running + momentum·batch`, the variance unbiased (N − 1).
///
/// ```swift
/// let norm = try BatchNormalization(name: "norm1", channels: 32, relu: true)
/// let (y, pullback) = try norm.forward(x, Pass(isTraining: true, communicator: communicator))
/// ```
public final class BatchNormalization: Layer {
  public let name: String
  public let channels: Int
  public let relu: Bool
  public let momentum: Double
  public let epsilon: Double
  /// Values per channel that have a variance.
  static let fewestValues = 2

  /// γ and β.
  public let scale: Parameter
  public let shift: Parameter
  public let runningMean: Parameter
  public let runningVariance: Parameter

  public var parameters: [Parameter] { [scale, shift] }
  public var state: [Parameter] { [runningMean, runningVariance] }

  /// - Throws: `NetworkError.extentNotPositive`.
  public init(
    name: String, channels: Int, relu: Bool = false, momentum: Double = 0.1,
    epsilon: Double = 1e-5
  ) throws {
    try checkPositive(name, [("the number of channels", channels)])
    self.name = name
    self.channels = channels
    self.relu = relu
    self.momentum = momentum
    self.epsilon = epsilon
    let zeros = Tensor<Float>(shape: [channels])
    let ones = Tensor<Float>(
      shape: [channels], elements: Array(repeating: 1, count: channels))
    scale = Parameter(name: "\(name).scale", value: ones, decays: false)
    shift = Parameter(name: "\(name).shift", value: zeros, decays: false)
    runningMean = Parameter(name: "\(name).mean", value: zeros, decays: false)
    runningVariance = Parameter(name: "\(name).variance", value: ones, decays: false)
  }

  /// In training every rank of the communicator calls this, and later the pullback, even if it has
  /// no samples.
  ///
  /// - Throws: `NetworkError.unexpectedInput`, `.tooFewValues`, and the communicator's errors.
  public func forward(_ input: Tensor<Float>, _ pass: Pass) throws -> (
    output: Tensor<Float>, pullback: Pullback
  ) {
    guard pass.isTraining else {
      return (apply(try runningAffine(for: input), to: input), noPullback(name))
    }
    return try forwardAsOneTile(input, pass)
  }

  /// The statistics are of all tiles.
  public func forward(_ input: Tiles<Tensor<Float>>, _ pass: Pass) throws -> (
    output: Tiles<Tensor<Float>>, pullback: TilesPullback
  ) {
    guard pass.isTraining else { return forwardEach(input, pass) }
    let (inputs, affine) = try batchAffine(of: input, pass.communicator)
    let output = Tiles(count: input.count) { [self] in apply(affine, to: inputs[$0]) }
    let pullback: TilesPullback = { [self] gradients in
      let sums = TileStore<[Double]>(count: gradients.count)
      let made = try gradients.map { [self] tile, gradient in
        sums[tile] = gradient.map { gradientSums(inputs[tile], $0, affine) }
        return gradient
      }.made()
      let line = try gradientLine(sums, of: gradients.count, affine, pass.communicator)
      return Tiles(count: gradients.count) { [self] tile in
        made[tile].map { inputGradient(inputs[tile], $0, affine, line) }
      }
    }
    return (output, pullback)
  }
}
