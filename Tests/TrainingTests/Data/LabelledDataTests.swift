import Formats
import Foundation
import Testing

@testable import Training

@Suite struct LabelledDataTests {
  /// Six training and two test images of 2×3 pixels, of three classes.
  private func writeFolder(_ folder: String) throws {
    try IDXFile(shape: [6, 2, 3], elements: (0..<36).map { UInt8($0) })
      .write(to: folder + "/train-images-idx3-ubyte")
    try IDXFile(shape: [6], elements: [0, 1, 2, 0, 1, 2])
      .write(to: folder + "/train-labels-idx1-ubyte")
    try IDXFile(shape: [2, 2, 3], elements: (100..<112).map { UInt8($0) })
      .write(to: folder + "/t10k-images-idx3-ubyte")
    try IDXFile(shape: [2], elements: [2, 1]).write(to: folder + "/t10k-labels-idx1-ubyte")
  }

  @Test func readsAFolderOfIDXFiles() throws {
    try withTemporaryFolder { folder in
      try writeFolder(folder)
      var configuration = DataConfiguration(kind: .idx, path: folder)
      var data = try LabelledData(configuration, seed: 0)
      #expect(data.classes == 3)
      #expect(data.training.count == 6)
      #expect(data.training.imageShape == [2, 3, 1])
      #expect(data.training.labels == [0, 1, 2, 0, 1, 2])
      #expect(data.test.pixels == Array(100..<112))
      #expect(data.test.labels == [2, 1])

      configuration.trainingSamples = 2
      configuration.testSamples = 100
      data = try LabelledData(configuration, seed: 0)
      #expect(data.training.pixels == Array(0..<12))
      #expect(data.training.labels == [0, 1])
      // The network is the same however few samples it sees.
      #expect(data.classes == 3)
      #expect(data.test.count == 2)
    }
  }

  /// A fourth extent is of channels, which come last; one channel may be written or not.
  @Test func readsImagesOfSeveralChannels() throws {
    try withTemporaryFolder { folder in
      try writeFolder(folder)
      try IDXFile(shape: [6, 2, 1, 3], elements: (0..<36).map { UInt8($0) })
        .write(to: folder + "/train-images-idx3-ubyte")
      try IDXFile(shape: [2, 2, 1, 3], elements: (100..<112).map { UInt8($0) })
        .write(to: folder + "/t10k-images-idx3-ubyte")
      var configuration = DataConfiguration(kind: .idx, path: folder)
      let data = try LabelledData(configuration, seed: 0)
      #expect(data.training.imageShape == [2, 1, 3] && data.test.imageShape == [2, 1, 3])
      #expect(try DataOutline(configuration).imageShape == [2, 1, 3])
      #expect(data.training.pixels == Array(0..<36))
      let batch = data.training.batch(
        [5], normalization: Normalization(mean: 0, standardDeviation: 1))
      #expect(batch.images.shape == [1, 2, 1, 3])
      #expect(batch.images.elements == (30..<36).map { Float(Double($0) / 255) })
      configuration.padding = 1
      #expect(try LabelledData(configuration, seed: 0).training.imageShape == [4, 3, 3])

      try IDXFile(shape: [6, 2, 3, 1], elements: (0..<36).map { UInt8($0) })
        .write(to: folder + "/train-images-idx3-ubyte")
      try IDXFile(shape: [2, 2, 3], elements: (100..<112).map { UInt8($0) })
        .write(to: folder + "/t10k-images-idx3-ubyte")
      configuration.padding = 0
      #expect(try LabelledData(configuration, seed: 0).training.imageShape == [2, 3, 1])
    }
  }

