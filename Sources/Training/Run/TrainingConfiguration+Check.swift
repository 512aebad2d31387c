import Graph

extension TrainingConfiguration {
  /// Refuses, before anything is written or computed, what no run could be made of: data that are not there, an
  /// impossible network, batches too small for batch normalisation. Of the data only headers are read.
  ///
  /// `train` begins with it, so that a mistake here is told even where the run folder cannot be used either.
  ///
  /// ```swift
  /// try TrainingConfiguration(file: "run.yaml").check()
  /// ```
  ///
  /// - Throws: `TrainingError`, `NetworkError`, `FormatError`.
  public func check() throws {
    let outline = try DataOutline(data)
    try requireBatches(outline)
  }

  /// - Throws: `TrainingError.noWholeBatch`, `.batchTooSmall`.
  func requireBatches(_ outline: DataOutline) throws {
    let sampling = Sampling(count: outline.trainingSamples, training)
    guard sampling.batches > 0 else {
      throw TrainingError.noWholeBatch(
        batchSize: training.batchSize, samples: outline.trainingSamples)
    }
    // The last batch is met only by a run that gets there.
    let isWhole = training.maxSteps ?? .max >= sampling.batches
    for batch in [0] + (isWhole ? [sampling.batches - 1] : []) {
      let samples = sampling.batch(batch).count
      // How many classes there are is in the labels, and does not matter here.
      let shape = outline.imageShape
      let made = try model.description(for: Array(shape.dropLast())).graph(
        NetworkInput(batch: samples, extents: Array(shape.dropLast()), channels: shape.last ?? 1),
        classes: 2, mode: .training)
      guard let few = made.fewestBatchValues, few.values < NetworkGraph.fewestBatchValues else {
        continue
      }
      throw TrainingError.batchTooSmall(
        layer: few.layer, values: few.values, batch: samples, isLast: batch > 0,
        batchSize: training.batchSize, samples: outline.trainingSamples)
    }
  }
}

extension NetworkGraph {
  /// How many values per channel a layer's batch statistics are over.
  struct BatchValues: Hashable {
    let layer: String
    let values: Int
  }

  /// A variance needs two values.
  static let fewestBatchValues = 2

  /// The layer whose batch statistics are over the fewest values per channel, of all ranks together; `nil` where no
  /// layer has any.
  var fewestBatchValues: BatchValues? {
    var fewest: BatchValues?
    for layer in layers {
      for node in graph.nodes[layer.nodes] {
        guard let moments = node.operation.base as? Operators.RunningMoments,
          moments.count < fewest?.values ?? .max
        else { continue }
        fewest = BatchValues(layer: layer.name, values: moments.count)
      }
    }
    return fewest
  }
}
