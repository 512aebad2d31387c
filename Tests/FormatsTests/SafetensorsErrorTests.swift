import Testing

@testable import Formats

@Suite struct SafetensorsErrorTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// What each bad header before 8 bytes of data is told, after the file's name.
  static let badHeaders: [(header: String, message: String)] = [
    (
      #"{"w":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]}}"#,
      "element type 'BF16' is not supported; convert the file to one of I64, F64, F32, U8"
    ),
    (
      #"{"w":{"dtype":"F32","shape":[3],"data_offsets":[0,8]}}"#,
      "tensor 'w': shape [3] needs 12 bytes, but the header gives it 8"
    ),
    (
      #"{"w":{"dtype":"F32","shape":[9223372036854775807,9],"data_offsets":[0,8]}}"#,
      "tensor 'w': shape [9223372036854775807, 9] has more bytes than a file can hold"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"#
        + #""b":{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}"#,
      "tensor 'b' overlaps the tensor before it: its data starts at 2, expected 4"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"#
        + #""b":{"dtype":"U8","shape":[2],"data_offsets":[6,8]}}"#,
      "tensor 'b' leaves a hole before it: its data starts at 6, expected 4"
    ),
    (
      #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}"#,
      "tensor 'a' leaves a hole before it: its data starts at 4, expected 0"
    ),
    (
      #"{"a":{"dtype":"F64","shape":[1],"data_offsets":[8,0]}}"#,
      #"safetensors header, byte 13: found `{"dtype":"F64","shape":[`, "#
        + #"expected 'data_offsets' [start, end] with start ≤ end for tensor 'a'"#
    ),
    (
      #"{"a":{"dtype":"F64","shape":[2],"data_offsets":[0,16]}}"#,
      "truncated in the data: expected at least 79 bytes, found 71"
    ),
    (
      #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
      "by its header the file ends at byte 66, but more data follows"
    ),
    (
      #"{"a":{"dtype":"F64","shape":[],"data_offsets":[0,8]},"#
        + #""a":{"dtype":"F64","shape":[],"data_offsets":[0,8]}}"#,
      "the name 'a' occurs twice; names must be distinct"
    ),
    (
      #"{"__metadata__":{"k":"1","k":"2"}}"#,
      "the name 'k' occurs twice; names must be distinct"
    ),
    (
      #"{"__metadata__":{"k":1}}"#,
      #"safetensors header, byte 29: found `1}}`, expected a text in double quotes"#
    ),
    (
      #"{"a":{"dtype":"F64","shape":[]}}"#,
      #"safetensors header, byte 13: found `{"dtype":"F64","shape":[`, "#
        + #"expected the keys 'dtype', 'shape' and 'data_offsets' for tensor 'a'"#
    ),
    (
      #"{"a":{"dtype":"F64","size":8}}"#,
      #"safetensors header, byte 35: found `8}}`, expected no key 'size': a tensor has 'dtype', "#
        + "'shape' and 'data_offsets'"
    ),
    (
      #"{"a":{"shape":[1.5]}}"#,
      #"safetensors header, byte 24: found `.5]}}`, expected ']'"#
    ),
    (
      #"{"a":{"shape":[-1]}}"#,
      #"safetensors header, byte 23: found `-1]}}`, expected a whole number ≥ 0"#
    ),
    (
      #"{"a":{"shape":[01]}}"#,
      #"safetensors header, byte 23: found `01]}}`, expected a whole number ≥ 0"#
    ),
    ("{} x", #"safetensors header, byte 11: found `x`, expected the end of the header"#),
    (" {}", #"safetensors header, byte 8: found ` {}`, expected '{'"#),
    ("", "safetensors header, byte 8: found the end of the header, expected '{'"),
    (
      #"{"a"#,
      #"safetensors header, byte 9: found `"a`, expected a text that ends in double quotes"#
    ),
    (
      #"{"\q""#,
      #"safetensors header, byte 11: found `q"`, expected one of "#
        + #"\" \\ \/ \b \f \n \r \t \u"#
    ),
    (
      #"{"\ud800x""#,
      #"safetensors header, byte 11: found `ud800x"`, expected a pair of surrogates"#
    ),
    (
      #"{"\ud800\u0041""#,
      #"safetensors header, byte 11: found `ud800\u0041"`, expected a pair of surrogates"#
    ),
    (
      #"{"\u+041""#,
      #"safetensors header, byte 12: found `+041"`, expected four hexadecimal digits"#
    ),
    (
      "{\"\u{1}\"",
      #"safetensors header, byte 10: found `\u0001"`, expected an escape such as \n: a text has "#
        + "no control characters"
    ),
  ]

  @Test(arguments: badHeaders.indices) func badHeader(index: Int) throws {
    let (header, message) = Self.badHeaders[index]
    let path = try folder.file(
      "w.safetensors", safetensorsFile(header, data: .init(repeating: 0, count: 8)))
    let error = #expect(throws: FormatError.self) { try Safetensors(path: path) }
    #expect(error?.description == "\(path): \(message)")
  }

  @Test func hugeHeader() throws {
    let path = try folder.file("w.safetensors", .init(repeating: 255, count: 64))
    let error = #expect(throws: FormatError.self) { try Safetensors(path: path) }
    #expect(
      error?.description == "\(path): safetensors header length, byte 0: found "
        + "18446744073709551615, expected at most 100000000 (is this a safetensors file?)")
  }

  @Test func headerLongerThanTheFile() throws {
    let path = try folder.file("w.safetensors", [255, 0, 0, 0, 0, 0, 0, 0, UInt8(ascii: "{")])
    #expect(
      throws: FormatError.truncated(
        path: path, part: "safetensors header", expected: 263, found: 9)
    ) { try Safetensors(path: path) }
  }

  @Test func namesInUTF8Only() throws {
    var bytes = safetensorsFile(#"{"?":"#)
    bytes[10] = 0xFF
    let path = try folder.file("w.safetensors", bytes)
    let error = #expect(throws: FormatError.self) { try Safetensors(path: path) }
    #expect(error?.description.hasSuffix("expected a text in UTF-8") == true)
  }
}
