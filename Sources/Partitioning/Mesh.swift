/// The ranks as a grid of axes, and the slices that each of them runs through in sequence.
///
/// Rank r has one coordinate per rank axis: its digits in mixed radix, the last axis fastest, so
/// that neighbouring ranks, which usually share a node, differ on the last axes. A tensor is
/// distributed by giving axes to its dimensions (`Layout`).
///
/// *Slice axes* are numbered after the rank axes. They cut dimensions just as rank axes do, but
/// their coordinates are steps in time: all ranks are at the same slice together.
///
/// ```swift
/// let mesh = Mesh(axes: [3, 2, 2], slices: [4])
/// mesh.ranks                            // 12
/// mesh.coordinate(axis: 0, rank: 7)     // 1: 7 = (1·2 + 1)·2 + 1
/// mesh.coordinate(axis: 3, rank: 7, slice: 2)  // 2
/// ```
public struct Mesh: Hashable, Codable, Sendable {
  /// Extents of the rank axes.
  public let axes: [Int]
  /// Extents of the slice axes.
  public let slices: [Int]
  /// Number of ranks.
  public let ranks: Int
  /// Number of slices.
  public let sliceCount: Int

  public init(axes: [Int], slices: [Int] = []) {
    precondition(
      axes.allSatisfy { $0 >= 1 } && slices.allSatisfy { $0 >= 1 },
      "a mesh has axes of at least 1: \(axes) \(slices)")
    self.axes = axes
    self.slices = slices
    ranks = axes.reduce(1, *)
    sliceCount = slices.reduce(1, *)
  }

  /// One axis per prime factor, the largest first.
  public init(ranks: Int) { self.init(axes: Self.primeFactors(of: ranks)) }

  /// The same ranks with these slices.
  public func sliced(_ slices: [Int]) -> Mesh { Mesh(axes: axes, slices: slices) }

  /// Numbers of the slice axes.
  public var sliceAxes: Range<Int> { axes.count..<axes.count + slices.count }

  /// Extent of an axis of either kind.
  public func extent(_ axis: Int) -> Int {
    axis < axes.count ? axes[axis] : slices[axis - axes.count]
  }

  /// By how much the rank grows from one coordinate of a rank axis to the next.
  public func stride(_ axis: Int) -> Int { axes[(axis + 1)...].reduce(1, *) }

  /// Where a rank, or for a slice axis a slice, stands on an axis.
  public func coordinate(axis: Int, rank: Int, slice: Int = 0) -> Int {
    if axis < axes.count { return rank / stride(axis) % axes[axis] }
    let inner = slices[(axis - axes.count + 1)...].reduce(1, *)
    return slice / inner % slices[axis - axes.count]
  }

  /// In descending order; none for 1.
  public static func primeFactors(of number: Int) -> [Int] {
    var factors: [Int] = []
    var rest = number
    var prime = 2
    while prime * prime <= rest {
      while rest.isMultiple(of: prime) {
        factors.append(prime)
        rest /= prime
      }
      prime += 1
    }
    if rest > 1 { factors.append(rest) }
    return factors.reversed()
  }
}
