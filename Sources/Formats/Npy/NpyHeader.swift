/// What numpy's `.npy` files say before their data: the type, order and shape of one array.
///
/// Read alone, it lets a process fetch just its box of a large file: in C order the element at
/// (i, j, k) of a shape (I, J, K) starts at byte `dataOffset + ((i * J + j) * K + k) * size`.
///
/// ```swift
/// let header = try NpyHeader(path: "images.npy")
/// print(header.shape, header.elementType)  // [60000, 28, 28] float32
/// ```
///
/// Source: numpy's `numpy/lib/format.py`, whose documentation defines versions 1.0, 2.0 and 3.0.
public struct NpyHeader: Hashable, Sendable {
  public enum ElementType: String, Hashable, Sendable {
    case float32, float64

    /// Bytes of one element.
    public var size: Int { self == .float32 ? 4 : 8 }
  }

  public let elementType: ElementType
  /// Most significant byte first; numpy writes so on some machines, Convoy never.
  public let isBigEndian: Bool
  /// First dimension contiguous, instead of the last.
  public let isFortranOrder: Bool
  /// Extents ≥ 0; empty for a scalar.
  public let shape: [Int]
  /// Bytes before the first element.
  public let dataOffset: Int

  /// Number of elements, 1 for a scalar.
  public var count: Int { byteCount / elementType.size }
  /// Bytes of data; header and data are the whole file.
  public var byteCount: Int { shape.contains(0) ? 0 : shape.reduce(elementType.size, *) }
}

extension NpyHeader {
  /// The header of an array that is to be written: little-endian, in C order.
  public init(shape: [Int], elementType: ElementType) {
    precondition(
      storageSize(shape: shape, elementSize: elementType.size) != nil,
      "no array has shape \(shape)")
    self.init(
      elementType: elementType, isBigEndian: false, isFortranOrder: false, shape: shape,
      dataOffset: Self.encoded(shape: shape, elementType: elementType).count)
  }

  /// The bytes before the data of a file of this shape and type in C order, equal to numpy's.
  ///
  /// ```
  /// 93 N U M P Y | 1 0 | length, 2 bytes | {'descr': … 'fortran_order': … 'shape': …} spaces \n
  /// ```
  /// The spaces make the whole a multiple of 64 bytes. numpy leaves room before that for the first
  /// extent to grow to 21 digits, so that rows can be appended in place.
  static func encoded(shape: [Int], elementType: ElementType) -> [UInt8] {
    let tuple =
      shape.count == 1 ? "(\(shape[0]),)" : "(\(shape.map(String.init).joined(separator: ", ")))"
    let descriptor = elementType == .float32 ? "<f4" : "<f8"
    var text = "{'descr': '\(descriptor)', 'fortran_order': False, 'shape': \(tuple), }"
    if let first = shape.first {
      text += String(repeating: " ", count: max(0, 21 - String(first).utf8.count))
    }
    // Version 1.0 has two bytes for the length, 2.0 has four: numpy takes the first that fits.
    var prefix = 10
    var length = paddedLength(text, prefix: prefix)
    let isVersion1 = length <= UInt16.max
    if !isVersion1 {
      prefix = 12
      length = paddedLength(text, prefix: prefix)
    }
    let padding = String(repeating: " ", count: length - text.utf8.count - 1)
    let lengthBytes = (0..<(prefix - 8)).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) }
    return magic + [isVersion1 ? 1 : 2, 0] + lengthBytes + (text + padding + "\n").utf8
  }

  static let magic: [UInt8] = [0x93] + "NUMPY".utf8

  /// Bytes of the text with its padding and newline; numpy pads by 1 … 64 spaces, never by none.
  private static func paddedLength(_ text: String, prefix: Int) -> Int {
    let length = text.utf8.count + 1
    return length + 64 - (prefix + length) % 64
  }
}
