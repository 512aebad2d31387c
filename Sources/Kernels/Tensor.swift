/// A dense tensor: a shape and its elements, row-major (the last dimension contiguous).
///
/// A value: copies share their memory until one of them is written.
///
/// ```swift
/// var x = Tensor<Float>(shape: [2, 3])              // zeros
/// x[1, 2] = 5
/// let y = Tensor(shape: [2, 2], elements: [1, 2, 3, 4] as [Double])
/// ```
public struct Tensor<Element: TensorElement>: Sendable {
  public let shape: [Int]
  /// Number of elements; 1 for a scalar (empty shape).
  public let count: Int
  /// The elements, from its start on.
  public private(set) var storage: Storage

  /// A tensor of zeros.
  public init(shape: [Int]) {
    self.init(uninitialized: shape)
    storage.clear()
  }

  /// A tensor whose elements are undefined until they are written; `meter` counts its bytes for as
  /// long as it lives.
  public init(uninitialized shape: [Int], meter: MemoryMeter? = nil) {
    precondition(shape.allSatisfy { $0 >= 0 }, "a tensor's extents are never negative: \(shape)")
    self.shape = shape
    count = shape.reduce(1, *)
    storage = Storage(bytes: count * MemoryLayout<Element>.stride, meter: meter)
  }

  /// A tensor of elements that lie in memory already. They are copied before a write if anybody else holds the
  /// memory then.
  public init(shape: [Int], storage: Storage) {
    self.shape = shape
    self.storage = storage
    count = shape.reduce(1, *)
    precondition(
      storage.bytes >= count * MemoryLayout<Element>.stride,
      "\(storage.bytes) bytes for a tensor of \(shape)")
  }

  /// A tensor of given elements in row-major order; `elements.count` is the product of `shape`.
  public init(shape: [Int], elements: some Collection<Element>) {
    self.init(uninitialized: shape)
    precondition(elements.count == count, "\(elements.count) elements for a tensor of \(shape)")
    _ = UnsafeMutableBufferPointer(start: start, count: count).initialize(from: elements)
  }

  /// A scalar.
  public init(_ value: Element) { self.init(shape: [], elements: CollectionOfOne(value)) }

  /// The elements in row-major order, copied.
  public var elements: [Element] { withElements { Array($0) } }

  /// The same elements under another shape of equal count.
  public func reshaped(_ shape: [Int]) -> Tensor {
    precondition(shape.reduce(1, *) == count, "a tensor of \(self.shape) cannot become \(shape)")
    return Tensor(shape: shape, storage: storage)
  }

  @usableFromInline var start: UnsafeMutablePointer<Element> {
    storage.start.assumingMemoryBound(to: Element.self)
  }

  @usableFromInline mutating func becomeUnique() {
    if !isKnownUniquelyReferenced(&storage) { storage = storage.copy() }
  }

  /// Reads the elements in place.
  @inlinable
  public func withElements<R, E: Error>(
    _ body: (UnsafeBufferPointer<Element>) throws(E) -> R
  ) throws(E) -> R {
    defer { withExtendedLifetime(storage) {} }
    return try body(UnsafeBufferPointer(start: start, count: count))
  }

  /// Writes the elements in place, after copying them if another tensor shares them.
  @inlinable
  public mutating func withMutableElements<R, E: Error>(
    _ body: (UnsafeMutableBufferPointer<Element>) throws(E) -> R
  ) throws(E) -> R {
    becomeUnique()
    defer { withExtendedLifetime(storage) {} }
    return try body(UnsafeMutableBufferPointer(start: start, count: count))
  }

  /// Reads the elements through a pointer that is valid even for an empty tensor.
  @inlinable
  public func withPointer<R, E: Error>(
    _ body: (UnsafePointer<Element>) throws(E) -> R
  ) throws(E) -> R {
    defer { withExtendedLifetime(storage) {} }
    return try body(UnsafePointer(start))
  }

  /// Writes the elements through a pointer that is valid even for an empty tensor.
  @inlinable
  public mutating func withMutablePointer<R, E: Error>(
    _ body: (UnsafeMutablePointer<Element>) throws(E) -> R
  ) throws(E) -> R {
    becomeUnique()
    defer { withExtendedLifetime(storage) {} }
    return try body(start)
  }

  /// The element at an index per dimension.
  public subscript(index: Int...) -> Element {
    get { withElements { $0[offset(index)] } }
    set {
      let offset = offset(index)
      withMutableElements { $0[offset] = newValue }
    }
  }

  private func offset(_ index: [Int]) -> Int {
    precondition(index.count == shape.count, "\(index.count) indices for a tensor of \(shape)")
    var offset = 0
    for (position, extent) in zip(index, shape) {
      precondition(0 <= position && position < extent, "index \(index) outside \(shape)")
      offset = offset * extent + position
    }
    return offset
  }
}

extension UnsafeMutablePointer where Pointee: TensorElement {
  /// Zeros all bytes, which is 0 in every element type: one `memset`, where initialising elements of
  /// a generic type would call a function for each.
  func fillWithZeros(count: Int) {
    UnsafeMutableRawPointer(self).initializeMemory(
      as: UInt8.self, repeating: 0, count: count * MemoryLayout<Pointee>.stride)
  }
}
