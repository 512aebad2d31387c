/// Which box of a tensor each rank holds.
///
/// Every rank axis of the mesh does one of three things: it *cuts* a dimension; or the ranks along
/// it hold copies (*replication*); or the tensor is the sum of what they hold (*partial* sums).
/// Several axes may cut one dimension, the first of them into the largest parts. Boundaries are
/// ⌊n·i/p⌋, so any extent and any number of parts work, and further axes cut each part further,
/// within its boundaries.
///
/// ```swift
/// // a 10×7 matrix on 6 ranks: rows cut in 3, columns whole, held twice
/// let rows = Layout(shape: [10, 7], mesh: Mesh(axes: [3, 2]), axes: [[0], []])
/// rows.box(of: 3)      // rows 3 ..< 6 of 10, columns 0 ..< 7
/// rows.replicationAxes // [1]
/// ```
public struct Layout: Hashable, Codable, Sendable {
  /// How one dimension is cut.
  public struct Cut: Hashable, Codable, Sendable {
    public let extent: Int
    /// The axes that cut it, each part of one being cut by the next.
    public let axes: [Int]
    /// Each rank holds what this window reads for its part of another index. Without effect on a
    /// dimension that no axis cuts, which is whole.
    public let window: Window?

    public init(extent: Int, axes: [Int] = [], window: Window? = nil) {
      self.extent = extent
      self.axes = axes
      self.window = window
    }
  }

  public let mesh: Mesh
  public let cuts: [Cut]
  /// Ascending. The tensor is the sum over these axes.
  public let partialAxes: [Int]

  public init(mesh: Mesh, cuts: [Cut], partialAxes: [Int] = []) {
    self.mesh = mesh
    self.cuts = cuts
    self.partialAxes = partialAxes.sorted()
    let used = cuts.flatMap(\.axes) + partialAxes
    precondition(
      Set(used).count == used.count, "an axis of a layout does one thing only: \(used)")
  }

  /// Dimensions cut by these axes, without windows.
  public init(shape: [Int], mesh: Mesh, axes: [[Int]], partialAxes: [Int] = []) {
    precondition(shape.count == axes.count, "\(axes.count) lists of axes for \(shape)")
    self.init(
      mesh: mesh, cuts: zip(shape, axes).map { Cut(extent: $0, axes: $1) },
      partialAxes: partialAxes)
  }

  /// A copy of the whole tensor on every rank.
  public static func replicated(_ shape: [Int], mesh: Mesh) -> Layout {
    Layout(shape: shape, mesh: mesh, axes: shape.map { _ in [] })
  }

  /// The tensor's shape.
  public var shape: [Int] { cuts.map(\.extent) }

  /// The rank axes along which ranks hold copies; ascending.
  public var replicationAxes: [Int] {
    let used = Set(cuts.flatMap(\.axes) + partialAxes)
    return mesh.axes.indices.filter { !used.contains($0) && mesh.axes[$0] > 1 }
  }

  /// Whether boxes may overlap because of windows.
  public var hasWindows: Bool { cuts.contains { $0.window != nil && !$0.axes.isEmpty } }

  /// Whether every element is on exactly one rank.
  public var isPartition: Bool {
    !hasWindows && partialAxes.allSatisfy { mesh.extent($0) == 1 } && replicationAxes.isEmpty
  }

  /// Whether the boxes depend on the slice.
  public var isSliced: Bool { cuts.contains { $0.axes.contains { $0 >= mesh.axes.count } } }

  /// Into how many parts a dimension is cut.
  public func parts(_ dimension: Int) -> Int {
    cuts[dimension].axes.reduce(1) { $0 * mesh.extent($1) }
  }

  /// Which of those parts a rank has at a slice.
  public func part(_ dimension: Int, rank: Int, slice: Int = 0) -> Int {
    cuts[dimension].axes.reduce(0) {
      $0 * mesh.extent($1) + mesh.coordinate(axis: $1, rank: rank, slice: slice)
    }
  }

  /// The indices of one part of a dimension. Under a circular window they may lie outside the
  /// extent, and are then to be taken modulo it; there are never more of them than the extent.
  public func range(_ dimension: Int, part: Int) -> Range<Int> {
    let cut = cuts[dimension]
    let parts = parts(dimension)
    guard let window = cut.window, !cut.axes.isEmpty else {
      return EvenPartition(extent: cut.extent, parts: parts).range(of: part)
    }
    let results = EvenPartition(extent: window.resultExtent, parts: parts).range(of: part)
    return window.reads(results, extent: cut.extent)
  }

  /// What a rank holds. A rank beyond the mesh holds nothing, though of a scalar the box says so
  /// to nobody: it has no range that could be empty.
  public func box(of rank: Int, slice: Int = 0) -> Box {
    guard rank < mesh.ranks else { return Box(cuts.map { _ in 0..<0 }) }
    return Box(
      cuts.indices.map { range($0, part: part($0, rank: rank, slice: slice)) })
  }

  /// The layout of the gradient of a tensor in this layout. Where ranks hold copies, the gradient is
  /// the sum of theirs; where they hold terms of a sum, each term has the same gradient.
  public var dual: Layout { Layout(mesh: mesh, cuts: cuts, partialAxes: replicationAxes) }
}

/// What a convolution reads of one dimension: for the results a ..< b the indices
/// `stride·a + low ... stride·(b − 1) + high`, clipped to the extent or wrapped around.
///
/// ```swift
/// // a 3-tap filter of `same` padding: results 4 ..< 8 of 10 read 3 ..< 9
/// Window(resultExtent: 10, stride: 1, low: -1, high: 1, circular: false)
///   .reads(4..<8, extent: 10)
/// ```
public struct Window: Hashable, Codable, Sendable {
  /// The number of results, which is what is cut.
  public let resultExtent: Int
  public let stride: Int
  /// The first and the last index that result 0 reads.
  public let low: Int
  public let high: Int
  public let circular: Bool

  public init(resultExtent: Int, stride: Int, low: Int, high: Int, circular: Bool) {
    precondition(
      low <= high && stride >= 1, "a window reads from \(low) to \(high), stride \(stride)")
    self.resultExtent = resultExtent
    self.stride = stride
    self.low = low
    self.high = high
    self.circular = circular
  }

  /// The indices read; a circular window that reads as many as there are, or more, reads them all,
  /// as 0 ..< extent.
  public func reads(_ results: Range<Int>, extent: Int) -> Range<Int> {
    guard !results.isEmpty else { return 0..<0 }
    let first = stride * results.lowerBound + low
    let end = stride * (results.upperBound - 1) + high + 1
    if circular { return end - first >= extent ? 0..<extent : first..<end }
    return (first..<max(first, end)).clamped(to: 0..<extent)
  }
}
