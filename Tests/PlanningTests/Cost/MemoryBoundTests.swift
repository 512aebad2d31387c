import Foundation
import Testing

@testable import Planning

/// Matrix products under limited memory.
@Suite struct MemoryBoundTests {
  @Test func enoughMemoryIsNoLimit() {
    let volume = ContractionVolume(m: 1024, n: 1024, k: 1024)
    for ranks in [8.0, 27, 64, 1000] {
      let unlimited = volume.receivedLowerBound(ranks: ranks)
      #expect(volume.memoryBound(ranks: ranks, memory: 1e12).isAbout(unlimited))
      // Up to the side face of the cube that a rank computes.
      let face = pow(1024 * 1024 * 1024 / ranks, 2.0 / 3)
      #expect(volume.memoryBound(ranks: ranks, memory: face * 1.001).isAbout(unlimited))
      #expect(volume.memoryBound(ranks: ranks, memory: face / 3) > unlimited * 1.05)
    }
  }

  @Test func lessMemoryMovesMore() {
    let volume = ContractionVolume(batch: 3, m: 700, n: 900, k: 500)
    var last = volume.receivedLowerBound(ranks: 40)
    for exponent in 0..<40 {
      let bound = volume.memoryBound(ranks: 40, memory: 1e6 * pow(0.8, Double(exponent)))
      // The rounding of phases to whole ones lets it dip a little.
      #expect(bound >= last * 0.99)
      last = max(last, bound)
    }
    #expect(last > 3 * volume.receivedLowerBound(ranks: 40))
  }

  /// Written out: the best number of phases among the first thousand.
  @Test func itIsTheBestNumberOfPhases() {
    var random = CostRandom(seed: 5)
    for _ in 0..<100 {
      let (b, m, n, k) = (
        1 + Double(random.integer(3)), 1 + Double(random.integer(300)),
        1 + Double(random.integer(300)), 1 + Double(random.integer(300))
      )
      let volume = ContractionVolume(batch: b, m: m, n: n, k: k)
      let ranks = min(b * m * n * k, 1 + Double(random.integer(20)))
      let work = b * m * n * k / ranks
      let memory = pow(work, 2.0 / 3) / (1 + random.fraction * 20)
      let best = (1...1000).reduce(0.0) { most, phases in
        let count = Double(phases)
        return max(most, 3 * pow(work * work * count, 1.0 / 3) - (count - 1) * (memory + 1))
      }
      let expected = max(
        volume.receivedLowerBound(ranks: ranks), best - volume.elements / ranks)
      let bound = volume.memoryBound(ranks: ranks, memory: memory)
      #expect(bound.isAbout(expected, scale: volume.elements))
    }
  }

  /// The result stays in place on a q × q grid, and the operands pass in panels (SUMMA: van de Geijn
  /// and Watts 1997): a rank receives all of its rows and columns but its own blocks.
  @Test(arguments: [2.0, 4, 8, 16, 32, 64])
  func theClassicAlgorithmMovesMore(_ q: Double) {
    let n = 4096.0
    let volume = ContractionVolume(m: n, n: n, k: n)
    let block = n * n / (q * q)
    let received = 2 * (n * n / q - block)
    // Its own blocks of three matrices, and two panels of one row or column.
    let memory = 3 * block + 2 * n / q
    let bound = volume.memoryBound(ranks: q * q, memory: memory)
    #expect(bound <= received)
    #expect(bound >= 0.4 * received)
  }

  /// One rank with a small memory, which owns everything at first only in the sense of the bound's
  /// mean: blocks of the result of a × a, with one column and one row at a time.
  @Test func blockedUpdatesAccessMore() {
    let n = 2048.0
    for a in [8.0, 16, 64, 256] {
      let volume = ContractionVolume(m: n, n: n, k: n)
      let ranks = 4096.0
      let work = n * n * n / ranks
      let accesses = 2 * work / a + a * a
      let bound = volume.memoryBound(ranks: ranks, memory: a * a + 2 * a)
      #expect(bound <= accesses - volume.elements / ranks)
    }
  }

  @Test func itIsCOSMAsVolumeLessWhatIsHeldAtWholePhases() {
    let volume = ContractionVolume(m: 4096, n: 4096, k: 4096)
    let ranks = 64.0
    let work = 4096.0 * 4096 * 4096 / ranks
    for phases in [1.0, 2, 5, 40] {
      let memory = pow(work / phases, 2.0 / 3)
      let cosma = volume.cosmaVolume(ranks: ranks, memory: memory)
      #expect(cosma.isAbout(2 * work / sqrt(memory) + memory))
      let bound = volume.memoryBound(ranks: ranks, memory: memory)
      #expect(bound <= cosma - volume.elements / ranks + 1e-6 * cosma)
      #expect(bound >= (cosma - volume.elements / ranks) * 0.999)
    }
    // More memory than one cube needs does not help.
    #expect(
      volume.cosmaVolume(ranks: ranks, memory: 1e18).isAbout(3 * pow(work, 2.0 / 3)))
  }

  @Test func convolutionsHaveTheBoundWithoutMemory() {
    let layer = ContractionVolume(
      m: 32 * 28 * 28, n: 64, k: 64, first: 32 * 64 * 28 * 28, second: 64 * 64 * 9)
    #expect(
      layer.memoryBound(ranks: 16, memory: 100) == layer.receivedLowerBound(ranks: 16))
    #expect(layer.receivedLowerBound(ranks: 16) > 0)
  }
}
