import Partitioning

/// How the work of one step is cut: mesh axes for some of its modes. Ranks along the other axes do
/// the same work (replication), or hold different terms of a sum that an operand is.
///
/// A plain mode's index is cut; of a convolution mode the result's index, while its taps are never
/// cut, so that each operand is needed on a box, with a halo in the feature.
///
/// ```swift
/// // rows of the product on axis 0, the contracted mode on axis 1
/// let grid = StepGrid(mesh: Mesh(axes: [2, 3]), cuts: [
///   .init(mode: 0, extent: 64, axes: [0]), .init(mode: 1, extent: 100, axes: [1]),
/// ])
/// ```
public struct StepGrid: Hashable, Codable, Sendable {
  public struct ModeCut: Hashable, Codable, Sendable {
    public let mode: Int
    /// Of a convolution mode the result's.
    public let extent: Int
    /// The axes that cut it, at least one; a slice axis comes first.
    public let axes: [Int]

    public init(mode: Int, extent: Int, axes: [Int]) {
      self.mode = mode
      self.extent = extent
      self.axes = axes
    }
  }

  public let mesh: Mesh
  /// By mode, ascending; modes that no axis cuts are left out.
  public let cuts: [ModeCut]

  public init(mesh: Mesh, cuts: [ModeCut]) {
    self.mesh = mesh
    self.cuts = cuts.sorted { $0.mode < $1.mode }
  }

  public func axes(of mode: Int) -> [Int] { cuts.first { $0.mode == mode }?.axes ?? [] }

  /// Whether the step runs once per slice.
  public var isSliced: Bool { cuts.contains { ($0.axes.first ?? 0) >= mesh.axes.count } }

  /// A rank's part of a mode at a slice; all of it where the grid does not cut the mode.
  public func range(of mode: Int, extent: Int, rank: Int, slice: Int = 0) -> Range<Int> {
    guard let cut = cuts.first(where: { $0.mode == mode }) else { return 0..<extent }
    return Layout(mesh: mesh, cuts: [.init(extent: cut.extent, axes: cut.axes)])
      .box(of: rank, slice: slice).ranges[0]
  }
}
