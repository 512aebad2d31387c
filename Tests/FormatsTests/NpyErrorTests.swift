import Testing

@testable import Formats

@Suite struct NpyErrorTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// What each bad header is told, after the file's name.
  static let badHeaders: [(header: String, message: String)] = [
    (
      "{'descr': '<i8', 'fortran_order': False, 'shape': (2,), }",
      "element type int64 ('<i8') is not supported; convert the file to float32 or float64, "
        + "such as with numpy's a.astype('float32')"
    ),
    (
      "{'descr': '<f2', 'fortran_order': False, 'shape': (2,), }",
      "element type float16 ('<f2') is not supported; convert the file to float32 or float64, "
        + "such as with numpy's a.astype('float32')"
    ),
    (
      "{'descr': '|b1', 'fortran_order': False, 'shape': (2,), }",
      "element type bool ('|b1') is not supported; convert the file to float32 or float64, "
        + "such as with numpy's a.astype('float32')"
    ),
    (
      "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,), }",
      "element type 'a structure (several fields)' is not supported; convert the file to float32 "
        + "or float64, such as with numpy's a.astype('float32')"
    ),
    (
      "{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }",
      #"npy header, byte 61: found `-2,), }`, expected a whole number ≥ 0"#
    ),
    (
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2), }",
      #"npy header, byte 62: found `), }`, expected ','"#
    ),
    (
      "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
      #"npy header, byte 61: found `99999999999999999999,), `, expected a number below 2^63"#
    ),
    (
      "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }",
      "shape [4294967296, 4294967296] has more bytes than a file can hold"
    ),
    (
      "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296, 0), }",
      "shape [4294967296, 4294967296, 0] has more bytes than a file can hold"
    ),
    (
      "{'descr': '<f4', 'fortran_order': no, 'shape': (2,), }",
      #"npy header, byte 44: found `no, 'shape': (2,), }`, expected True or False"#
    ),
    (
      "{'descr': '<f4', 'shape': (2,), }",
      "npy header, byte 43: found the end of the header, expected a key 'fortran_order'"
    ),
    (
      "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
      "the name 'descr' occurs twice; names must be distinct"
    ),
    (
      "{'descr': '<f4', 'order': 1}",
      #"npy header, byte 27: found `'order': 1}`, expected a key 'descr', 'fortran_order' or "#
        + "'shape'"
    ),
    (
      "{'descr': '<f4",
      #"npy header, byte 21: found `<f4`, expected text that ends in '"#
    ),
    ("[1]", #"npy header, byte 10: found `[1]`, expected '{'"#),
    (
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x",
      #"npy header, byte 66: found `x`, expected the end of the header"#
    ),
    (
      "{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}",
      "truncated in the data: expected at least 77 bytes, found 73"
    ),
    (
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1152921504606846975,)}",
      "truncated in the data: expected at least 4611686018427387983 bytes, found 91"
    ),
    (
      "{'descr': '<f4', 'fortran_order': False, 'shape': ()}",
      "by its header the file ends at byte 67, but more data follows"
    ),
  ]

  @Test(arguments: badHeaders.indices) func badHeader(index: Int) throws {
    let (header, message) = Self.badHeaders[index]
    let path = try folder.file("x.npy", npyFile(header, data: .init(repeating: 0, count: 8)))
    let error = #expect(throws: FormatError.self) { try NpyArray(path: path) }
    #expect(error?.description == "\(path): \(message)")
    #expect(throws: FormatError.self) { try NpyHeader(path: path) }
  }

  @Test func notAnNpyFile() throws {
    let path = try folder.file("x.npy", Array("hello, world".utf8))
    let error = #expect(throws: FormatError.self) { try NpyArray(path: path) }
    #expect(
      error?.description == "\(path): npy magic, byte 0: found 68 65 6c 6c 6f 2c, "
        + "expected 93 4e 55 4d 50 59, which starts every npy file")
  }

  @Test func unknownVersion() throws {
    var bytes = try golden(Goldens.float32)
    bytes[6] = 9
    let path = try folder.file("x.npy", bytes)
    let error = #expect(throws: FormatError.self) { try NpyArray(path: path) }
    #expect(
      error?.description
        == "\(path): npy version, byte 6: found 9.0, expected 1.0, 2.0 or 3.0")
  }

  @Test func headerLongerThanTheFile() throws {
    let start: [UInt8] = [0x93] + Array("NUMPY".utf8) + [2, 0, 255, 255, 255, 255]
    let path = try folder.file("x.npy", start)
    #expect(
      throws: FormatError.truncated(
        path: path, part: "npy header", expected: 12 + 0xFFFF_FFFF, found: 12)
    ) { try NpyArray(path: path) }
  }

  @Test func noFileFolderOrDevice() {
    let missing = folder("missing.npy")
    let error = #expect(throws: FormatError.self) { try NpyArray(path: missing) }
    #expect(error?.description == "\(missing): cannot open: No such file or directory")
    #expect(throws: FormatError.notAFile(path: folder.path)) { try NpyArray(path: folder.path) }
    #expect(throws: FormatError.notAFile(path: "/dev/null")) { try NpyArray(path: "/dev/null") }
  }
}
