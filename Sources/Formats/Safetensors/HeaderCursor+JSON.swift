extension HeaderCursor {
  /// A JSON string (RFC 8259, section 7) in UTF-8.
  mutating func jsonString() throws(FormatError) -> String {
    skipSpaces()
    let start = index
    guard take("\"") else { throw failure(expected: "a text in double quotes") }
    var text: [UInt8] = []
    while let byte = next, byte != UInt8(ascii: "\"") {
      guard byte >= 0x20 else {
        throw failure(expected: "an escape such as \\n: a text has no control characters")
      }
      advance()
      if byte == UInt8(ascii: "\\") {
        text += Array(String(try escapedScalar()).utf8)
      } else {
        text.append(byte)
      }
    }
    guard take("\"") else {
      throw failure(at: start, expected: "a text that ends in double quotes")
    }
    guard let string = String(validating: text, as: UTF8.self) else {
      throw failure(at: start, expected: "a text in UTF-8")
    }
    return string
  }

  /// What follows a backslash.
  private mutating func escapedScalar() throws(FormatError) -> UnicodeScalar {
    let start = index
    guard let byte = next else { throw failure(expected: "an escaped character") }
    advance()
    switch UnicodeScalar(byte) {
    case "\"", "\\", "/": return UnicodeScalar(byte)
    case "b": return "\u{8}"
    case "f": return "\u{C}"
    case "n": return "\n"
    case "r": return "\r"
    case "t": return "\t"
    case "u":
      let unit = try hexadecimalUnit()
      if let scalar = UnicodeScalar(UInt32(unit)) { return scalar }
      // Characters beyond U+FFFF come as two units, UTF-16's surrogates.
      if UTF16.isLeadSurrogate(unit), take(word: "\\u") {
        let trail = try hexadecimalUnit()
        let value = 0x10000 + (UInt32(unit & 0x3FF) << 10) + UInt32(trail & 0x3FF)
        if UTF16.isTrailSurrogate(trail), let scalar = UnicodeScalar(value) { return scalar }
      }
      throw failure(at: start, expected: "a pair of surrogates")
    default:
      throw failure(at: start, expected: "one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u")
    }
  }

  private mutating func hexadecimalUnit() throws(FormatError) -> UInt16 {
    let digits = bytes[index...].prefix(4)
    let text = String(decoding: digits, as: UTF8.self)
    // A sign is no digit, though `UInt16(_:radix:)` takes one.
    guard digits.count == 4, text.first != "+", let unit = UInt16(text, radix: 16) else {
      throw failure(expected: "four hexadecimal digits")
    }
    for _ in digits { advance() }
    return unit
  }
}
