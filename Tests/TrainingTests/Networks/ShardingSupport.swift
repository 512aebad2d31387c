import Collectives
import Kernels
import Partitioning

@testable import Training

/// What a rank has of a tensor.
func box(_ tensor: Tensor<Float>, _ box: Box) -> Tensor<Float> {
  var elements: [Float] = []
  func visit(_ dimension: Int, _ offset: Int) {
    guard dimension < tensor.shape.count else {
      elements.append(tensor.withElements { $0[offset] })
      return
    }
    for index in box.ranges[dimension] {
      visit(dimension + 1, offset * tensor.shape[dimension] + index)
    }
  }
  visit(0, 0)
  return Tensor(shape: box.shape, elements: elements)
}

/// One training step of a rank: what must not depend on how the ranks share the images.
struct StepOutcome: Sendable {
  /// Sums over all ranks.
  var loss: Double
  var gradients: [Tensor<Float>]
  var state: [[Float]]

  /// The largest relative difference of a gradient, ‖g − h‖ / ‖h‖, and of the loss.
  func difference(from other: StepOutcome) -> Double {
    let largest = other.gradients.map(\.norm).max() ?? 0
    return zip(gradients, other.gradients).reduce(abs(loss - other.loss) / abs(other.loss)) {
      let difference = Tensor<Float>(
        shape: $1.0.shape, elements: zip($1.0.elements, $1.1.elements).map { $0 - $1 })
      // A gradient that is all rounding is measured by the others.
      return max($0, difference.norm / max($1.1.norm, 1e-3 * largest))
    }
  }
}

/// One step on this rank's part of the images; `nil`: all of them on one rank.
func trainingStep(
  _ network: Network, images: Tensor<Float>, labels: [Int], sharding: Sharding?,
  _ communicator: any Communicator, _ context: Context
) throws -> StepOutcome {
  let rank = communicator.rank
  let layout = sharding?.layout(of: images.shape)
  let part = EvenPartition(extent: labels.count, parts: communicator.size).range(of: rank)
  network.resetGradients()
  let (logits, pullback) = try network.forward(
    layout.map { box(images, $0.box(of: rank)) } ?? images,
    Pass(isTraining: true, communicator: communicator, context: context, sharding: layout))
  let loss = try softmaxCrossEntropy(logits: logits, labels: labels[part])
  _ = try pullback(loss.gradient)
  var sum = GradientSum(network.parameters)
  let total = try sum.reduce(
    network.parameters,
    .init(lossSum: loss.sum, samples: part.count, correct: loss.correct, stopping: 0),
    communicator: communicator)
  return StepOutcome(
    loss: total.lossSum / Double(total.samples), gradients: network.parameters.map(\.gradient),
    state: network.state.map(\.value.elements))
}
