/// Walks over the text of a header and makes errors that say where in the file it failed.
struct HeaderCursor {
  let path: String
  /// What the text is, for errors: "npy header".
  let part: String
  let bytes: [UInt8]
  /// Position in the file of `bytes[0]`.
  let start: Int
  private(set) var index = 0

  init(path: String, part: String, bytes: [UInt8], start: Int) {
    self.path = path
    self.part = part
    self.bytes = bytes
    self.start = start
  }

  /// The next byte, or nil at the end.
  var next: UInt8? { index < bytes.count ? bytes[index] : nil }

  mutating func advance() { index += 1 }

  mutating func skipSpaces() {
    while let byte = next, [" ", "\t", "\n", "\r"].contains(UnicodeScalar(byte)) { index += 1 }
  }

  /// Skips spaces and then `character`, if it comes next.
  mutating func take(_ character: UnicodeScalar) -> Bool {
    skipSpaces()
    guard next == UInt8(ascii: character) else { return false }
    index += 1
    return true
  }

  mutating func expect(_ character: UnicodeScalar) throws(FormatError) {
    guard take(character) else { throw failure(expected: "'\(character)'") }
  }

  /// Skips spaces and then `word`, if it comes next.
  mutating func take(word: String) -> Bool {
    skipSpaces()
    guard bytes[index...].starts(with: word.utf8) else { return false }
    index += word.utf8.count
    return true
  }

  /// A whole number of at least 0, without sign, leading zeros or fraction.
  mutating func number() throws(FormatError) -> Int {
    skipSpaces()
    let first = index
    var value = 0
    while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) {
      let (tens, overflow1) = value.multipliedReportingOverflow(by: 10)
      let (sum, overflow2) = tens.addingReportingOverflow(Int(byte - UInt8(ascii: "0")))
      guard !overflow1 && !overflow2 else {
        index = first
        throw failure(expected: "a number below 2^63")
      }
      value = sum
      index += 1
    }
    guard index == first + 1 || (index > first && bytes[first] != UInt8(ascii: "0")) else {
      index = first
      throw failure(expected: "a whole number ≥ 0")
    }
    return value
  }

  /// Throws unless only spaces are left.
  mutating func expectEnd() throws(FormatError) {
    skipSpaces()
    guard next == nil else { throw failure(expected: "the end of the header") }
  }

  /// An error about what comes next.
  func failure(expected: String) -> FormatError {
    failure(at: index, expected: expected)
  }

  /// An error about what is at `index`, quoted up to a length that fits in a message.
  func failure(at index: Int, expected: String) -> FormatError {
    let excerpt = bytes[index...].prefix(24)
    let text = String(decoding: excerpt, as: UTF8.self)
    let found = excerpt.isEmpty ? "the end of the header" : "`\(text)`"
    return .malformed(
      path: path, part: part, position: start + index, found: found, expected: expected)
  }
}
