import Formats
import Foundation

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
  /// That of the training samples, for both parts.
  public let normalization: Normalization

  public init(training: Dataset, test: Dataset, classes: Int) {
    self.training = training
    self.test = test
    self.classes = classes
    normalization = Normalization(of: training.pixels)
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
    switch configuration.kind {
    case .synthetic:
      self = try .synthetic(configuration, seed: seed, memory: memory)
    case .fashionMNIST:
      let folder = configuration.path ?? DataConfiguration.fashionMNISTPath
      self = try LabelledData(
        idxFolder: folder, configuration, isFashionMNIST: true, memory: memory)
    case .idx:
      guard let folder = configuration.path else { throw TrainingError.missingDataPath }
      self = try LabelledData(
        idxFolder: folder, configuration, isFashionMNIST: false, memory: memory)
    }
  }

  /// Four files named as MNIST's are, each plain or with `.gz`; images of any extents.
  ///
  /// All headers are read before any of the data: what does not fit costs nothing.
  private init(
    idxFolder folder: String, _ configuration: DataConfiguration, isFashionMNIST: Bool,
    memory: Int
  ) throws {
    func files(_ prefix: String) throws -> IDXPart {
      try IDXPart(folder: folder, prefix: prefix, isFashionMNIST: isFashionMNIST)
    }
    let training = try files("train")
    let test = try files("t10k")
    guard training.extents == test.extents else {
      throw TrainingError.extentsDiffer(
        training: training.imageFile, trainingExtents: training.extents, test: test.imageFile,
        testExtents: test.extents)
    }
    let order = Double(training.count) * Double(MemoryLayout<Int>.stride)
    let needed =
      training.bytes(first: configuration.trainingSamples)
      + test.bytes(first: configuration.testSamples) + order
    guard needed <= Double(memory) else {
      let largest = training.count >= test.count ? training : test
      throw FormatError.notEnoughMemory(
        path: largest.imageFile, needed: Int(min(needed, 0x1p62)), available: memory)
    }
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

/// The files of images and labels of one part, which fit each other.
private struct IDXPart {
  let imageFile: String
  let labelFile: String
  /// Of samples.
  let count: Int
  /// [height, width]
  let extents: [Int]

  init(folder: String, prefix: String, isFashionMNIST: Bool) throws {
    func existing(_ name: String) throws -> String {
      let path = folder + "/" + name
      for candidate in [path, path + ".gz"] where FileManager.default.fileExists(atPath: candidate)
      {
        return candidate
      }
      throw TrainingError.missingData(folder: folder, file: name, isFashionMNIST: isFashionMNIST)
    }
    imageFile = try existing("\(prefix)-images-idx3-ubyte")
    labelFile = try existing("\(prefix)-labels-idx1-ubyte")
    let images = try IDXFile.shape(path: imageFile)
    let labels = try IDXFile.shape(path: labelFile)
    guard images.count == 3, !images.contains(0) else {
      throw TrainingError.noImages(file: imageFile, shape: images)
    }
    guard labels == [images[0]] else {
      throw TrainingError.imageCount(
        images: imageFile, imageCount: images[0], labels: labelFile,
        labelCount: labels.reduce(1, *))
    }
    count = images[0]
    extents = Array(images[1...])
  }

  /// What is held at once of a part of which the first samples are taken: they are copied.
  func bytes(first limit: Int?) -> Double {
    let each = extents.reduce(1) { $0 * Double($1) } + 1
    return each * (Double(count) + Double(limit.map { $0 < count ? $0 : 0 } ?? 0))
  }

  func read(memory: Int) throws -> Dataset {
    // The short file first: the long one is not unpacked for nothing.
    let labels = try IDXFile(path: labelFile, memory: memory)
    let images = try IDXFile(path: imageFile, memory: memory)
    // Another file may be there by now.
    guard images.shape == [count] + extents, labels.shape == [count] else {
      throw TrainingError.imageCount(
        images: imageFile, imageCount: images.shape[0], labels: labelFile,
        labelCount: labels.elements.count)
    }
    return Dataset(
      height: extents[0], width: extents[1], channels: 1, pixels: images.elements,
      labels: labels.elements)
  }
}
