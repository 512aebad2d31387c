extension NpyHeader {
  /// Reads and checks the header of a file, the size of which must be that of header and data.
  ///
  /// - Throws: `FormatError` if this is no npy file, if its elements are not float32 or float64, or
  ///   if it is shorter or longer than its header says.
  public init(path: String) throws(FormatError) {
    let file = try InputFile(path: path)
    try self.init(file)
  }

  /// numpy's own headers of such arrays have 128 bytes, and some more for many dimensions.
  private static let mostBytes = 1 << 20

  init(_ file: borrowing InputFile) throws(FormatError) {
    let prefix = try file.readArray(of: UInt8.self, count: 8, at: 0, part: "npy magic and version")
    guard prefix.starts(with: Self.magic) else {
      throw .malformed(
        path: file.path, part: "npy magic", position: 0, found: hexadecimal(prefix.prefix(6)),
        expected: "\(hexadecimal(Self.magic[...])), which starts every npy file")
    }
    guard (1...3).contains(prefix[6]) && prefix[7] == 0 else {
      throw .malformed(
        path: file.path, part: "npy version", position: 6, found: "\(prefix[6]).\(prefix[7])",
        expected: "1.0, 2.0 or 3.0")
    }
    let digits = prefix[6] == 1 ? 2 : 4
    let lengthBytes = try file.readArray(
      of: UInt8.self, count: digits, at: 8, part: "npy header length")
    let length = lengthBytes.reversed().reduce(0) { $0 << 8 | Int($1) }
    try file.check(byteCount: length, at: 8 + digits, part: "npy header")
    guard length <= Self.mostBytes else {
      throw .malformed(
        path: file.path, part: "npy header length", position: 8, found: "\(length)",
        expected: "at most \(Self.mostBytes)")
    }
    let text = try file.readArray(
      of: UInt8.self, count: length, at: 8 + digits, part: "npy header")
    var parser = NpyHeaderParser(
      cursor: HeaderCursor(path: file.path, part: "npy header", bytes: text, start: 8 + digits))
    self = try parser.parse()

    let end = dataOffset + byteCount
    guard file.size >= end else {
      throw .truncated(path: file.path, part: "data", expected: end, found: file.size)
    }
    guard file.size == end else { throw .trailingData(path: file.path, position: end) }
  }
}

/// The header's text: the literal of a Python dictionary with the keys `descr`, `fortran_order` and
/// `shape`, in any order.
private struct NpyHeaderParser {
  var cursor: HeaderCursor
  private var type: (NpyHeader.ElementType, isBigEndian: Bool)?
  private var isFortranOrder: Bool?
  private var shape: [Int]?

  init(cursor: HeaderCursor) { self.cursor = cursor }

  mutating func parse() throws(FormatError) -> NpyHeader {
    try cursor.expect("{")
    while !cursor.take("}") {
      try parseEntry()
      guard cursor.take(",") else {
        try cursor.expect("}")
        break
      }
    }
    try cursor.expectEnd()
    guard let type else { throw cursor.failure(expected: "a key 'descr'") }
    guard let isFortranOrder else { throw cursor.failure(expected: "a key 'fortran_order'") }
    guard let shape else { throw cursor.failure(expected: "a key 'shape'") }
    guard storageSize(shape: shape, elementSize: type.0.size) != nil else {
      throw .shapeTooLarge(path: cursor.path, tensor: nil, shape: shape)
    }
    return NpyHeader(
      elementType: type.0, isBigEndian: type.isBigEndian, isFortranOrder: isFortranOrder,
      shape: shape, dataOffset: cursor.start + cursor.bytes.count)
  }

  private mutating func parseEntry() throws(FormatError) {
    cursor.skipSpaces()
    let start = cursor.index
    let key = try parseString()
    try cursor.expect(":")
    switch key {
    case "descr" where type == nil: type = try parseType()
    case "fortran_order" where isFortranOrder == nil: isFortranOrder = try parseBool()
    case "shape" where shape == nil: shape = try parseShape()
    case "descr", "fortran_order", "shape":
      throw .duplicateName(path: cursor.path, name: key)
    default:
      throw cursor.failure(at: start, expected: "a key 'descr', 'fortran_order' or 'shape'")
    }
  }

  /// A string in either kind of quotes. Neither the keys nor a type needs escapes.
  private mutating func parseString() throws(FormatError) -> String {
    let quote: UnicodeScalar = cursor.take("\"") ? "\"" : "'"
    if quote == "'" { try cursor.expect("'") }
    let start = cursor.index
    while let byte = cursor.next, byte != UInt8(ascii: quote) { cursor.advance() }
    let text = String(decoding: cursor.bytes[start..<cursor.index], as: UTF8.self)
    guard cursor.next != nil else {
      throw cursor.failure(at: start, expected: "text that ends in \(quote)")
    }
    cursor.advance()
    return text
  }

  private mutating func parseType() throws(FormatError) -> (NpyHeader.ElementType, Bool) {
    cursor.skipSpaces()
    let descriptor =
      cursor.next == UInt8(ascii: "[") ? "a structure (several fields)" : try parseString()
    switch descriptor {
    // '=' is the order of the machine that writes and reads; ours are little-endian.
    case "<f4", "=f4": return (.float32, false)
    case "<f8", "=f8": return (.float64, false)
    case ">f4": return (.float32, true)
    case ">f8": return (.float64, true)
    default:
      throw .unsupportedElementType(
        path: cursor.path, found: npyTypeName(descriptor),
        supported: "float32 or float64, such as with numpy's a.astype('float32')")
    }
  }

  private mutating func parseBool() throws(FormatError) -> Bool {
    if cursor.take(word: "True") { return true }
    if cursor.take(word: "False") { return false }
    throw cursor.failure(expected: "True or False")
  }

  /// `()`, `(3,)`, `(3, 4)`; `(3)` would be a number.
  private mutating func parseShape() throws(FormatError) -> [Int] {
    try cursor.expect("(")
    var shape: [Int] = []
    while !cursor.take(")") {
      shape.append(try cursor.number())
      // Python 2 wrote long integers as 3L.
      _ = cursor.take(word: "L")
      if shape.count > 1 && cursor.take(")") { break }
      try cursor.expect(",")
    }
    return shape
  }
}

/// "int64 ('<i8')" for numpy's descriptor of a type, for messages.
private func npyTypeName(_ descriptor: String) -> String {
  let kinds: [Character: String] = [
    "i": "int", "u": "uint", "f": "float", "c": "complex", "U": "text", "S": "bytes",
    "O": "object", "b": "bool", "M": "datetime", "m": "timedelta", "V": "void",
  ]
  let code = descriptor.drop { "<>|=".contains($0) }
  guard let letter = code.first, let kind = kinds[letter] else { return "'\(descriptor)'" }
  let isNumber = "iufc".contains(letter)
  let bits = isNumber ? code.dropFirst().split(separator: "[").first.flatMap { Int($0) } : nil
  return "\(kind)\(bits.map { String($0 &* 8) } ?? "") ('\(descriptor)')"
}
