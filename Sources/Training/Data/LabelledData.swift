import Formats

/// What a run trains and tests on.
///
/// ```swift
/// let data = try LabelledData(DataConfiguration(kind: .idx, path: "digits"), seed: 0)
/// print(data.training.count, data.test.count, data.classes)
/// ```
public struct LabelledData: Hashable, Sendable {
  public let training: Dataset
  public let test: Dataset
  /// Labels are 0 ..< `classes`.
  public let classes: Int
  /// That of the training samples without their padding, for both parts.
  public let normalization: Normalization

  public init(training: Dataset, test: Dataset, classes: Int) {
    self.init(
      training: training, test: test, classes: classes,
      normalization: Normalization(of: training.pixels))
  }

  /// Reads the data, or makes it.
  ///
  /// - Parameter memory: bytes that the data may take, with the order of an epoch's samples; `nil`: this
  ///   process's part of the machine's memory.
  /// - Throws: `TrainingError` if a file is missing, the files do not fit each other, or synthetic
  ///   data does not fit in memory; `FormatError` if a file cannot be read, or is more than memory.
  public init(
    _ configuration: DataConfiguration, seed: UInt64, memory: Int? = nil
  ) throws {
    let memory = memory ?? availableMemory
    let data =
      switch configuration.kind {
      case .synthetic:
        try LabelledData.synthetic(configuration, seed: seed, memory: memory)
      case .fashionMNIST, .idx:
        try LabelledData(idx: configuration, memory: memory)
      }
    self.init(
      training: data.training.padded(by: configuration.padding),
      test: data.test.padded(by: configuration.padding), classes: data.classes,
      normalization: data.normalization)
  }

  private init(
    training: Dataset, test: Dataset, classes: Int, normalization: Normalization
  ) {
    self.training = training
    self.test = test
    self.classes = classes
    self.normalization = normalization
  }

  /// Four files named as MNIST's are, each plain or with `.gz`; images of any extents, and maybe of several channels.
  ///
  /// All headers are read before any of the data: what does not fit costs nothing.
  private init(idx configuration: DataConfiguration, memory: Int) throws {
    let parts = try IDXParts(configuration, memory: memory)
    let (training, test) = (parts.training, parts.test)
    let trainingData = try training.read(memory: memory)
    let testData = try test.read(memory: memory)
    let highest = Int(trainingData.labels.max() ?? 0)
    guard highest >= 1 else {
      throw TrainingError.tooFewClasses(file: training.labelFile, classes: highest + 1)
    }
    // Of all labels of both parts, so that a limited run trains the same network, and a rare class
    // may be only in the test.
    let classes = max(highest, Int(testData.labels.max() ?? 0)) + 1
    self.init(
      training: trainingData.first(configuration.trainingSamples),
      test: testData.first(configuration.testSamples), classes: classes)
  }
}
