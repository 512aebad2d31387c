import Foundation
import Testing

@testable import Formats

@Suite struct IDXTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Shape [2, 2, 3], bytes 0 … 11, spelled out.
  static let plain: [UInt8] =
    [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3] + Array(0..<12)
  static let file = IDXFile(shape: [2, 2, 3], elements: Array(0..<12))

  @Test func readsPlain() throws {
    #expect(try IDXFile(path: folder.file("x", Self.plain)) == Self.file)
  }

  @Test func readsGzip() throws {
    #expect(try IDXFile(path: folder.file("x.gz", golden(Goldens.idxGzip))) == Self.file)
  }

  @Test func writes() throws {
    try Self.file.write(to: folder("x"))
    #expect(try bytes(of: folder("x")) == Self.plain)
    let large = IDXFile(shape: [0x01_02_03, 0], elements: [])
    try large.write(to: folder("large"))
    #expect(try bytes(of: folder("large")) == [0, 0, 8, 2, 0, 1, 2, 3, 0, 0, 0, 0])
    #expect(try IDXFile(path: folder("large")) == large)
  }

  static let badFiles: [(bytes: [UInt8], message: String)] = [
    (
      [0x89, 0x50, 8, 1, 0, 0, 0, 0],
      "IDX magic, byte 0: found 89 50, expected 00 00, which starts every IDX file"
    ),
    (
      [0, 0, 0xD, 1, 0, 0, 0, 1, 0, 0, 0, 0],
      "element type float32 (code 0d) is not supported; convert the file to unsigned bytes "
        + "(code 08)"
    ),
    ([0, 0, 7, 1, 0, 0, 0, 0], "IDX type, byte 2: found 07, expected 08, unsigned bytes"),
    ([0, 0, 8, 0], "IDX magic, byte 3: found 0 dimensions, expected 1 or more"),
    ([0, 0], "truncated in the IDX magic: expected at least 4 bytes, found 2"),
    (
      [0, 0, 8, 2, 0, 0, 0, 1, 0],
      "truncated in the IDX extents: expected at least 12 bytes, found 9"
    ),
    (
      [0, 0, 8, 1, 0, 0, 0, 3, 1, 2],
      "truncated in the data: expected at least 11 bytes, found 10"
    ),
    (
      [0, 0, 8, 1, 0, 0, 0, 1, 1, 2],
      "by its header the file ends at byte 9, but more data follows"
    ),
    (
      [0, 0, 8, 2] + .init(repeating: 255, count: 8),
      "shape [4294967295, 4294967295] has more bytes than a file can hold"
    ),
  ]

  @Test(arguments: badFiles.indices) func badFile(index: Int) throws {
    let (bytes, message) = Self.badFiles[index]
    let path = try folder.file("x", bytes)
    let error = #expect(throws: FormatError.self) { try IDXFile(path: path) }
    #expect(error?.description == "\(path): \(message)")
  }

  @Test func damagedGzip() throws {
    let whole = try golden(Goldens.idxGzip)
    // The last 8 bytes are the checksum and the length.
    for cut in [1, 4, 8, 12, whole.count - 10] {
      let path = try folder.file("cut.gz", whole.dropLast(cut))
      #expect(
        throws: FormatError.corruptCompression(path: path, reason: "unexpected end of file")
      ) { try IDXFile(path: path) }
    }
    var damaged = whole
    damaged[whole.count - 8] ^= 1
    let path = try folder.file("damaged.gz", damaged)
    #expect(
      throws: FormatError.corruptCompression(path: path, reason: "incorrect data check")
    ) { try IDXFile(path: path) }
  }

  static let fashionMNIST = "/usr/share/datasets/fashion-mnist/"
  static let hasFashionMNIST = FileManager.default.fileExists(
    atPath: fashionMNIST + "train-images-idx3-ubyte.gz")

  /// Mean and standard deviation as published for the data set.
  @Test(
    .enabled(if: hasFashionMNIST, "Debian's dataset-fashion-mnist is not installed"))
  func readsFashionMNIST() throws {
    let images = try IDXFile(path: Self.fashionMNIST + "train-images-idx3-ubyte.gz")
    #expect(images.shape == [60_000, 28, 28])
    var sum = 0
    var squares = 0
    for byte in images.elements {
      sum += Int(byte)
      squares += Int(byte) * Int(byte)
    }
    let mean = Double(sum) / Double(images.elements.count) / 255
    let square = Double(squares) / Double(images.elements.count) / (255 * 255)
    #expect(abs(mean - 0.2860) < 5e-5)
    #expect(abs((square - mean * mean).squareRoot() - 0.3530) < 5e-5)

    let labels = try IDXFile(path: Self.fashionMNIST + "train-labels-idx1-ubyte.gz")
    #expect(labels.shape == [60_000])
    for label in 0..<10 as Range<UInt8> {
      #expect(labels.elements.count { $0 == label } == 6_000)
    }
  }
}
