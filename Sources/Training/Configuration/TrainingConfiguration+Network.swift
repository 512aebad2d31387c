import Execution
import Formats
import Kernels

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
    return try model.description(for: extents).graph(
      input, classes: classes, mode: mode, type: training.precision.type)
  }

  /// The programs of this configuration's steps on so many ranks, which share the images as the
  /// configuration says, for a batch of `training.batchSize`. Of the data what `networkGraph` says.
  ///
  /// ```swift
  /// let programs = try configuration.stepPrograms(ranks: 4)
  /// try programs.prediction(samples: configuration.training.batchSize).seconds
  /// ```
  ///
  /// - Throws: What `networkGraph` throws; `TrainingError.notEnoughMemory`.
  public func stepPrograms(
    ranks: Int, options: ProgramOptions = ProgramOptions(), context: Context = .process
  ) throws -> StepPrograms {
    let (shape, classes) = try dataExtents()
    var programs = stepPrograms(
      extents: Array(shape.dropLast()), channels: shape.last ?? 1, classes: classes, ranks: ranks,
      options: options, context: context)
    if training.parallelism == .auto {
      programs.sharding = try programs.bestSharding(
        samples: training.batchSize, memory: training.memory?.bytes)
    }
    return programs
  }

  /// With samples shared, whatever the configuration says.
  func stepPrograms(
    extents: [Int], channels: Int, classes: Int, ranks: Int,
    options: ProgramOptions = ProgramOptions(), context: Context
  ) -> StepPrograms {
    StepPrograms(
      model.description(for: extents), extents: extents, channels: channels, classes: classes,
      type: training.precision.type, optimizer: optimizer,
      sharding: Sharding(batch: ranks, rows: 1),
      passes: ContractionPasses(context: context, checkpointing: model.checkpointing),
      options: options)
  }

  /// [height, width, channels], and the number of classes.
  private func dataExtents() throws -> (shape: [Int], classes: Int) {
    let given = (shape: data.padded(data.syntheticShape), classes: data.classes)
    guard data.kind != .synthetic else { return given }
    do {
      let parts = try IDXParts(data, memory: availableMemory)
      let shape = data.padded(parts.training.imageShape)
      return (shape, try parts.classes(memory: availableMemory))
    } catch {
      switch error {
      case TrainingError.missingData, TrainingError.missingDataPath: return given
      default: throw error
      }
    }
  }
}
