import Formats

extension TrainingConfiguration {
  /// The network of this configuration, over its batch. Channels, extents and classes are those of
  /// the data; of data that are not there, those that the configuration gives for synthetic ones.
  ///
  /// ```swift
  /// let configuration = try TrainingConfiguration(
  ///   file: "run.yaml", overrides: ["model.network=resnet20"])
  /// try configuration.networkGraph().layers.count
  /// ```
  ///
  /// - Throws: `LayerError`, `NetworkError`, `GraphError`; `TrainingError` and `FormatError` of data
  ///   that are there.
  public func networkGraph(mode: NetworkMode = .training) throws -> NetworkGraph {
    let (shape, classes) = try dataExtents()
    let extents = Array(shape.dropLast())
    let input = NetworkInput(
      batch: training.batchSize, extents: extents, channels: shape.last ?? 1)
    return try model.description(for: extents).graph(input, classes: classes, mode: mode)
  }

  /// [height, width, channels], and the number of classes.
  private func dataExtents() throws -> (shape: [Int], classes: Int) {
    let given = (shape: data.syntheticShape, classes: data.classes)
    guard data.kind != .synthetic else { return given }
    do {
      let parts = try IDXParts(data, memory: availableMemory)
      return (parts.training.extents + [1], try parts.classes(memory: availableMemory))
    } catch {
      switch error {
      case TrainingError.missingData, TrainingError.missingDataPath: return given
      default: throw error
      }
    }
  }
}
