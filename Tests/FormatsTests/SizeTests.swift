import Foundation
import Testing

@testable import Formats

/// Sizes that files claim, or have without a byte on the disk, are checked before memory is taken.
@Suite struct SizeTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// A file that goes on with zeros which take no room.
  private func sparse(_ name: String, _ start: [UInt8], byteCount: Int) throws -> String {
    let path = try folder.file(name, start)
    try #require(truncate(path, off_t(byteCount)) == 0)
    return path
  }

  private static let terabyte = 1 << 40

  @Test func anIDXFileOfATerabyte() throws {
    // 2^20 images of 2^10 × 2^10.
    let start: [UInt8] = [0, 0, 8, 3, 0, 16, 0, 0, 0, 0, 4, 0, 0, 0, 4, 0]
    let path = try sparse("x", start, byteCount: 16 + Self.terabyte)
    #expect(
      throws: FormatError.notEnoughMemory(
        path: path, needed: Self.terabyte, available: 1 << 30)
    ) { try IDXFile(path: path, memory: 1 << 30) }
    #expect(try IDXFile.shape(path: path) == [1 << 20, 1 << 10, 1 << 10])
  }

  @Test func anArrayOfATerabyte() throws {
    let header = NpyHeader.encoded(shape: [1 << 38], elementType: .float32)
    let path = try sparse("x.npy", header, byteCount: header.count + Self.terabyte)
    #expect(
      throws: FormatError.notEnoughMemory(
        path: path, needed: Self.terabyte, available: 1 << 30)
    ) { try NpyArray(path: path, memory: 1 << 30) }
    #expect(try NpyFile(path: path).header.shape == [1 << 38])
  }

  @Test func tensorsOfATerabyte() throws {
    let text = Array(
      #"{"a":{"dtype":"F32","shape":[274877906944],"data_offsets":[0,1099511627776]}}"#.utf8)
    let start = [UInt8(text.count)] + .init(repeating: 0, count: 7) + text
    let path = try sparse("x", start, byteCount: start.count + Self.terabyte)
    #expect(
      throws: FormatError.notEnoughMemory(
        path: path, needed: Self.terabyte, available: 1 << 30)
    ) { try Safetensors(path: path, memory: 1 << 30) }
  }

  /// More than any address space has, where nobody says how much memory there is.
  @Test func whatTheSystemRefusesIsAnError() throws {
    #expect(throws: FormatError.notEnoughMemory(path: "x", needed: 1 << 60, available: 0)) {
      try requireMemory(1 << 60, of: .max, path: "x")
    }
    try requireMemory(1 << 20, of: 1 << 20, path: "x")
  }

  /// The header is read only if it is a header's size, though the file is as long as it says.
  @Test func aHeaderOfGigabytes() throws {
    let start: [UInt8] = NpyHeader.magic + [2, 0, 0, 0, 0, 0xF0]
    let path = try sparse("x.npy", start, byteCount: 1 << 33)
    let error = #expect(throws: FormatError.self) { try NpyFile(path: path) }
    #expect(
      error?.description
        == "\(path): npy header length, byte 8: found 4026531840, expected at most "
        + "1048576")
  }

  /// 1032 bytes are the most that one byte of deflate stands for; nothing is unpacked to find out.
  @Test func aPackedFileTooShortForWhatItSays() throws {
    // Python's gzip.compress of an IDX header, of 2^32 − 1 bytes, and two bytes.
    let gzip: [UInt8] = [
      31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 99, 96, 224, 96, 252, 15, 4, 140, 76, 0, 70, 118, 48, 47, 10,
      0, 0, 0,
    ]
    let path = try folder.file("x.gz", gzip)
    #expect(
      throws: FormatError.compressedTooShort(
        path: path, part: "data", expected: 8 + 0xFFFF_FFFF, most: 1032 * gzip.count)
    ) { try IDXFile(path: path) }
  }

  @Test func smallFilesAreFilesAndSmall() throws {
    let path = try folder.file("x", [1, 2, 3])
    #expect(try contents(of: path, limit: 3) == [1, 2, 3])
    #expect(throws: FormatError.tooLong(path: path, limit: 2)) { try contents(of: path, limit: 2) }
    #expect(throws: FormatError.notAFile(path: "/dev/zero")) { try contents(of: "/dev/zero") }
    #expect(throws: FormatError.notAFile(path: folder.path)) { try contents(of: folder.path) }
    let pipe = folder("pipe")
    try #require(mkfifo(pipe, 0o600) == 0)
    #expect(throws: FormatError.notAFile(path: pipe)) { try contents(of: pipe) }
    let endless = try sparse("endless", [], byteCount: Self.terabyte)
    #expect(throws: FormatError.tooLong(path: endless, limit: 100)) {
      try contents(of: endless, limit: 100)
    }
  }
}