  /// Pixels and labels of both parts, 8 · 7 bytes, the order of the training samples, 6 · 8, and of the
  /// first two a copy, 2 · 7.
  @Test(arguments: [(nil, 104), (2, 118), (6, 104)] as [(Int?, Int)])
  func whatIsHeldIsComparedWithMemory(trainingSamples: Int?, needed: Int) throws {
    try withTemporaryFolder { folder in
      try writeFolder(folder)
      var configuration = DataConfiguration(kind: .idx, path: folder)
      configuration.trainingSamples = trainingSamples
      let data = try LabelledData(configuration, seed: 0, memory: needed)
      #expect(data.classes == 3)
      let shortfall = FormatError.notEnoughMemory(
        path: folder + "/train-images-idx3-ubyte", needed: needed, available: needed - 1)
      #expect(throws: shortfall) {
        try LabelledData(configuration, seed: 0, memory: needed - 1)
      }
    }
  }

  @Test func aClassMayBeOnlyInTheTest() throws {
    try withTemporaryFolder { folder in
      try writeFolder(folder)
      try IDXFile(shape: [2], elements: [0, 4]).write(to: folder + "/t10k-labels-idx1-ubyte")
      let data = try LabelledData(DataConfiguration(kind: .idx, path: folder), seed: 0)
      #expect(data.classes == 5)
      #expect(data.test.labels == [0, 4])
    }
  }

  @Test func aBatchIsNormalisedAndInTheOrderAskedFor() throws {
    try withTemporaryFolder { folder in
      try writeFolder(folder)
      let data = try LabelledData(DataConfiguration(kind: .idx, path: folder), seed: 0)
      // 0 … 35: mean 17.5, variance (36² − 1)/12.
      let deviation = ((36.0 * 36 - 1) / 12).squareRoot()
      #expect(abs(data.normalization.mean * 255 - 17.5) < 1e-12)
      #expect(abs(data.normalization.standardDeviation * 255 - deviation) < 1e-12)
      let (images, labels) = data.training.batch([4, 0], normalization: data.normalization)
      #expect(images.shape == [2, 2, 3, 1])
      #expect(labels == [1, 0])
      let expected = ([24, 25, 26, 27, 28, 29, 0, 1, 2, 3, 4, 5] as [Double])
        .map { ($0 - 17.5) / deviation }
      for (value, expected) in zip(images.elements, expected) {
        #expect(abs(Double(value) - expected) < 1e-6)
      }
      let empty = data.training.batch([], normalization: data.normalization)
      #expect(empty.images.shape == [0, 2, 3, 1])
      #expect(empty.labels.isEmpty)
    }
  }

  /// Images of 2×3 pixels between two rows and columns of zeros, and any rows of them: what the unpadded images
  /// give, and the number of the byte 0 everywhere else.
  @Test func paddingIsZerosBeforeTheNormalisation() throws {
    try withTemporaryFolder { folder in
      try writeFolder(folder)
      var configuration = DataConfiguration(kind: .idx, path: folder)
      let plain = try LabelledData(configuration, seed: 0)
      configuration.padding = 2
      let padded = try LabelledData(configuration, seed: 0)
      #expect(padded.normalization == plain.normalization)
      #expect(padded.training.pixels == plain.training.pixels)
      #expect(padded.training.imageShape == [6, 7, 1] && padded.training.imageSize == 42)
      #expect(try DataOutline(configuration).imageShape == [6, 7, 1])
      #expect(padded.test.imageShape == [6, 7, 1])
      #expect(padded.training.first(2).imageShape == [6, 7, 1])

      let zero = padded.normalization.table[0]
      let inner = plain.training.batch([4, 0], normalization: plain.normalization).images
      let whole = padded.training.batch([4, 0], normalization: padded.normalization)
      #expect(whole.images.shape == [2, 6, 7, 1])
      #expect(whole.labels == [1, 0])
      var expected: [Float] = []
      for sample in 0..<2 {
        for (row, column) in (0..<42).map({ ($0 / 7, $0 % 7) }) {
          let isInner = (2..<4).contains(row) && (2..<5).contains(column)
          let place = sample * 6 + (row - 2) * 3 + column - 2
          expected.append(isInner ? inner.elements[place] : zero)
        }
      }
      #expect(whole.images.elements == expected)
      for rows in [0..<0, 0..<2, 1..<3, 2..<4, 3..<6, 5..<6] {
        let part = padded.training.images(
          [4, 0], rows: rows, normalization: padded.normalization)
        let parts = [0, 42].flatMap {
          expected[$0 + 7 * rows.lowerBound..<$0 + 7 * rows.upperBound]
        }
        #expect(part.elements == parts)
      }
    }
  }

  @Test func pixelsThatAreAllEqualAreOnlyCentred() {
    let normalization = Normalization(of: [51, 51])
    #expect(normalization.mean == 0.2)
    #expect(normalization.standardDeviation == 1)
    #expect(normalization.table[51] == 0)
  }

  private struct BadFolder: CustomTestStringConvertible {
    var what: String
    var message: String
    var spoil: @Sendable (_ folder: String) throws -> Void
    var testDescription: String { what }
  }

  private static let badFolders: [BadFolder] = [
    BadFolder(
      what: "missing file",
      message: "FOLDER: there is no t10k-labels-idx1-ubyte nor t10k-labels-idx1-ubyte.gz; "
        + "data.path must hold four IDX files named as MNIST's are"
    ) { try FileManager.default.removeItem(atPath: $0 + "/t10k-labels-idx1-ubyte") },
    BadFolder(
      what: "fewer labels",
      message: "FOLDER/train-images-idx3-ubyte has 6 images, but FOLDER/train-labels-idx1-ubyte "
        + "has 5 labels; expected as many"
    ) {
      try IDXFile(shape: [5], elements: [0, 1, 2, 0, 1]).write(to: $0 + "/train-labels-idx1-ubyte")
    },
    BadFolder(
      what: "other extents",
      message: "FOLDER/t10k-images-idx3-ubyte: the images are 3×2, but those of "
        + "FOLDER/train-images-idx3-ubyte are 2×3; expected the same"
    ) {
      try IDXFile(shape: [2, 3, 2], elements: Array(0..<12))
        .write(to: $0 + "/t10k-images-idx3-ubyte")
    },
    BadFolder(
      what: "no images",
      message: "FOLDER/train-images-idx3-ubyte: holds no images (shape [0, 2, 3]); expected at "
        + "least one, of at least one pixel"
    ) {
      try IDXFile(shape: [0, 2, 3], elements: []).write(to: $0 + "/train-images-idx3-ubyte")
    },
    BadFolder(
      what: "images without pixels in rows",
      message: "FOLDER/train-images-idx3-ubyte: holds no images (shape [36]); expected at least "
        + "one, of at least one pixel"
    ) {
      try IDXFile(shape: [36], elements: Array(0..<36)).write(to: $0 + "/train-images-idx3-ubyte")
    },
    BadFolder(
      what: "five extents",
      message:
        "FOLDER/train-images-idx3-ubyte: has the extents 6×1×2×1×3; expected images × height "
        + "× width, or images × height × width × channels with at most 1024 channels, which come last"
    ) {
      try IDXFile(shape: [6, 1, 2, 1, 3], elements: Array(0..<36))
        .write(to: $0 + "/train-images-idx3-ubyte")
    },
    BadFolder(
      what: "too many channels",
      message:
        "FOLDER/train-images-idx3-ubyte: has the extents 6×1×1×1025; expected images × height "
        + "× width, or images × height × width × channels with at most 1024 channels, which come last"
    ) {
      try IDXFile(shape: [6, 1, 1, 1025], elements: [UInt8](repeating: 1, count: 6150))
        .write(to: $0 + "/train-images-idx3-ubyte")
    },
    BadFolder(
      what: "no channels",
      message: "FOLDER/train-images-idx3-ubyte: holds no images (shape [6, 2, 3, 0]); expected at "
        + "least one, of at least one pixel"
    ) {
      try IDXFile(shape: [6, 2, 3, 0], elements: []).write(to: $0 + "/train-images-idx3-ubyte")
    },
    BadFolder(
      what: "channels in one part only",
      message: "FOLDER/t10k-images-idx3-ubyte: the images are 2×3, but those of "
        + "FOLDER/train-images-idx3-ubyte are 2×1×3; expected the same"
    ) {
      try IDXFile(shape: [6, 2, 1, 3], elements: Array(0..<36))
        .write(to: $0 + "/train-images-idx3-ubyte")
    },
    BadFolder(
      what: "one class",
      message: "FOLDER/train-labels-idx1-ubyte: the labels name 1 class; expected at least 2 to "
        + "tell apart"
    ) {
      try IDXFile(shape: [6], elements: [0, 0, 0, 0, 0, 0])
        .write(to: $0 + "/train-labels-idx1-ubyte")
    },
    BadFolder(
      what: "truncated file",
      message: "FOLDER/train-images-idx3-ubyte: truncated"
    ) { folder in
      let path = folder + "/train-images-idx3-ubyte"
      let bytes = try #require(FileManager.default.contents(atPath: path))
      try bytes.prefix(40).write(to: URL(fileURLWithPath: path))
    },
  ]

  @Test(arguments: badFolders)
  private func badFoldersGiveOneClearMessage(bad: BadFolder) throws {
    try withTemporaryFolder { folder in
      try writeFolder(folder)
      try bad.spoil(folder)
      let error = #expect(throws: (any Error).self) {
        try LabelledData(DataConfiguration(kind: .idx, path: folder), seed: 0)
      }
      let message = error.map { "\($0)".replacingOccurrences(of: folder, with: "FOLDER") }
      // The files' own errors go on; their text is that of Formats.
      #expect(message?.hasPrefix(bad.message) == true, "\(message ?? "")")
    }
  }

  @Test func aMissingDataSetSaysHowToGetIt() throws {
    let fashion = #expect(throws: TrainingError.self) {
      try LabelledData(DataConfiguration(path: "/nonexistent"), seed: 0)
    }
    #expect(fashion?.description.contains("apt-get install dataset-fashion-mnist") == true)
    #expect(throws: TrainingError.missingDataPath) {
      try LabelledData(DataConfiguration(kind: .idx), seed: 0)
    }
  }

  /// Mean and standard deviation as the literature quotes them.
  @Test(
    .enabled(if: FileManager.default.fileExists(atPath: DataConfiguration.fashionMNISTPath)))
  func readsFashionMNIST() throws {
    let data = try LabelledData(DataConfiguration(), seed: 0)
    #expect(data.training.count == 60_000)
    #expect(data.test.count == 10_000)
    #expect(data.classes == 10)
    #expect(data.training.imageShape == [28, 28, 1])
    var padded = DataConfiguration()
    padded.padding = 2
    #expect(try DataOutline(padded).imageShape == [32, 32, 1])
    #expect(abs(data.normalization.mean - 0.2860) < 5e-5)
    #expect(abs(data.normalization.standardDeviation - 0.3530) < 5e-5)
    for label: UInt8 in 0..<10 { #expect(data.training.labels.count { $0 == label } == 6_000) }
  }
}
