@testable import Graph

extension Operators.MomentSums: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let x = inputs[0]
    var sums = DoubleTensor([2] + x.shape.besides(axes))
    for index in x.indices {
      sums[[0] + index.besides(axes)] += x[index]
      sums[[1] + index.besides(axes)] += x[index] * x[index]
    }
    return [sums]
  }
}

extension Operators.RunningMoments: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let (mean, variance, sums) = (inputs[0], inputs[1], inputs[2])
    let n = Double(count)
    let batchMean = { (index: [Int]) in sums[[0] + index] / n }
    let newMean = DoubleTensor(mean.shape) {
      (1 - momentum) * mean[$0] + momentum * batchMean($0)
    }
    let newVariance = DoubleTensor(mean.shape) { index in
      // Σ(x − μ)² = Σx² − n·μ².
      let squares = sums[[1] + index] - n * batchMean(index) * batchMean(index)
      return (1 - momentum) * variance[index] + momentum * squares / max(n - 1, 1)
    }
    return [newMean, newVariance]
  }
}

extension Operators.Normalization {
  /// x̂ and σ at an index.
  func normalized(
    _ x: DoubleTensor, _ sums: DoubleTensor, _ index: [Int]
  ) -> (value: Double, deviation: Double) {
    let rest = index.besides(axes)
    let mean = sums[[0] + rest] / Double(count)
    let variance = max(sums[[1] + rest] / Double(count) - mean * mean, 0)
    let deviation = (variance + epsilon).squareRoot()
    return ((x[index] - mean) / deviation, deviation)
  }
}

extension Operators.Normalization: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    [
      DoubleTensor(inputs[0].shape) { index in
        let value = normalized(inputs[0], inputs[1], index).value
        guard let parameterAxes else { return value }
        return value * inputs[2][index.at(parameterAxes)] + inputs[3][index.at(parameterAxes)]
      }
    ]
  }
}

extension Operators.NormalizationSums: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let (x, moments, gradient) = (inputs[0], inputs[1], inputs[2])
    var sums = DoubleTensor([2] + x.shape.besides(axes))
    for index in x.indices {
      var weight = gradient[index]
      if isWeighted { weight *= inputs[3][index.at(normalization.parameterAxes ?? [])] }
      sums[[0] + index.besides(axes)] += weight
      sums[[1] + index.besides(axes)] +=
        weight * normalization.normalized(x, moments, index).value
    }
    return [sums]
  }
}

extension Operators.NormalizationAdjoint: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let (x, moments, gradient, sums) = (inputs[0], inputs[1], inputs[2], inputs[3])
    let n = Double(normalization.count)
    return [
      DoubleTensor(x.shape) { index in
        let (value, deviation) = normalization.normalized(x, moments, index)
        let scale = normalization.parameterAxes.map { inputs[4][index.at($0)] } ?? 1
        let weight = sumsAreWeighted ? 1 : scale
        let rest = index.besides(normalization.axes)
        let direct = gradient[index] * scale
        let byMean = sums[[0] + rest] * weight / n
        let byVariance = value * sums[[1] + rest] * weight / n
        return (direct - byMean - byVariance) / deviation
      }
    ]
  }
}

extension Operators.FixedNormalization: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let (x, mean, variance, scale, bias) = (inputs[0], inputs[1], inputs[2], inputs[3], inputs[4])
    return [
      DoubleTensor(x.shape) { index in
        let own = index.at(axes)
        let deviation = (variance[own] + epsilon).squareRoot()
        return (x[index] - mean[own]) / deviation * scale[own] + bias[own]
      }
    ]
  }
}
