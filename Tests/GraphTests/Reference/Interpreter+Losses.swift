import Foundation

@testable import Graph

/// The rows of a tensor along an axis: for each, the indices of its elements.
private func rows(_ shape: [Int], axis: Int) -> [[[Int]]] {
  DoubleTensor.indices(of: shape.replacing(axis, with: 1)).map { start in
    (0..<shape[axis]).map { start.replacing(axis, with: $0) }
  }
}

extension Operators.Softmax: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    var result = DoubleTensor(inputs[0].shape)
    for row in rows(result.shape, axis: axis) {
      let open = row.filter { index in maskAxes.map { inputs[1][index.at($0)] != 0 } ?? true }
      let largest = open.map { inputs[0][$0] }.max() ?? 0
      let total = open.reduce(0) { $0 + exp(inputs[0][$1] - largest) }
      for index in open { result[index] = exp(inputs[0][index] - largest) / total }
    }
    return [result]
  }
}

extension Operators.SoftmaxAdjoint: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let (y, gradient) = (inputs[0], inputs[1])
    var result = DoubleTensor(y.shape)
    for row in rows(y.shape, axis: axis) {
      let common = row.reduce(0) { $0 + y[$1] * gradient[$1] }
      for index in row { result[index] = y[index] * (gradient[index] - common) }
    }
    return [result]
  }
}

extension Operators.LogSoftmax: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    var result = inputs[0]
    for row in rows(result.shape, axis: axis) {
      let total = log(row.reduce(0) { $0 + exp(inputs[0][$1]) })
      for index in row { result[index] -= total }
    }
    return [result]
  }
}

extension Operators.LogSoftmaxAdjoint: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let (y, gradient) = (inputs[0], inputs[1])
    var result = gradient
    for row in rows(y.shape, axis: axis) {
      let total = row.reduce(0) { $0 + gradient[$1] }
      for index in row { result[index] -= exp(y[index]) * total }
    }
    return [result]
  }
}

extension Operators.CrossEntropy: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let logits = inputs[0]
    let axis = logits.shape.count - 1
    let logarithms = Operators.LogSoftmax(axis: axis).evaluate([logits])[0]
    let uniform = labelSmoothing / Double(logits.shape[axis])
    var loss = 0.0
    for row in rows(logits.shape, axis: axis) {
      let label = Int(inputs[1][Array(row[0].dropLast())])
      for (number, index) in row.enumerated() {
        loss -= (uniform + (number == label ? 1 - labelSmoothing : 0)) * logarithms[index]
      }
    }
    return [DoubleTensor(scalar: loss)]
  }
}

extension Operators.CrossEntropyAdjoint: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let logits = inputs[0]
    let classes = logits.shape[logits.shape.count - 1]
    var result = Operators.Softmax(axis: logits.shape.count - 1).evaluate([logits])[0]
    for index in result.indices {
      let sample = Array(index.dropLast())
      let isLabel = index.last.map(Double.init) == inputs[1][sample]
      result[index] -= labelSmoothing / Double(classes) + (isLabel ? 1 - labelSmoothing : 0)
    }
    return [result * inputs[2].elements[0]]
  }
}

extension Operators.CorrectCount: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let logits = inputs[0]
    let count = rows(logits.shape, axis: logits.shape.count - 1).count { row in
      let label = Int(inputs[1][Array(row[0].dropLast())])
      let best = row.indices.sorted {
        (logits[row[$1]], $0) < (logits[row[$0]], $1)
      }
      return best.prefix(top).contains(label)
    }
    return [DoubleTensor(scalar: Double(count))]
  }
}

extension Operators.SquaredError: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let squares = inputs[0].indices.map { index in
      (inputs[0][index] - inputs[1][index]) * (inputs[0][index] - inputs[1][index])
    }
    return [DoubleTensor(scalar: squares.reduce(0, +))]
  }
}

extension Operators.SquaredErrorAdjoint: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    [
      DoubleTensor(inputs[0].shape) {
        2 * inputs[2].elements[0] * (inputs[0][$0] - inputs[1][$0])
      }
    ]
  }
}
