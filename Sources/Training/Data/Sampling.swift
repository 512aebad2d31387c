import Partitioning

/// Which samples every rank takes at every step of an epoch.
///
/// The samples are put into an order that depends on the seed and the epoch only, and cut into
/// global batches of `batchSize`, the last one maybe smaller, or left out. Of a batch of b samples, rank r of P
/// takes those from ⌊b·r/P⌋ to ⌊b·(r+1)/P⌋: maybe none, and together all of them once.
///
/// P = 2, batches of 3, samples in order 4 0 3 1 2: rank 0 takes 4, then 1; rank 1 takes 0 3, then 2.
///
/// ```swift
/// let sampling = Sampling(count: 60_000, batchSize: 128)
/// let order = Sampling.order(count: 60_000, seed: 0, epoch: 1)
/// let mine = order[sampling.shard(batch: 7, rank: 1, ranks: 4)]
/// ```
public struct Sampling: Hashable, Sendable {
  public let count: Int
  public let batchSize: Int
  /// Whether an epoch leaves out its last batch if that is smaller: its samples, other ones in every epoch.
  public let dropsLast: Bool

  /// - Precondition: `batchSize` is positive.
  public init(count: Int, batchSize: Int, dropsLast: Bool = false) {
    precondition(batchSize > 0, "a batch has at least one sample")
    self.count = count
    self.batchSize = batchSize
    self.dropsLast = dropsLast
  }

  /// The training samples of a run.
  init(count: Int, _ configuration: LoopConfiguration) {
    self.init(
      count: count, batchSize: configuration.batchSize, dropsLast: configuration.dropLast)
  }

  /// Global batches of an epoch.
  public var batches: Int {
    count / batchSize + (count % batchSize == 0 || dropsLast ? 0 : 1)
  }

  /// The positions, in the epoch's order, of one global batch.
  public func batch(_ batch: Int) -> Range<Int> {
    batch * batchSize..<min(count, (batch + 1) * batchSize)
  }

  /// The positions of one rank's part of one global batch.
  public func shard(batch: Int, rank: Int, ranks: Int) -> Range<Int> {
    let whole = self.batch(batch)
    let part = EvenPartition(extent: whole.count, parts: ranks).range(of: rank)
    return whole.lowerBound + part.lowerBound..<whole.lowerBound + part.upperBound
  }

  /// The samples in the order of an epoch, counted from 1.
  public static func order(count: Int, seed: UInt64, epoch: Int) -> [Int] {
    CounterRandom(seed: seed, purpose: .shuffling, item: epoch).permutation(of: count)
  }
}
