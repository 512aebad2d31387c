import Foundation

@testable import Graph

extension Operators.Add: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    [inputs.dropFirst().reduce(inputs[0], +)]
  }
}

extension Operators.Multiply: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    [DoubleTensor(inputs[0].shape) { inputs[0][$0] * inputs[1][$0] }]
  }
}

extension Operators.Scale: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] { [inputs[0] * factor] }
}

extension Operators.Convert: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] { inputs }
}

extension Operators.Fill: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    [DoubleTensor(axes.map(\.extent), filledWith: number)]
  }
}

extension Operators.AddAlong: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    [DoubleTensor(inputs[0].shape) { inputs[0][$0] + inputs[1][$0.at(axes)] }]
  }
}

extension Operators.ScaleAlong: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    [DoubleTensor(inputs[0].shape) { inputs[0][$0] * inputs[1][$0.at(axes)] }]
  }
}

private func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

extension Operators.Map: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    [
      inputs[0].map { x in
        switch function {
        case .relu: max(x, 0)
        case .gelu: x * (1 + erf(x / 2.squareRoot())) / 2
        case .silu: x * sigmoid(x)
        case .sigmoid: sigmoid(x)
        case .tanh: Foundation.tanh(x)
        }
      }
    ]
  }
}

extension Operators.MapAdjoint: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let slope = inputs[0].map { read in
      switch function {
      case .relu: read > 0 ? 1.0 : 0
      case .gelu:
        (1 + erf(read / 2.squareRoot())) / 2 + read * exp(-read * read / 2) / (2 * .pi).squareRoot()
      case .silu: sigmoid(read) * (1 + read * (1 - sigmoid(read)))
      case .sigmoid: read * (1 - read)
      case .tanh: 1 - read * read
      }
    }
    return [DoubleTensor(slope.shape) { slope[$0] * inputs[1][$0] }]
  }
}

/// One block of Philox 4x32-10 (Salmon and others, SC 2011, section 3).
func philox(counter: [UInt32], key: [UInt32]) -> [UInt32] {
  var (c, k) = (counter, key)
  for _ in 0..<10 {
    let first = UInt64(c[0]) * 0xD251_1F53
    let second = UInt64(c[2]) * 0xCD9E_8D57
    c = [
      UInt32(second >> 32) ^ c[1] ^ k[0], UInt32(second & 0xFFFF_FFFF),
      UInt32(first >> 32) ^ c[3] ^ k[1], UInt32(first & 0xFFFF_FFFF),
    ]
    k = [k[0] &+ 0x9E37_79B9, k[1] &+ 0xBB67_AE85]
  }
  return c
}

extension Operators.Dropout: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let seed = UInt64(inputs[1].elements[0])
    let step = UInt64(inputs[1].elements[1])
    let threshold = UInt32(rate * 4_294_967_296)
    var result = inputs[0]
    for element in result.elements.indices {
      let block = UInt64(element / 4)
      let words = philox(
        counter: [
          UInt32(block & 0xFFFF_FFFF), UInt32(block >> 32), UInt32(step & 0xFFFF_FFFF),
          UInt32(5 << 24 + stream),
        ],
        key: [UInt32(seed & 0xFFFF_FFFF), UInt32(seed >> 32)])
      result.elements[element] *= words[element % 4] >= threshold ? 1 / (1 - rate) : 0
    }
    return [result]
  }
}

extension Operators.MomentumUpdate: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    let (w, g, v, rate) = (inputs[0], inputs[1], inputs[2], inputs[3].elements[0])
    let decayed = DoubleTensor(w.shape) { g[$0] + weightDecay * w[$0] }
    let velocity = DoubleTensor(w.shape) { momentum * v[$0] + decayed[$0] }
    let parameter = DoubleTensor(w.shape) { index in
      nesterov
        ? w[index] - rate * (decayed[index] + momentum * velocity[index])
        : w[index] - rate * velocity[index]
    }
    return [parameter, velocity]
  }
}

extension Operators.AdamUpdate: Interpretable {
  func evaluate(_ inputs: [DoubleTensor]) -> [DoubleTensor] {
    var (w, g, m, v) = (inputs[0], inputs[1], inputs[2], inputs[3])
    let (rate, step) = (inputs[4].elements[0], inputs[5].elements[0])
    for index in w.indices {
      if isDecoupled {
        w[index] -= rate * weightDecay * w[index]
      } else {
        g[index] += weightDecay * w[index]
      }
      m[index] = beta1 * m[index] + (1 - beta1) * g[index]
      v[index] = beta2 * v[index] + (1 - beta2) * g[index] * g[index]
      let mean = m[index] / (1 - pow(beta1, step))
      let variance = v[index] / (1 - pow(beta2, step))
      w[index] -= rate * mean / (variance.squareRoot() + epsilon)
    }
    return [w, m, v]
  }
}
