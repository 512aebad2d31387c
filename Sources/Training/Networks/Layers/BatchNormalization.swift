import CKernels
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
    guard let last = input.shape.last, last == channels else {
      throw NetworkError.unexpectedInput(
        layer: name, shape: input.shape, expected: "a last extent of \(channels) channels")
    }
    guard pass.isTraining else {
      let affine = affine(
        mean: runningMean.value.elements.map(Double.init),
        variance: runningVariance.value.elements.map(Double.init))
      return (apply(affine, to: input), noPullback(name))
    }
    let moments = try globalMoments(of: input, pass.communicator)
    updateRunningStatistics(moments)
    let affine = affine(mean: moments.mean, variance: moments.variance)
    let pullback: Pullback = { [self] in
      try backward(input, $0, affine, count: moments.count, pass.communicator)
    }
    return (apply(affine, to: input), pullback)
  }
}

/// Mean and biased variance of every channel over the global batch.
private struct Moments {
  /// Values per channel, on all ranks.
  var count: Double
  var mean: [Double]
  var variance: [Double]
}

/// y = scale·x + shift per channel: what the normalisation comes to once the statistics are known.
private struct Affine {
  var mean: [Float]
  var inverseDeviation: [Double]
  var scale: [Float]
  var shift: [Float]
}

extension BatchNormalization {
  /// One sweep over the input and one all-reduce of Σx, Σx² and the count.
  private func globalMoments(
    of input: Tensor<Float>, _ communicator: any Communicator
  ) throws -> Moments {
    let rows = input.count / channels
    var sums = [Double](repeating: 0, count: 2 * channels + 1)
    sums[2 * channels] = Double(rows)
    input.withElements { input in
      guard let x = input.baseAddress else { return }
      let channels = channels
      addChannelSums(rows: rows, channels: channels, nanosecondsPerElement: 0.15, to: &sums) {
        convoy_channel_moments(
          $0.count, channels, x + $0.lowerBound * channels, $1, $1 + channels, $2)
      }
    }
    try sums.withUnsafeMutableBufferPointer { try communicator.allReduce($0) }
    let count = sums[2 * channels]
    guard count >= 2 else { throw NetworkError.tooFewValues(layer: name, count: Int(count)) }
    let mean = (0..<channels).map { sums[$0] / count }
    let variance = (0..<channels).map {
      // Rounding must not make a constant channel's variance negative; NaN stays NaN.
      let variance = sums[channels + $0] / count - mean[$0] * mean[$0]
      return variance < 0 ? 0 : variance
    }
    return Moments(count: count, mean: mean, variance: variance)
  }

  private func updateRunningStatistics(_ moments: Moments) {
    let unbiased = moments.count / (moments.count - 1)
    func update(_ running: Parameter, _ batch: [Double]) {
      running.value.withMutableElements { running in
        for channel in running.indices {
          let old = Double(running[channel])
          running[channel] = Float((1 - momentum) * old + momentum * batch[channel])
        }
      }
    }
    update(runningMean, moments.mean)
    update(runningVariance, moments.variance.map { $0 * unbiased })
  }

  private func affine(mean: [Double], variance: [Double]) -> Affine {
    let inverse = variance.map { 1 / ($0 + epsilon).squareRoot() }
    let scales = zip(scale.value.elements, inverse).map { Double($0) * $1 }
    let shifts = (0..<channels).map { Double(shift.value[$0]) - mean[$0] * scales[$0] }
    return Affine(
      mean: mean.map(Float.init), inverseDeviation: inverse, scale: scales.map(Float.init),
      shift: shifts.map(Float.init))
  }

  private func apply(_ affine: Affine, to input: Tensor<Float>) -> Tensor<Float> {
    var output = Tensor<Float>(uninitialized: input.shape)
    input.withElements { input in
      output.withMutableElements { output in
        guard let x = input.baseAddress, let y = output.baseAddress else { return }
        ThreadPool.run(
          over: input.count / channels, nanoseconds: 0.25 * Double(input.count)
        ) { rows in
          let start = rows.lowerBound * channels
          convoy_scale_shift(
            rows.count, channels, x + start, affine.scale, affine.shift, relu ? 1 : 0, y + start)
        }
      }
    }
    return output
  }

  /// With g the output's gradient behind the ReLU, x̂ the normalised input and sums over the global
  /// batch: dx = scale/√(σ² + ε) · (g − Σg/N − x̂·Σ(g·x̂)/N). The gradients of scale and shift are
  /// this rank's part of Σ g·x̂ and Σ g.
  private func backward(
    _ input: Tensor<Float>, _ outputGradient: Tensor<Float>, _ affine: Affine, count: Double,
    _ communicator: any Communicator
  ) throws -> Tensor<Float> {
    let rows = input.count / channels
    var sums = [Double](repeating: 0, count: 2 * channels)
    input.withElements { input in
      outputGradient.withElements { gradient in
        guard let x = input.baseAddress, let dy = gradient.baseAddress else { return }
        let (channels, relu) = (channels, relu)
        addChannelSums(rows: rows, channels: channels, nanosecondsPerElement: 0.25, to: &sums) {
          let start = $0.lowerBound * channels
          convoy_normalization_sums(
            $0.count, channels, x + start, dy + start, affine.mean, affine.scale, affine.shift,
            relu ? 1 : 0, $1, $1 + channels, $2)
        }
      }
    }
    addParameterGradients(sums, affine)
    try sums.withUnsafeMutableBufferPointer { try communicator.allReduce($0) }
    var slope = [Float](repeating: 0, count: channels)
    var constant = slope
    for channel in 0..<channels {
      let scale = Double(affine.scale[channel]) / count
      let inverse = affine.inverseDeviation[channel]
      slope[channel] = Float(-scale * inverse * inverse * sums[channels + channel])
      constant[channel] = Float(-scale * sums[channel])
    }
    var inputGradient = Tensor<Float>(uninitialized: input.shape)
    input.withElements { input in
      outputGradient.withElements { gradient in
        inputGradient.withMutableElements { result in
          guard let x = input.baseAddress, let dy = gradient.baseAddress,
            let dx = result.baseAddress
          else { return }
          ThreadPool.run(over: rows, nanoseconds: 0.4 * Double(input.count)) { rows in
            let start = rows.lowerBound * channels
            convoy_normalization_backward(
              rows.count, channels, x + start, dy + start, affine.mean, affine.scale, affine.shift,
              relu ? 1 : 0, slope, constant, dx + start)
          }
        }
      }
    }
    return inputGradient
  }

  private func addParameterGradients(_ sums: [Double], _ affine: Affine) {
    shift.gradient.withMutableElements { gradient in
      for channel in 0..<channels { gradient[channel] += Float(sums[channel]) }
    }
    scale.gradient.withMutableElements { gradient in
      for channel in 0..<channels {
        let product = sums[channels + channel] * affine.inverseDeviation[channel]
        gradient[channel] += Float(product)
      }
    }
  }
}
