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
  /// - Throws: `TrainingError` if a file is missing or the files do not fit each other;
  ///   `FormatError` if one of them cannot be read.
  public init(_ configuration: DataConfiguration, seed: UInt64) throws {
    switch configuration.kind {
    case .synthetic:
      self = try .synthetic(configuration, seed: seed)
    case .fashionMNIST:
      let folder = configuration.path ?? DataConfiguration.fashionMNISTPath
      self = try LabelledData(idxFolder: folder, configuration, isFashionMNIST: true)
    case .idx:
      guard let folder = configuration.path else { throw TrainingError.missingDataPath }
      self = try LabelledData(idxFolder: folder, configuration, isFashionMNIST: false)
    }
  }

  /// Four files named as MNIST's are, each plain or with `.gz`; images of any extents.
  private init(
    idxFolder folder: String, _ configuration: DataConfiguration, isFashionMNIST: Bool
  ) throws {
    func part(_ prefix: String) throws -> IDXPart {
      try IDXPart(folder: folder, prefix: prefix, isFashionMNIST: isFashionMNIST)
    }
    let training = try part("train")
    let test = try part("t10k")
    let extents = [training.data.height, training.data.width]
    let testExtents = [test.data.height, test.data.width]
    guard extents == testExtents else {
      throw TrainingError.extentsDiffer(
        training: training.imageFile, trainingExtents: extents, test: test.imageFile,
        testExtents: testExtents)
    }
    let highest = Int(training.data.labels.max() ?? 0)
    guard highest >= 1 else {
      throw TrainingError.tooFewClasses(file: training.labelFile, classes: highest + 1)
    }
    // Of all labels of both parts, so that a limited run trains the same network, and a rare class
    // may be only in the test.
    let classes = max(highest, Int(test.data.labels.max() ?? 0)) + 1
    self.init(
      training: training.data.first(configuration.trainingSamples),
      test: test.data.first(configuration.testSamples), classes: classes)
  }
}

/// Images and labels of one part, with the files they come from.
private struct IDXPart {
  let data: Dataset
  let imageFile: String
  let labelFile: String

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
    let images = try IDXFile(path: imageFile)
    let labels = try IDXFile(path: labelFile)
    guard images.shape.count == 3, !images.shape.contains(0) else {
      throw TrainingError.noImages(file: imageFile, shape: images.shape)
    }
    guard labels.shape == [images.shape[0]] else {
      throw TrainingError.imageCount(
        images: imageFile, imageCount: images.shape[0], labels: labelFile,
        labelCount: labels.elements.count)
    }
    data = Dataset(
      height: images.shape[1], width: images.shape[2], channels: 1, pixels: images.elements,
      labels: labels.elements)
  }
}
