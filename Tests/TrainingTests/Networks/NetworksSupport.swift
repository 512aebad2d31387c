import Collectives
import Kernels
import Planning
import TestSupport
import Training

/// Data that Python makes as exactly: `(((i·multiplier + 11) % 101) − 50) / 25` at flat index i.
func pattern(_ shape: [Int], _ multiplier: Int) -> Tensor<Float> {
  Tensor(
    shape: shape,
    elements: (0..<shape.reduce(1, *)).map { Float(($0 * multiplier + 11) % 101 - 50) / 25 })
}

func uniform(_ shape: [Int], seed: UInt64) -> Tensor<Float> {
  TensorData.uniform.tensor(shape, seed: seed, operand: 0)
}

let alone = Pass(isTraining: true, communicator: SingleCommunicator())

func alone(in context: Context) -> Pass {
  Pass(isTraining: true, communicator: SingleCommunicator(), context: context)
}

let evaluation = Pass(isTraining: false, communicator: SingleCommunicator())

/// Numbers from PyTorch, printed with seven digits.
func golden(_ shape: [Int], _ elements: [Double]) -> Tensor<Double> {
  Tensor(shape: shape, elements: elements)
}

/// The first thing that is wrong with a layer's gradients, by central differences: along random
/// directions, (L(θ + hδ) − L(θ − hδ)) / 2h must be ⟨∂L/∂θ, δ⟩ for the loss L = ⟨weights, output⟩,
/// θ being the input or a parameter.
///
/// - Parameter step: h, small against the distance to the next kink of a ReLU or a maximum.
func gradientError(
  _ layer: any Layer, input: Tensor<Float>, step: Double = 1e-2, tolerance: Double = 5e-3,
  context: Context = .process
) throws -> String? {
  let alone = alone(in: context)
  let (output, pullback) = try layer.forward(input, alone)
  let weights = uniform(output.shape, seed: 77)
  for parameter in layer.parameters { parameter.gradient = Tensor(shape: parameter.value.shape) }
  let inputGradient = try pullback(weights)

  func difference(_ loss: (Double) throws -> Double) throws -> Double {
    (try loss(step) - loss(-step)) / (2 * step)
  }
  func moved(_ tensor: Tensor<Float>, _ direction: Tensor<Float>, _ h: Double) -> Tensor<Float> {
    Tensor(
      shape: tensor.shape,
      elements: zip(tensor.elements, direction.elements).map { $0 + Float(h) * $1 })
  }
  func verdict(
    _ what: String, _ gradient: Tensor<Float>, _ direction: Tensor<Float>, _ slope: Double
  ) -> String? {
    let predicted = gradient.innerProduct(direction)
    let scale = max(gradient.norm * direction.norm / 10, 1e-3)
    let isRight = abs(predicted - slope) <= tolerance * scale
    return isRight ? nil : "\(what): predicted \(predicted), found \(slope)"
  }

  for seed in UInt64(1)...3 {
    if let inputGradient {
      let direction = uniform(input.shape, seed: seed)
      let slope = try difference {
        try layer.forward(moved(input, direction, $0), alone).output.innerProduct(weights)
      }
      if let error = verdict("input", inputGradient, direction, slope) { return error }
    }
    for parameter in layer.parameters {
      let direction = uniform(parameter.value.shape, seed: seed)
      let value = parameter.value
      defer { parameter.value = value }
      let slope = try difference {
        parameter.value = moved(value, direction, $0)
        return try layer.forward(input, alone).output.innerProduct(weights)
      }
      if let error = verdict(parameter.name, parameter.gradient, direction, slope) { return error }
    }
  }
  return nil
}

/// Part `rank` of `size` of the samples, as uneven as the counts make it.
func shard(_ tensor: Tensor<Float>, _ rank: Int, _ size: Int) -> Tensor<Float> {
  let samples = tensor.shape[0]
  let stride = tensor.count / max(samples, 1)
  let range = samples * rank / size..<samples * (rank + 1) / size
  return Tensor(
    shape: [range.count] + tensor.shape.dropFirst(),
    elements: tensor.elements[range.lowerBound * stride..<range.upperBound * stride])
}

/// Tensors one after the other along the batch.
func joined(_ parts: [Tensor<Float>]) -> Tensor<Float> {
  Tensor(
    shape: [parts.reduce(0) { $0 + $1.shape[0] }] + parts[0].shape.dropFirst(),
    elements: parts.flatMap(\.elements))
}
