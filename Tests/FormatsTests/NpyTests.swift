import Testing

@testable import Formats

/// npy files against bytes that numpy wrote (`Goldens`) and against arrays known by position.
@Suite struct NpyTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let base64: String
    let array: NpyArray

    init(_ name: String, _ base64: String, _ shape: [Int], _ elements: NpyArray.Elements) {
      testDescription = name
      self.base64 = base64
      array = NpyArray(shape: shape, elements: elements)
    }
  }

  static let writtenByUs = [
    Case("float32", Goldens.float32, [2, 3], .float32([0.5, -1, 2, 3, 4e-3, .infinity])),
    Case("scalar", Goldens.scalar, [], .float64([-2.5])),
    Case("empty", Goldens.empty, [0, 3], .float32([])),
  ]

  static let onlyRead = [
    Case("Fortran", Goldens.fortranOrder, [2, 3, 2], .float64((0..<12).map { Double($0) })),
    Case("big-endian, version 2.0", Goldens.bigEndianVersion2, [3], .float32([0, 1, 2])),
    Case(
      "big-endian, Fortran, version 3.0", Goldens.bigEndianFortranVersion3, [2, 2],
      .float64([0, 1, 2, 3])),
  ]

  @Test(arguments: writtenByUs + onlyRead) func readsWhatNumpyWrote(_ file: Case) throws {
    let path = try folder.file("x.npy", golden(file.base64))
    #expect(try NpyArray(path: path) == file.array)
  }

  @Test(arguments: writtenByUs) func writesTheBytesThatNumpyWrites(_ file: Case) throws {
    try file.array.write(to: folder("x.npy"))
    #expect(try bytes(of: folder("x.npy")) == golden(file.base64))
  }

  @Test func headerTellsWhereTheDataIs() throws {
    let path = try folder.file("x.npy", golden(Goldens.bigEndianFortranVersion3))
    let header = try NpyHeader(path: path)
    #expect(header.shape == [2, 2])
    #expect(header.elementType == .float64)
    #expect(header.isBigEndian)
    #expect(header.isFortranOrder)
    #expect(header.dataOffset == 128)
    #expect(header.count == 4)
    #expect(header.byteCount == 32)
  }

  @Test func headerToWriteIsTheOneReadBack() throws {
    let array = NpyArray(shape: [3, 1], elements: .float32([1, 2, 3]))
    try array.write(to: folder("x.npy"))
    let header = NpyHeader(shape: [3, 1], elementType: .float32)
    #expect(try NpyHeader(path: folder("x.npy")) == header)
  }

  /// A shape of 30,000 dimensions does not fit a header of version 1.0.
  @Test func longHeadersAreVersion2() throws {
    let array = NpyArray(shape: .init(repeating: 1, count: 30_000), elements: .float64([7]))
    try array.write(to: folder("x.npy"))
    let bytes = try bytes(of: folder("x.npy"))
    #expect(bytes[6] == 2)
    #expect((bytes.count - 8).isMultiple(of: 64))
    #expect(try NpyArray(path: folder("x.npy")) == array)
  }

  /// Any text that Python reads as the same dictionary.
  @Test(arguments: [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
    "{\"shape\" : (2L,),\t\"descr\":\"<f4\" , 'fortran_order':False,}\n\n",
    "  {'fortran_order': False, 'descr': '<f4', 'shape': ( 2 , ), }",
    "{'descr': '=f4', 'fortran_order': False, 'shape': (2,)}",
  ]) func readsAnyFormOfTheDictionary(text: String) throws {
    let path = try folder.file("x.npy", npyFile(text, data: [0, 0, 0x80, 0x3F, 0, 0, 0, 0x40]))
    #expect(try NpyArray(path: path) == NpyArray(shape: [2], elements: .float32([1, 2])))
  }
}

/// A file of version 1.0 with any text as its header.
func npyFile(_ header: String, data: [UInt8] = []) -> [UInt8] {
  let length = header.utf8.count
  return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 255), UInt8(length >> 8)]
    + Array(header.utf8) + data
}
