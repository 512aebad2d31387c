import CZlib

extension Safetensors {
  /// The CRC-32 of all that the file says: of the metadata but for one key, under which the checksum itself may stand, in
  /// the order of the keys, and of every tensor's name, type, shape and elements, in the order of the names. A flipped bit
  /// is always found, and of any other damage all but one in 2³².
  ///
  /// ```swift
  /// weights.metadata["checksum"] = String(weights.checksum(leavingOut: "checksum"), radix: 16)
  /// ```
  public func checksum(leavingOut key: String) -> UInt32 {
    var sum = CyclicRedundancyCheck()
    let entries = metadata.filter { $0.key != key }
    for (key, value) in entries.sorted(by: { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }) {
      sum.add(key)
      sum.add(value)
    }
    for tensor in tensors.sorted(by: { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }) {
      sum.add(tensor.name)
      sum.add("\(tensor.elements.type.rawValue) \(tensor.shape)")
      switch tensor.elements {
      case .float32(let elements): elements.withUnsafeBytes { sum.add($0) }
      case .float64(let elements): elements.withUnsafeBytes { sum.add($0) }
      case .int64(let elements): elements.withUnsafeBytes { sum.add($0) }
      case .uint8(let elements): elements.withUnsafeBytes { sum.add($0) }
      }
    }
    return sum.value
  }
}

/// zlib's CRC-32 of bytes that are given one part after the other.
private struct CyclicRedundancyCheck {
  private(set) var value: UInt32 = 0

  mutating func add(_ bytes: UnsafeRawBufferPointer) {
    guard let start = bytes.bindMemory(to: UInt8.self).baseAddress else { return }
    value = UInt32(truncatingIfNeeded: crc32_z(UInt(value), start, bytes.count))
  }

  /// With its length, so that texts do not run into each other.
  mutating func add(_ text: String) {
    let bytes = Array("\(text.utf8.count):\(text)".utf8)
    bytes.withUnsafeBytes { add($0) }
  }
}
