import Testing

@testable import Kernels

@Suite struct BufferPoolTests {
  /// Takes and returns buffers of these sizes, one after the other or all at once.
  private static func round(_ pool: BufferPool, _ sizes: [Int], together: Bool) {
    if together {
      let buffers = sizes.map { ($0, pool.take($0)) }
      for (bytes, start) in buffers { pool.giveBack(start, bytes) }
    } else {
      for bytes in sizes { pool.giveBack(pool.take(bytes), bytes) }
    }
  }

  @Test func whatIsReturnedServesTheNextOfItsSize() {
    let pool = BufferPool()
    pool.recycle()
    Self.round(pool, [64, 64, 4096, 100], together: true)
    #expect(pool.statistics.allocations == 4)
    for _ in 0..<10 { Self.round(pool, [64, 64, 4096, 100], together: true) }
    #expect(pool.statistics.allocations == 4)
    #expect(pool.statistics.reuses == 40)
    #expect(pool.statistics.liveBytes == 0)
    #expect(pool.statistics.keptBytes == 64 + 64 + 4096 + 100)
  }

  @Test func nothingIsKeptUnlessAskedFor() {
    let pool = BufferPool()
    Self.round(pool, [64, 64], together: false)
    #expect(pool.statistics.allocations == 2)
    #expect(pool.statistics.keptBytes == 0)
  }

  /// Live and kept together stay within the most that has lived at once: here one buffer at a time, each a little
  /// larger.
  @Test func keepsNoMoreThanHasLived() {
    let pool = BufferPool()
    pool.recycle()
    for bytes in stride(from: 1000, through: 20_000, by: 1000) {
      let start = pool.take(bytes)
      let statistics = pool.statistics
      #expect(statistics.liveBytes + statistics.keptBytes <= statistics.peakLiveBytes)
      #expect(statistics.peakLiveBytes == bytes)
      pool.giveBack(start, bytes)
    }
    #expect(pool.statistics.keptBytes <= 20_000)
  }

  /// With an allowance a round of sizes that never live together is kept whole, and served from then on.
  @Test func anAllowanceKeepsWhatHasNotLivedTogether() {
    let sizes = Array(stride(from: 1000, through: 20_000, by: 1000))
    for (allowance, allocations) in [(sizes.reduce(0, +), 20), (0, 60)] {
      let pool = BufferPool()
      pool.recycle(allowance: allowance)
      for _ in 0..<3 { Self.round(pool, sizes, together: false) }
      #expect(pool.statistics.allocations == allocations)
      #expect(pool.statistics.keptBytes <= max(allowance, 20_000))
    }
  }

  @Test func buffersStartAtCacheLines() {
    let pool = BufferPool()
    for bytes in [1, 4, 100, 1 << 20] {
      let start = pool.take(bytes)
      #expect(Int(bitPattern: start) % 64 == 0)
      pool.giveBack(start, bytes)
    }
  }
}
