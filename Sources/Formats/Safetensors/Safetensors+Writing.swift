extension Safetensors {
  /// Writes the file, whole or not at all.
  ///
  /// Tensors are written as the reference does: the widest type first, then in the order of the
  /// bytes of their names; metadata in that of its keys. So equal values give equal bytes.
  ///
  /// - Throws: `FormatError` if two tensors have one name, or one is called `__metadata__`, or if
  ///   the file cannot be written.
  public func write(to path: String) throws(FormatError) {
    var names: Set<String> = []
    for tensor in tensors {
      guard tensor.name != safetensorsMetadataKey else {
        throw .reservedName(path: path, name: tensor.name)
      }
      guard names.insert(tensor.name).inserted else {
        throw .duplicateName(path: path, name: tensor.name)
      }
    }
    let tensors = tensors.sorted { a, b in
      let ranks = (a.elements.type.rank, b.elements.type.rank)
      return ranks.0 != ranks.1
        ? ranks.0 < ranks.1 : a.name.utf8.lexicographicallyPrecedes(b.name.utf8)
    }
    let header = encodedHeader(tensors)
    try writeAtomically(to: path) { (file) throws(FormatError) in
      try file.write(header)
      for tensor in tensors {
        switch tensor.elements {
        case .float32(let elements): try file.write(elements)
        case .float64(let elements): try file.write(elements)
        case .int64(let elements): try file.write(elements)
        case .uint8(let elements): try file.write(elements)
        }
      }
    }
  }

  /// The length of the JSON text (8 bytes, little-endian) and the text, ending in spaces up to a
  /// multiple of 8 bytes.
  private func encodedHeader(_ tensors: [NamedTensor]) -> [UInt8] {
    var entries: [String] = []
    if !metadata.isEmpty {
      let pairs = metadata.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        .map { "\(jsonText($0.key)):\(jsonText($0.value))" }
      entries.append("\(jsonText(safetensorsMetadataKey)):{\(pairs.joined(separator: ","))}")
    }
    var start = 0
    for tensor in tensors {
      let type = tensor.elements.type
      let end = start + tensor.elements.count * type.size
      let shape = tensor.shape.map(String.init).joined(separator: ",")
      entries.append(
        "\(jsonText(tensor.name)):{\"dtype\":\"\(type.rawValue)\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(start),\(end)]}")
      start = end
    }
    var text = Array("{\(entries.joined(separator: ","))}".utf8)
    while !text.count.isMultiple(of: 8) { text.append(UInt8(ascii: " ")) }
    return (0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) } + text
  }
}

/// A JSON string in quotes, escaped as serde_json does: the two characters that need it and the
/// control characters.
private func jsonText(_ text: String) -> String {
  let escapes: [UnicodeScalar: String] = [
    "\"": "\\\"", "\\": "\\\\", "\u{8}": "\\b", "\u{C}": "\\f", "\n": "\\n", "\r": "\\r",
    "\t": "\\t",
  ]
  var result = "\""
  for scalar in text.unicodeScalars {
    if let escape = escapes[scalar] {
      result += escape
    } else if scalar.value < 0x20 {
      result += "\\u00" + (scalar.value < 0x10 ? "0" : "") + String(scalar.value, radix: 16)
    } else {
      result.unicodeScalars.append(scalar)
    }
  }
  return result + "\""
}
