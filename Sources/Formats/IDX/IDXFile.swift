/// An array of bytes in the IDX format of the MNIST data sets: images (count, height, width) or
/// labels (count), plain or packed by gzip.
///
/// ```swift
/// let images = try IDXFile(path: "train-images-idx3-ubyte.gz")
/// print(images.shape)  // [60000, 28, 28]
/// let first = images.elements[..<784]
/// ```
///
/// Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database": two zero bytes, the type (8 for
/// unsigned bytes), the number of dimensions, each extent in 4 bytes (big-endian), the elements with
/// the last dimension contiguous.
public struct IDXFile: Hashable, Sendable {
  /// 1 … 255 extents below 2^32.
  public let shape: [Int]
  /// As many as the product of `shape`, in row-major order.
  public let elements: [UInt8]

  /// An array of given elements; `elements.count` is the product of `shape`.
  public init(shape: [Int], elements: [UInt8]) {
    precondition(
      (1...255).contains(shape.count) && shape.allSatisfy { (0...0xFFFF_FFFF).contains($0) },
      "an IDX file has 1 to 255 dimensions of extents below 2^32, not \(shape)")
    precondition(
      storageSize(shape: shape, elementSize: 1) == elements.count,
      "\(elements.count) elements for an IDX file of \(shape)")
    self.shape = shape
    self.elements = elements
  }

  /// Reads a file, packed or plain.
  ///
  /// - Parameter memory: the most bytes of elements that it may have.
  /// - Throws: `FormatError` if this is no IDX file, its elements are no unsigned bytes, its
  ///   compressed data is damaged, it is shorter or longer than its header says, or there are more
  ///   elements than memory.
  public init(path: String, memory: Int = .max) throws(FormatError) {
    let file = try GzipFile(path: path, memory: memory)
    shape = try Self.shape(file, path: path)
    elements = try file.read(shape.reduce(1, *), part: "data")
    try file.expectEnd()
  }

  /// Reads the shape alone; what comes after it is not looked at.
  ///
  /// - Throws: `FormatError` if this is no IDX file, or its elements are no unsigned bytes.
  public static func shape(path: String) throws(FormatError) -> [Int] {
    try shape(try GzipFile(path: path, memory: .max), path: path)
  }

  private static func shape(_ file: borrowing GzipFile, path: String) throws(FormatError) -> [Int] {
    let magic = try file.read(4, part: "IDX magic")
    guard magic[0] == 0 && magic[1] == 0 else {
      throw .malformed(
        path: path, part: "IDX magic", position: 0, found: hexadecimal(magic[..<2]),
        expected: "00 00, which starts every IDX file")
    }
    guard magic[2] == unsignedByte else { throw typeError(magic[2], path: path) }
    guard magic[3] > 0 else {
      throw .malformed(
        path: path, part: "IDX magic", position: 3, found: "0 dimensions", expected: "1 or more")
    }
    let extents = try file.read(4 * Int(magic[3]), part: "IDX extents")
    let shape = stride(from: 0, to: extents.count, by: 4).map { start in
      extents[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
    }
    guard storageSize(shape: shape, elementSize: 1) != nil else {
      throw .shapeTooLarge(path: path, tensor: nil, shape: shape)
    }
    return shape
  }

  /// Writes a plain file, whole or not at all.
  public func write(to path: String) throws(FormatError) {
    let magic = [0, 0, Self.unsignedByte, UInt8(shape.count)]
    let extents = shape.flatMap { extent in
      [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: extent >> $0) }
    }
    try writeAtomically(to: path) { (file) throws(FormatError) in
      try file.write(magic + extents)
      try file.write(elements)
    }
  }

  private static let unsignedByte: UInt8 = 8

  private static func typeError(_ code: UInt8, path: String) -> FormatError {
    let names: [UInt8: String] = [
      0x9: "signed byte", 0xB: "int16", 0xC: "int32", 0xD: "float32", 0xE: "float64",
    ]
    guard let name = names[code] else {
      return .malformed(
        path: path, part: "IDX type", position: 2, found: hexadecimal([code]),
        expected: "08, unsigned bytes")
    }
    return .unsupportedElementType(
      path: path, found: "\(name) (code \(hexadecimal([code])))",
      supported: "unsigned bytes (code 08)")
  }
}
