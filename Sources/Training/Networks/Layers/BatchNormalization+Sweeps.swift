import CKernels
import Collectives
import Kernels

/// Mean and biased variance of every channel over the global batch.
private struct Moments {
  /// Values per channel, on all ranks.
  var count: Double
  var mean: [Double]
  var variance: [Double]
}

extension BatchNormalization {
  /// y = scale·x + shift per channel: what the normalisation comes to once the statistics are known.
  struct Affine {
    /// Values per channel, on all ranks.
    var count: Double
    var mean: [Float]
    var inverseDeviation: [Double]
    var scale: [Float]
    var shift: [Float]
  }

  /// What the gradient of every value of a channel has besides that of its own output:
  /// slope·(x − mean) + constant, for each value moves the statistics.
  struct GradientLine {
    var slope: [Float]
    var constant: [Float]
  }

  /// The tiles, made, and y = scale·x + shift by the statistics of the global batch, with which the running
  /// ones are updated.
  func batchAffine(
    of input: Tiles<Tensor<Float>>, _ communicator: any Communicator
  ) throws -> (inputs: [Tensor<Float>], affine: Affine) {
    let sums = TileStore<[Double]>(count: input.count)
    let inputs = try input.map { [self] tile, input in
      try requireChannels(input)
      sums[tile] = momentSums(of: input)
      return input
    }.made()
    let moments = try globalMoments(sums, of: input.count, communicator)
    updateRunningStatistics(moments)
    return (inputs, affine(moments))
  }

  /// By the running statistics.
  func runningAffine(for input: Tensor<Float>) throws -> Affine {
    try requireChannels(input)
    return affine(
      Moments(
        count: 0, mean: runningMean.value.elements.map(Double.init),
        variance: runningVariance.value.elements.map(Double.init)))
  }

  private func requireChannels(_ input: Tensor<Float>) throws {
    guard input.shape.last == channels else {
      throw NetworkError.unexpectedInput(
        layer: name, shape: input.shape, expected: "a last extent of \(channels) channels")
    }
  }

  /// Σx and Σx² of every channel, and the number of values, in one sweep.
  private func momentSums(of input: Tensor<Float>) -> [Double] {
    let rows = input.count / channels
    var sums = [Double](repeating: 0, count: 2 * channels + 1)
    sums[2 * channels] = Double(rows)
    input.withElements { input in
      guard let input = input.baseAddress else { return }
      nonisolated(unsafe) let x = input
      let channels = channels
      addChannelSums(rows: rows, channels: channels, nanosecondsPerElement: 0.15, to: &sums) {
        convoy_channel_moments(
          $0.count, channels, x + $0.lowerBound * channels, $1, $1 + channels, $2)
      }
    }
    return sums
  }

