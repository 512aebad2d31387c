/// Bytes of memory, aligned to 64 (a cache line, and an AVX-512 register), that a meter counts for as long as
/// they live.
///
/// Unchecked, because who writes where is the business of whoever shares it: a program's operations, or tensors,
/// which copy what they share before they write.
///
/// ```swift
/// let storage = Storage(bytes: 4096, meter: meter)
/// storage.start.storeBytes(of: 1, as: Float.self)
/// ```
public final class Storage: @unchecked Sendable {
  public let start: UnsafeMutableRawPointer
  public let bytes: Int
  private let meter: MemoryMeter?

  /// Undefined bytes.
  public init(bytes: Int, meter: MemoryMeter? = nil) {
    self.bytes = bytes
    self.meter = meter
    meter?.allocate(bytes)
    start = BufferPool.shared.take(max(bytes, 1))
  }

  /// Sets all bytes to 0, which is 0 in every type of elements.
  public func clear() { start.initializeMemory(as: UInt8.self, repeating: 0, count: bytes) }

  /// The same bytes elsewhere.
  public func copy() -> Storage {
    let new = Storage(bytes: bytes, meter: meter)
    new.start.copyMemory(from: start, byteCount: bytes)
    return new
  }

  deinit {
    BufferPool.shared.giveBack(start, max(bytes, 1))
    meter?.release(bytes)
  }
}
