import Formats
import Foundation

/// The four files of a data set, of which the headers are read and fit each other and memory, before any of the data.
struct IDXParts {
  let training: IDXPart
  let test: IDXPart

  /// - Parameter memory: bytes that the data may take, with the order of an epoch's samples.
  /// - Throws: `TrainingError`, `FormatError`: see `LabelledData`.
  init(_ configuration: DataConfiguration, memory: Int) throws {
    let isFashionMNIST = configuration.kind == .fashionMNIST
    let standard = isFashionMNIST ? DataConfiguration.fashionMNISTPath : nil
    guard let folder = configuration.path ?? standard else { throw TrainingError.missingDataPath }
    func files(_ prefix: String) throws -> IDXPart {
      try IDXPart(folder: folder, prefix: prefix, isFashionMNIST: isFashionMNIST)
    }
    training = try files("train")
    test = try files("t10k")
    guard training.imageShape == test.imageShape else {
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
  }
}

extension IDXParts {
  /// One more than the highest label of both parts, so that a limited run trains the same network,
  /// and a rare class may be only in the test.
  ///
  /// - Throws: `TrainingError.tooFewClasses`, `FormatError`.
  func classes(memory: Int) throws -> Int {
    func highest(_ part: IDXPart) throws -> Int {
      Int(try IDXFile(path: part.labelFile, memory: memory).elements.max() ?? 0)
    }
    let trained = try highest(training)
    guard trained >= 1 else {
      throw TrainingError.tooFewClasses(file: training.labelFile, classes: trained + 1)
    }
    return max(trained, try highest(test)) + 1
  }
}

/// The files of images and labels of one part, which fit each other.
struct IDXPart {
  let imageFile: String
  let labelFile: String
  /// Of samples.
  let count: Int
  /// Of an image, as the file has them: [height, width] or [height, width, channels]
  let extents: [Int]

  /// [height, width, channels]
  var imageShape: [Int] { extents.count == 2 ? extents + [1] : extents }

  /// Channels that images may have.
  static let channels = 1...1024

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
    guard images.count >= 3, !images.contains(0) else {
      throw TrainingError.noImages(file: imageFile, shape: images)
    }
    guard images.count == 3 || images.count == 4 && Self.channels.contains(images[3]) else {
      throw TrainingError.imageExtents(file: imageFile, shape: images)
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
    let shape = imageShape
    return Dataset(
      height: shape[0], width: shape[1], channels: shape[2], pixels: images.elements,
      labels: labels.elements)
  }
}
