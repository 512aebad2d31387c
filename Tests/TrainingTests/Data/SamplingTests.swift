import Testing

@testable import Training

@Suite struct SamplingTests {
  /// The ranks' parts of all batches, put together, are the samples in order, each once.
  @Test(arguments: [1, 2, 3, 4, 5], [(1, 1), (10, 3), (12, 4), (7, 100), (100, 16), (5, 1)])
  func shardsPartitionEveryBatch(ranks: Int, extents: (count: Int, batchSize: Int)) {
    let sampling = Sampling(count: extents.count, batchSize: extents.batchSize)
    var positions: [Int] = []
    for batch in 0..<sampling.batches {
      let size = sampling.batch(batch).count
      #expect(size == min(extents.batchSize, extents.count - batch * extents.batchSize))
      for rank in 0..<ranks {
        let shard = sampling.shard(batch: batch, rank: rank, ranks: ranks)
        // As even as can be.
        #expect(shard.count == size / ranks || shard.count == size / ranks + 1)
        positions += shard
      }
    }
    #expect(positions == Array(0..<extents.count))
  }

  @Test(arguments: [(1, 1, 1), (10, 3, 3), (12, 4, 3), (7, 100, 0), (100, 16, 6)])
  func theLastBatchIsLeftOutIfItIsSmaller(count: Int, batchSize: Int, batches: Int) {
    let sampling = Sampling(count: count, batchSize: batchSize, dropsLast: true)
    #expect(sampling.batches == batches)
    for batch in 0..<batches { #expect(sampling.batch(batch).count == batchSize) }
  }

  @Test func theExampleOfTheComment() {
    let sampling = Sampling(count: 5, batchSize: 3)
    let order = [4, 0, 3, 1, 2]
    #expect(sampling.batches == 2)
    #expect(order[sampling.shard(batch: 0, rank: 0, ranks: 2)] == [4])
    #expect(order[sampling.shard(batch: 0, rank: 1, ranks: 2)] == [0, 3])
    #expect(order[sampling.shard(batch: 1, rank: 0, ranks: 2)] == [1])
    #expect(order[sampling.shard(batch: 1, rank: 1, ranks: 2)] == [2])
  }

  @Test func aBatchSmallerThanTheRanksLeavesSomeEmpty() {
    let sampling = Sampling(count: 4, batchSize: 3)
    let counts = (0..<5).map { sampling.shard(batch: 0, rank: $0, ranks: 5).count }
    #expect(counts == [0, 1, 0, 1, 1])
  }

  @Test func orderDependsOnSeedAndEpochOnly() {
    let order = Sampling.order(count: 50, seed: 1, epoch: 1)
    #expect(order == Sampling.order(count: 50, seed: 1, epoch: 1))
    #expect(order != Sampling.order(count: 50, seed: 1, epoch: 2))
    #expect(order != Sampling.order(count: 50, seed: 2, epoch: 1))
    #expect(order.sorted() == Array(0..<50))
  }
}
