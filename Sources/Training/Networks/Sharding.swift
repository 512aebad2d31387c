import Partitioning

/// How ranks share a batch of images: the samples are cut into `batch` parts, and the rows of every
/// image into `rows`. With one part of rows this is data parallelism.
///
/// Rank r has part r / rows of the samples and part r % rows of their rows. Where a layer turns
/// images into features, each part of the samples is cut further over the ranks that shared their
/// rows, so that rank r of P ends with the samples ⌊b·r/P⌋ ..< ⌊b·(r+1)/P⌋ whatever the grid.
///
/// ```swift
/// let sharding = Sharding(batch: 4, rows: 2)
/// "\(sharding)"                                       // 4 × 2 (batch × rows)
/// sharding.layout(of: [4, 28, 28, 1]).box(of: 3)      // sample 1, rows 14 ..< 28
/// ```
public struct Sharding: Hashable, Sendable {
  /// Parts of the batch.
  public let batch: Int
  /// Parts of the rows of every image.
  public let rows: Int

  /// - Precondition: both are positive.
  public init(batch: Int, rows: Int) {
    precondition(batch > 0 && rows > 0, "\(batch) × \(rows) is no grid of ranks")
    self.batch = batch
    self.rows = rows
  }

  public var ranks: Int { batch * rows }
  public var mesh: Mesh { Mesh(axes: [batch, rows]) }

  /// Whether ranks share nothing but the samples.
  public var isDataParallel: Bool { rows == 1 }

  /// Images `bhws` of this shape, the batch cut by the first axis, the rows by the second.
  public func layout(of shape: [Int]) -> Layout {
    precondition(shape.count == 4, "images have four dimensions, not those of \(shape)")
    return Layout(shape: shape, mesh: mesh, axes: [[0], [1], [], []])
  }

  /// Every grid of so many ranks, that of the most parts of the batch first.
  public static func all(ranks: Int) -> [Sharding] {
    (1...max(1, ranks)).filter { ranks.isMultiple(of: $0) }
      .map { Sharding(batch: ranks / $0, rows: $0) }
  }
}

extension Sharding: CustomStringConvertible {
  public var description: String { "\(batch) × \(rows) (batch × rows)" }
}

extension Layout {
  /// Whether every rank has whole samples of its own, so that no layer needs other ranks' values.
  var cutsSamplesOnly: Bool {
    isPartition && cuts.dropFirst().allSatisfy { $0.axes.allSatisfy { mesh.extent($0) == 1 } }
  }

  /// The same ranks' parts of a tensor whose last dimension, which is not cut, is seen as several.
  func splittingLast(into extents: [Int]) -> Layout {
    Layout(mesh: mesh, cuts: cuts.dropLast() + extents.map { Cut(extent: $0) })
  }

  /// An output of this shape whose dimensions are cut as the input's are, in as even parts.
  func resized(to shape: [Int]) -> Layout {
    Layout(mesh: mesh, cuts: zip(shape, cuts).map { Cut(extent: $0, axes: $1.axes) })
  }

  /// - Throws: `NetworkError.unexpectedSharding` unless this is a layout of images in which every
  ///   element is on exactly one of so many ranks, and channels are whole; `.unexpectedInput` if
  ///   `box`, of this rank, has another shape.
  func requireImages(_ layer: String, box: [Int], rank: Int, ranks: Int) throws {
    guard mesh.ranks == ranks, isPartition, cuts.count == 4, cuts[3].axes.isEmpty else {
      throw NetworkError.unexpectedSharding(
        layer: layer, axes: cuts.map(\.axes), mesh: mesh.axes,
        expected: "images [batch, height, width, channels] once over \(ranks) ranks, channels whole"
      )
    }
    let expected = self.box(of: rank)
    guard box == expected.shape else {
      throw NetworkError.unexpectedInput(
        layer: layer, shape: box, expected: "rank \(rank)'s part \(expected.ranges) of \(shape)")
    }
  }
}
