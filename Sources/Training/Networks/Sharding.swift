import Partitioning

/// How ranks share a batch of images: the samples are cut into `batch` parts, and the rows of every
/// image into `rows`. With one part of rows this is data parallelism.
///
/// Rank r has part r / rows of the samples and part r % rows of their rows. What has no rows, as the
/// scores of a sample, all ranks of its part of the samples have.
///
/// ```swift
/// let sharding = Sharding(batch: 4, rows: 2)
/// "\(sharding)"                           // 4 × 2 (batch × rows)
/// sharding.layout(of: images).box(of: 3)  // of 4 images of 28 rows: sample 1, rows 14 ..< 28
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

  /// Every grid of so many ranks, that of the most parts of the batch first.
  public static func all(ranks: Int) -> [Sharding] {
    (1...max(1, ranks)).filter { ranks.isMultiple(of: $0) }
      .map { Sharding(batch: ranks / $0, rows: $0) }
  }
}

extension Sharding: CustomStringConvertible {
  public var description: String { "\(batch) × \(rows) (batch × rows)" }
}
