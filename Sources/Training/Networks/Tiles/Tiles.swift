import Kernels

/// Something of each tile of a batch, its samples in consecutive parts, made when it is asked for.
///
/// Layers hand tiles on without making them. Who needs all, as a normalisation does for its sums, has
/// every tile run through the layers before: then what one layer writes is still in a cache when the next
/// reads it, and threads take a tile each.
///
/// ```swift
/// let squares = Tiles(count: 3) { $0 }.map { _, value in value * value }   // nothing is computed
/// let all = try squares.made()                                             // [0, 1, 4]
/// ```
public struct Tiles<Value: Sendable>: Sendable {
  public let count: Int
  private let make: @Sendable (Int) throws -> Value

  /// - Parameter make: the value of a tile; asked for once each, perhaps on several threads at the same
  ///   time, in any order.
  public init(count: Int, _ make: @escaping @Sendable (Int) throws -> Value) {
    self.count = count
    self.make = make
  }

  /// What becomes of each tile, when it is asked for.
  public func map<New>(
    _ transform: @escaping @Sendable (Int, Value) throws -> New
  ) -> Tiles<New> {
    Tiles<New>(count: count) { [make] in try transform($0, make($0)) }
  }

  /// All values. Threads make a tile each; those that find none left help with the kernels of the others'.
  ///
  /// - Throws: what making the first tile that cannot be made throws.
  public func made() throws -> [Value] {
    guard count > 1, ThreadPool.count > 1 else { return try (0..<count).map(make) }
    let results = TileStore<Result<Value, any Error>>(count: count)
    ThreadPool.run(count: count) { tile in results[tile] = Result { try make(tile) } }
    return try (0..<count).compactMap { try results.take($0)?.get() }
  }
}

/// A place for something of each tile, which several threads may use at the same time if each keeps to
/// tiles of its own: hence `@unchecked Sendable`.
///
/// ```swift
/// let sums = TileStore<Float>(count: 4)
/// ThreadPool.run(count: 4) { sums[$0] = sum(of: $0) }
/// ```
final class TileStore<Value: Sendable>: @unchecked Sendable {
  private let slots: UnsafeMutableBufferPointer<Value?>

  init(count: Int) {
    slots = .allocate(capacity: count)
    slots.initialize(repeating: nil)
  }

  deinit {
    slots.deinitialize()
    slots.deallocate()
  }

  subscript(tile: Int) -> Value? {
    get { slots[tile] }
    set { slots[tile] = newValue }
  }

  /// The value, which is here no longer.
  func take(_ tile: Int) -> Value? {
    defer { slots[tile] = nil }
    return slots[tile]
  }
}
