import Partitioning

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
    if let other = model.otherThanDemo {
      throw TrainingError.notTrainable(key: other.key, value: other.value)
    }
    let outline = try DataOutline(data)
    let shape = outline.imageShape
    // How many classes there are is in the labels, and does not matter here.
    let network = try Network(
      model, height: shape[0], width: shape[1], channels: shape[2], classes: 2, seed: seed)
    try requireBatches(network, outline)
  }

  /// - Throws: `TrainingError.noWholeBatch`, `.batchTooSmall`.
  func requireBatches(_ network: Network, _ outline: DataOutline) throws {
    let sampling = Sampling(count: outline.trainingSamples, training)
    guard sampling.batches > 0 else {
      throw TrainingError.noWholeBatch(
        batchSize: training.batchSize, samples: outline.trainingSamples)
    }
    // The last batch is met only by a run that gets there.
    let isWhole = training.maxSteps ?? .max >= sampling.batches
    for batch in [0] + (isWhole ? [sampling.batches - 1] : []) {
      let samples = sampling.batch(batch).count
      guard
        let few = try network.fewestBatchValues(images: [samples] + outline.imageShape),
        few.values < BatchNormalization.fewestValues
      else { continue }
      throw TrainingError.batchTooSmall(
        layer: few.layer, values: few.values, batch: samples, isLast: batch > 0,
        batchSize: training.batchSize, samples: outline.trainingSamples)
    }
  }
}

extension Network {
  /// The layer whose batch statistics are over the fewest values per channel, of all ranks together; `nil` where no
  /// layer has any.
  ///
  /// - Parameter images: [batch, height, width, channels]
  func fewestBatchValues(images: [Int]) throws -> (layer: String, values: Int)? {
    var layout = Sharding(batch: 1, rows: 1).layout(of: images)
    var fewest: (layer: String, values: Int)?
    for layer in layers {
      let normalization =
        layer as? BatchNormalization ?? (layer as? NormalizedMaxPool)?.normalization
      let values = layout.shape.dropLast().reduce(1, *)
      if let normalization, values < fewest?.values ?? .max {
        fewest = (normalization.name, values)
      }
      layout = try layer.outputLayout(layout)
    }
    return fewest
  }
}