  /// One all-reduce of the sums of all tiles.
  private func globalMoments(
    _ tiles: TileStore<[Double]>, of tileCount: Int, _ communicator: any Communicator
  ) throws -> Moments {
    var sums = tiles.sum(of: tileCount, count: 2 * channels + 1)
    try sums.withUnsafeMutableBufferPointer { try communicator.allReduce($0) }
    let count = sums[2 * channels]
    guard count >= Double(Self.fewestValues) else {
      throw NetworkError.tooFewValues(layer: name, count: Int(count))
    }
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

  private func affine(_ moments: Moments) -> Affine {
    let inverse = moments.variance.map { 1 / ($0 + epsilon).squareRoot() }
    let scales = zip(scale.value.elements, inverse).map { Double($0) * $1 }
    let shifts = (0..<channels).map { Double(shift.value[$0]) - moments.mean[$0] * scales[$0] }
    return Affine(
      count: moments.count, mean: moments.mean.map(Float.init), inverseDeviation: inverse,
      scale: scales.map(Float.init), shift: shifts.map(Float.init))
  }

  func apply(_ affine: Affine, to input: Tensor<Float>) -> Tensor<Float> {
    var output = Tensor<Float>(uninitialized: input.shape)
    input.withElements { input in
      output.withMutableElements { output in
        let count = input.count
        guard let input = input.baseAddress, let output = output.baseAddress else { return }
        nonisolated(unsafe) let (x, y) = (input, output)
        ThreadPool.run(over: count / channels, nanoseconds: 0.25 * Double(count)) { rows in
          let start = rows.lowerBound * channels
          convoy_scale_shift(
            rows.count, channels, x + start, affine.scale, affine.shift, relu ? 1 : 0, y + start)
        }
      }
    }
    return output
  }

  /// Σ g and Σ g·x̂ of every channel, with g the output's gradient behind the ReLU and x̂ the normalised
  /// input.
  ///
  /// - Parameters:
  ///   - input: x wherever g may be other than 0, and nowhere twice; `[…, channels]`.
  ///   - outputGradient: that of the output there, before the ReLU is taken into account.
  func gradientSums(
    _ input: Tensor<Float>, _ outputGradient: Tensor<Float>, _ affine: Affine
  ) -> [Double] {
    let rows = input.count / channels
    var sums = [Double](repeating: 0, count: 2 * channels)
    input.withElements { input in
      outputGradient.withElements { gradient in
        guard let input = input.baseAddress, let gradient = gradient.baseAddress else { return }
        nonisolated(unsafe) let (x, dy) = (input, gradient)
        let (channels, relu) = (channels, relu)
        addChannelSums(rows: rows, channels: channels, nanosecondsPerElement: 0.25, to: &sums) {
          let start = $0.lowerBound * channels
          convoy_normalization_sums(
            $0.count, channels, x + start, dy + start, affine.mean, affine.scale, affine.shift,
            relu ? 1 : 0, $1, $1 + channels, $2)
        }
      }
    }
    return sums
  }

  /// With sums over the global batch dx = scale/√(σ² + ε) · (g − Σg/N − x̂·Σ(g·x̂)/N), of which this is
  /// all but the first term. Adds the gradients of scale and shift, this rank's part of Σ g·x̂ and Σ g.
  func gradientLine(
    _ tiles: TileStore<[Double]>, of tileCount: Int, _ affine: Affine,
    _ communicator: any Communicator
  ) throws -> GradientLine {
    var sums = tiles.sum(of: tileCount, count: 2 * channels)
    addParameterGradients(sums, affine)
    try sums.withUnsafeMutableBufferPointer { try communicator.allReduce($0) }
    var slope = [Float](repeating: 0, count: channels)
    var constant = slope
    for channel in 0..<channels {
      let scale = Double(affine.scale[channel]) / affine.count
      let inverse = affine.inverseDeviation[channel]
      slope[channel] = Float(-scale * inverse * inverse * sums[channels + channel])
      constant[channel] = Float(-scale * sums[channel])
    }
    return GradientLine(slope: slope, constant: constant)
  }

  func inputGradient(
    _ input: Tensor<Float>, _ outputGradient: Tensor<Float>, _ affine: Affine, _ line: GradientLine
  ) -> Tensor<Float> {
    let rows = input.count / channels
    var inputGradient = Tensor<Float>(uninitialized: input.shape)
    input.withElements { input in
      outputGradient.withElements { gradient in
        inputGradient.withMutableElements { result in
          guard let input = input.baseAddress, let gradient = gradient.baseAddress,
            let result = result.baseAddress
          else { return }
          nonisolated(unsafe) let (x, dy, dx) = (input, gradient, result)
          ThreadPool.run(over: rows, nanoseconds: 0.4 * Double(rows * channels)) { rows in
            let start = rows.lowerBound * channels
            convoy_normalization_backward(
              rows.count, channels, x + start, dy + start, affine.mean, affine.scale, affine.shift,
              relu ? 1 : 0, line.slope, line.constant, dx + start)
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

extension TileStore<[Double]> {
  /// The sums of all tiles, added up in their order.
  fileprivate func sum(of tileCount: Int, count: Int) -> [Double] {
    var sums = [Double](repeating: 0, count: count)
    for tile in 0..<tileCount {
      for (index, value) in (self[tile] ?? []).enumerated() { sums[index] += value }
    }
    return sums
  }
}
