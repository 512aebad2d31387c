/// A range of indices cut into parts as even as can be: part i is ⌊n·i/p⌋ ..< ⌊n·(i+1)/p⌋.
///
/// Any extent and any number of parts work; where there are more parts than indices some parts are
/// empty. The parts cover the range, in order and without overlap.
///
/// ```swift
/// let batch = EvenPartition(extent: 10, parts: 4)
/// batch.range(of: 1)  // 2 ..< 5
/// ```
public struct EvenPartition: Hashable, Sendable {
  /// n, at least 0.
  public let extent: Int
  /// p, at least 1.
  public let parts: Int

  public init(extent: Int, parts: Int) {
    precondition(extent >= 0 && parts >= 1, "cannot cut \(extent) indices into \(parts) parts")
    self.extent = extent
    self.parts = parts
  }

  /// The indices of one part, 0 ..< parts.
  public func range(of part: Int) -> Range<Int> { boundary(part)..<boundary(part + 1) }

  /// ⌊n·i/p⌋ without forming n·i, which may exceed an `Int`.
  private func boundary(_ part: Int) -> Int {
    extent / parts * part + extent % parts * part / parts
  }
}

extension EvenPartition {
  /// The part that an index is in: the inverse of `range(of:)`, ⌈(index + 1)·p / n⌉ − 1.
  public static func part(of index: Int, extent: Int, parts: Int) -> Int {
    let product = (index + 1).multipliedFullWidth(by: parts)
    let (quotient, remainder) = extent.dividingFullWidth(product)
    return remainder == 0 ? quotient - 1 : quotient
  }
}
