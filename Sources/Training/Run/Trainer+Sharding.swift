import Collectives
import Kernels
import Partitioning

/// How the ranks share the images of a step.
extension Trainer {
  /// How the ranks share images, as rank 0 finds it best.
  static func sharding(
    _ configuration: TrainingConfiguration, _ material: (data: LabelledData, network: Network),
    _ optimizer: any GradientOptimizer, _ communicator: any Communicator, _ context: Context
  ) throws -> Sharding {
    let ranks = communicator.size
    guard configuration.training.parallelism == .auto else {
      return Sharding(batch: ranks, rows: 1)
    }
    let images = material.data.training
    var rows = try communicator.together {
      guard communicator.rank == 0 else { return 1 }
      return try ShardingSearch(
        network: material.network,
        images: [min(configuration.training.batchSize, images.count)] + images.imageShape,
        ranks: ranks, memory: configuration.training.memory?.bytes,
        stateCount: optimizer.state.reduce(0) { $0 + $1.value.count }, context: context
      ).best().sharding.rows
    }
    try withUnsafeMutableBytes(of: &rows) { try communicator.broadcast($0, root: 0) }
    return Sharding(batch: ranks / rows, rows: rows)
  }

  /// This rank's part of the step's images, and the layout that it is a part of; whole samples need
  /// none.
  func input(_ order: [Int]) -> (images: Tensor<Float>, layout: Layout?) {
    let batch = sampling.batch(progress.epochStep)
    let layout = sharding.layout(of: [batch.count] + data.training.imageShape)
    let box = layout.box(of: communicator.rank).ranges
    let samples = batch.lowerBound + box[0].lowerBound..<batch.lowerBound + box[0].upperBound
    let images = data.training.images(
      order[samples], rows: box[1], normalization: data.normalization)
    return (images, sharding.isDataParallel ? nil : layout)
  }
}
