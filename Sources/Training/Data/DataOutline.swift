/// What is known of a data set before any sample is read or made.
///
/// ```swift
/// let outline = try DataOutline(DataConfiguration())
/// print(outline.trainingSamples, outline.imageShape)   // 60000 [28, 28, 1]
/// ```
struct DataOutline: Hashable {
  /// Those that are trained on.
  let trainingSamples: Int
  /// [height, width, channels], with the padding.
  let imageShape: [Int]

  /// - Throws: what `LabelledData` throws, as far as headers tell.
  init(_ configuration: DataConfiguration, memory: Int? = nil) throws {
    let memory = memory ?? availableMemory
    switch configuration.kind {
    case .synthetic:
      try LabelledData.requireSyntheticMemory(configuration, memory: memory)
      trainingSamples = configuration.trainingSamples ?? LabelledData.syntheticTrainingSamples
      imageShape = configuration.padded(configuration.syntheticShape)
    case .fashionMNIST, .idx:
      let training = try IDXParts(configuration, memory: memory).training
      trainingSamples = min(training.count, configuration.trainingSamples ?? .max)
      imageShape = configuration.padded(training.imageShape)
    }
  }
}
