extension Safetensors {
  /// The reference refuses longer headers too: a file of random bytes must not cost memory.
  private static let maximalHeaderLength = 100_000_000

  /// Reads a whole file; elements are float32, float64, int64 or uint8.
  ///
  /// - Parameter memory: the most bytes of elements that it may have.
  /// - Throws: `FormatError` if the header is no valid one, a type is another, the data has holes,
  ///   overlaps, or another length than the header says, or is more than memory.
  public init(path: String, memory: Int = .max) throws(FormatError) {
    let file = try InputFile(path: path)
    let lengthBytes = try file.readArray(
      of: UInt8.self, count: 8, at: 0, part: "safetensors header length")
    let length = lengthBytes.reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
    guard length <= Self.maximalHeaderLength else {
      throw .malformed(
        path: path, part: "safetensors header length", position: 0, found: "\(length)",
        expected: "at most \(Self.maximalHeaderLength) (is this a safetensors file?)")
    }
    let dataStart = 8 + Int(length)
    let text = try file.readArray(
      of: UInt8.self, count: Int(length), at: 8, part: "safetensors header")
    var parser = SafetensorsHeaderParser(
      cursor: HeaderCursor(path: path, part: "safetensors header", bytes: text, start: 8))
    try parser.parse()
    metadata = parser.metadata
    tensors = []

    // An empty tensor may share its start with the next one: the shorter range comes first.
    let entries = parser.entries.sorted { ($0.start, $0.end) < ($1.start, $1.end) }
    var position = 0
    for entry in entries {
      guard entry.start == position else {
        throw .misplacedTensor(
          path: path, tensor: entry.name, expected: position, found: entry.start)
      }
      position = entry.end
    }
    guard file.size - dataStart >= position else {
      throw .truncated(
        path: path, part: "data", expected: dataStart + position, found: file.size)
    }
    guard file.size - dataStart == position else {
      throw .trailingData(path: path, position: dataStart + position)
    }
    try file.requireMemory(position, of: memory)
    for entry in entries { tensors.append(try entry.read(file, dataStart: dataStart)) }
  }
}

/// What the header says about one tensor: bytes `start ..< end` of the data hold its elements.
private struct SafetensorsEntry {
  let name: String
  let type: SafetensorsType
  let shape: [Int]
  let start: Int
  let end: Int

  func read(
    _ file: borrowing InputFile, dataStart: Int
  ) throws(FormatError) -> Safetensors.NamedTensor {
    let count = (end - start) / type.size
    let offset = dataStart + start
    let part = "tensor '\(name)'"
    let elements: Safetensors.Elements =
      switch type {
      case .int64:
        .int64(try file.readArray(of: Int64.self, count: count, at: offset, part: part))
      case .float64:
        .float64(try file.readArray(of: Double.self, count: count, at: offset, part: part))
      case .float32:
        .float32(try file.readArray(of: Float.self, count: count, at: offset, part: part))
      case .uint8:
        .uint8(try file.readArray(of: UInt8.self, count: count, at: offset, part: part))
      }
    return Safetensors.NamedTensor(name: name, shape: shape, elements: elements)
  }
}

/// The header's text: `{"__metadata__": {…}, "NAME": {"dtype": …, "shape": …, "data_offsets": …}}`.
private struct SafetensorsHeaderParser {
  var cursor: HeaderCursor
  private(set) var metadata: [String: String] = [:]
  private(set) var entries: [SafetensorsEntry] = []

  init(cursor: HeaderCursor) { self.cursor = cursor }

  mutating func parse() throws(FormatError) {
    // The format demands `{` as the first byte, not after spaces.
    guard cursor.next == UInt8(ascii: "{") else { throw cursor.failure(expected: "'{'") }
    try parseObject { (parser, name) throws(FormatError) in
      if name == safetensorsMetadataKey {
        try parser.parseObject { (parser, key) throws(FormatError) in
          parser.metadata[key] = try parser.cursor.jsonString()
        }
      } else {
        parser.entries.append(try parser.parseEntry(name: name))
      }
    }
    try cursor.expectEnd()
  }

  /// `{"key": value, …}` with distinct keys; `parseValue` is called after each `"key":`.
  private mutating func parseObject(
    _ parseValue: (inout Self, _ key: String) throws(FormatError) -> Void
  ) throws(FormatError) {
    var keys: Set<String> = []
    try cursor.expect("{")
    if cursor.take("}") { return }
    repeat {
      let key = try cursor.jsonString()
      guard keys.insert(key).inserted else {
        throw .duplicateName(path: cursor.path, name: key)
      }
      try cursor.expect(":")
      try parseValue(&self, key)
    } while cursor.take(",")
    try cursor.expect("}")
  }

  private mutating func parseEntry(name: String) throws(FormatError) -> SafetensorsEntry {
    var type: SafetensorsType?
    var shape: [Int]?
    var offsets: [Int]?
    cursor.skipSpaces()
    let start = cursor.index
    try parseObject { (parser, key) throws(FormatError) in
      switch key {
      case "dtype": type = try parser.parseType()
      case "shape": shape = try parser.parseNumbers()
      case "data_offsets": offsets = try parser.parseNumbers()
      default:
        throw parser.cursor.failure(
          expected: "no key '\(key)': a tensor has 'dtype', 'shape' and 'data_offsets'")
      }
    }
    guard let type, let shape, let offsets else {
      throw cursor.failure(
        at: start, expected: "the keys 'dtype', 'shape' and 'data_offsets' for tensor '\(name)'")
    }
    guard offsets.count == 2, offsets[0] <= offsets[1], offsets[1] <= 1 << 62 else {
      throw cursor.failure(
        at: start, expected: "'data_offsets' [start, end] with start ≤ end for tensor '\(name)'")
    }
    guard let size = storageSize(shape: shape, elementSize: type.size) else {
      throw .shapeTooLarge(path: cursor.path, tensor: name, shape: shape)
    }
    guard size == offsets[1] - offsets[0] else {
      throw .sizeMismatch(
        path: cursor.path, tensor: name, shape: shape, expected: size,
        found: offsets[1] - offsets[0])
    }
    return SafetensorsEntry(
      name: name, type: type, shape: shape, start: offsets[0], end: offsets[1])
  }

  private mutating func parseType() throws(FormatError) -> SafetensorsType {
    let name = try cursor.jsonString()
    guard let type = SafetensorsType(rawValue: name) else {
      let supported = SafetensorsType.allCases.map(\.rawValue).joined(separator: ", ")
      throw .unsupportedElementType(
        path: cursor.path, found: "'\(name)'", supported: "one of \(supported)")
    }
    return type
  }

  /// `[2, 3]`
  private mutating func parseNumbers() throws(FormatError) -> [Int] {
    var numbers: [Int] = []
    try cursor.expect("[")
    if cursor.take("]") { return numbers }
    repeat { numbers.append(try cursor.number()) } while cursor.take(",")
    try cursor.expect("]")
    return numbers
  }
}
