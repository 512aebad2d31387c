/// A part of a tensor: a half-open range of indices per dimension. A scalar's box has no ranges.
///
/// ```swift
/// let box = Box([0..<2, 3..<7])
/// box.shape  // [2, 4]
/// box.count  // 8
/// ```
public struct Box: Hashable, Codable, Sendable {
  public let ranges: [Range<Int>]

  public init(_ ranges: [Range<Int>]) { self.ranges = ranges }

  /// All of a tensor.
  public init(shape: [Int]) { ranges = shape.map { 0..<$0 } }

  public var shape: [Int] { ranges.map(\.count) }

  /// Number of elements; 1 for a scalar.
  public var count: Int { ranges.reduce(1) { $0 * $1.count } }

  public var isEmpty: Bool { ranges.contains { $0.isEmpty } }

  /// What two boxes of one tensor have in common; an empty box where they have nothing.
  public func intersection(_ other: Box) -> Box {
    Box(zip(ranges, other.ranges).map { $0.clamped(to: $1) })
  }
}
