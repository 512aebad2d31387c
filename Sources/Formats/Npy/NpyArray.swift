/// One array in numpy's `.npy` format: float32 or float64, in C order (last dimension contiguous).
///
/// ```swift
/// let x = try NpyArray(path: "x.npy")
/// if case .float32(let elements) = x.elements { print(x.shape, elements[0]) }
/// try NpyArray(shape: [2, 2], elements: .float64([1, 2, 3, 4])).write(to: "y.npy")
/// ```
public struct NpyArray: Hashable, Sendable {
  public enum Elements: Hashable, Sendable {
    case float32([Float])
    case float64([Double])

    public var count: Int {
      switch self {
      case .float32(let elements): elements.count
      case .float64(let elements): elements.count
      }
    }

    public var type: NpyHeader.ElementType {
      switch self {
      case .float32: .float32
      case .float64: .float64
      }
    }
  }

  /// Extents ≥ 0; empty for a scalar.
  public let shape: [Int]
  /// As many as the product of `shape`, in C order.
  public let elements: Elements

  /// An array of given elements in C order; `elements.count` is the product of `shape`.
  public init(shape: [Int], elements: Elements) {
    precondition(
      storageSize(shape: shape, elementSize: 1) == elements.count,
      "\(elements.count) elements for an array of \(shape)")
    self.shape = shape
    self.elements = elements
  }

  /// Reads a file, whatever its order and byte order.
  ///
  /// - Parameter memory: the most bytes of elements that it may have.
  /// - Throws: `FormatError` if this is no npy file, if its elements are not float32 or float64, if
  ///   it is shorter or longer than its header says, or holds more than memory.
  public init(path: String, memory: Int = .max) throws(FormatError) {
    let file = try NpyFile(path: path)
    try requireMemory(file.header.byteCount, of: memory, path: path)
    shape = file.header.shape
    elements =
      switch file.header.elementType {
      case .float32: .float32(try file.readAll(of: Float.self))
      case .float64: .float64(try file.readAll(of: Double.self))
      }
  }

  /// Writes the very bytes that `numpy.save` writes, whole or not at all.
  public func write(to path: String) throws(FormatError) {
    func write<Element>(_ elements: [Element]) throws(FormatError) {
      try elements.withUnsafeBufferPointer { (elements) throws(FormatError) in
        try Self.write(
          UnsafeRawBufferPointer(elements), shape: shape, elementType: self.elements.type, to: path)
      }
    }
    switch elements {
    case .float32(let elements): try write(elements)
    case .float64(let elements): try write(elements)
    }
  }

  /// The same from elements that are no array: row-major, in this machine's byte order.
  public static func write(
    _ elements: UnsafeRawBufferPointer, shape: [Int], elementType: NpyHeader.ElementType,
    to path: String
  ) throws(FormatError) {
    let header = NpyHeader.encoded(shape: shape, elementType: elementType)
    try writeAtomically(to: path) { (file) throws(FormatError) in
      try file.write(header)
      try file.write(elements)
    }
  }
}
