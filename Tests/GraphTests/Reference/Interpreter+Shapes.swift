@testable import Graph

extension Operators.Sum: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let x = inputs[0]
    let place = { (index: [Int]) -> [Int] in
      keepsAxes
        ? index.indices.map { axes.contains($0) ? 0 : index[$0] } : index.besides(axes)
    }
    let shape =
      keepsAxes
      ? x.shape.indices.map { axes.contains($0) ? 1 : x.shape[$0] } : x.shape.besides(axes)
    var result = DoubleTensor(shape)
    for index in x.indices { result[place(index)] += x[index] * scale }
    return [result]
  }
}

extension Operators.Spread: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    var shape = inputs[0].shape
    for (place, axis) in zip(axes, along) {
      if areKept { shape[place] = axis.extent } else { shape.insert(axis.extent, at: place) }
    }
    return [
      DoubleTensor(shape) { index in
        let source =
          areKept
          ? index.indices.map { axes.contains($0) ? 0 : index[$0] } : index.besides(axes)
        return inputs[0][source] * scale
      }
    ]
  }
}

extension Operators.Reshape: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    [DoubleTensor(axes.map(\.extent), inputs[0].elements)]
  }
}

extension Operators.Transpose: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    var result = DoubleTensor(inputs[0].shape.at(permutation))
    for index in inputs[0].indices { result[index.at(permutation)] = inputs[0][index] }
    return [result]
  }
}

extension Operators.Concatenate: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let extent = inputs.reduce(0) { $0 + $1.shape[axis] }
    var result = DoubleTensor(inputs[0].shape.replacing(axis, with: extent))
    var start = 0
    for input in inputs {
      for index in input.indices {
        result[index.replacing(axis, with: start + index[axis])] = input[index]
      }
      start += input.shape[axis]
    }
    return [result]
  }
}

extension Operators.Slice: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let shape = inputs[0].shape.replacing(axis, with: upper - lower)
    return [
      DoubleTensor(shape) { inputs[0][$0.replacing(axis, with: $0[axis] + lower)] }
    ]
  }
}

extension Operators.Pad: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let x = inputs[0]
    var result = DoubleTensor(x.shape.replacing(axis, with: low + x.shape[axis] + high))
    for index in x.indices { result[index.replacing(axis, with: low + index[axis])] = x[index] }
    return [result]
  }
}

// MARK: Pools

extension [PoolWindow] {
  func pooledShape(_ shape: [Int]) -> [Int] {
    reduce(shape) { shape, window in
      let span = shape[window.axis] + window.low + window.high - window.extent
      return shape.replacing(window.axis, with: span / window.stride + 1)
    }
  }

  /// The indices of the inputs that an output sees, in row-major order of the window.
  func seen(by output: [Int], shape: [Int]) -> [[Int]] {
    DoubleTensor.indices(of: map(\.extent)).compactMap { taps in
      var index = output
      for (window, tap) in zip(self, taps) {
        index[window.axis] = output[window.axis] * window.stride - window.low + tap
      }
      return zip(index, shape).allSatisfy { (0..<$1).contains($0) } ? index : nil
    }
  }

  /// What a window is divided by.
  func divisor(_ seen: Int, countsPadding: Bool) -> Double {
    Double(countsPadding ? map(\.extent).reduce(1, *) : seen)
  }
}

extension Operators.MaxPool: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let x = inputs[0]
    return [
      DoubleTensor(windows.pooledShape(x.shape)) { output in
        windows.seen(by: output, shape: x.shape).map { x[$0] }.max() ?? .nan
      }
    ]
  }
}

extension Operators.MaxPoolAdjoint: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let (x, y, gradient) = (inputs[0], inputs[1], inputs[2])
    var result = DoubleTensor(x.shape)
    for output in gradient.indices {
      let winner = windows.seen(by: output, shape: x.shape).first { x[$0] == y[output] }
      if let winner { result[winner] += gradient[output] }
    }
    return [result]
  }
}

extension Operators.AveragePool: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let x = inputs[0]
    return [
      DoubleTensor(windows.pooledShape(x.shape)) { output in
        let seen = windows.seen(by: output, shape: x.shape)
        let sum = seen.reduce(0) { $0 + x[$1] }
        return sum / windows.divisor(seen.count, countsPadding: countsPadding)
      }
    ]
  }
}

extension Operators.AveragePoolAdjoint: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    var result = DoubleTensor(axes.map(\.extent))
    for output in inputs[0].indices {
      let seen = pool.windows.seen(by: output, shape: result.shape)
      let divisor = pool.windows.divisor(seen.count, countsPadding: pool.countsPadding)
      for index in seen { result[index] += inputs[0][output] / divisor }
    }
    return [result]
  }
}
