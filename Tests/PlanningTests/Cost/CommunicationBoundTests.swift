import Foundation
import Testing

@testable import Planning

/// The bound of one pairwise step against the published formula, against a search over a grid, and
/// against what real distributions move.
@Suite struct CommunicationBoundTests {
  /// Al Daas, Ballard, Grigori, Kumar, Rouse, arXiv 2205.13407, theorem 3, less what a rank holds.
  static func published(_ a: Double, _ b: Double, _ c: Double, ranks: Double) -> Double {
    let sorted = [a, b, c].sorted(by: >)
    let (m, n, k) = (sorted[0], sorted[1], sorted[2])
    if ranks <= m / n { return (1 - 1 / ranks) * n * k }
    if ranks <= m * n / (k * k) {
      return 2 * sqrt(m * n * k * k / ranks) - (m * k + n * k) / ranks
    }
    return 3 * pow(m * n * k / ranks, 2.0 / 3) - (m * n + m * k + n * k) / ranks
  }

  /// Issue 3's list.
  static let products: [(m: Double, n: Double, k: Double, ranks: Double)] = [
    (1024, 1024, 1024, 8), (1024, 1024, 1024, 64), (4096, 1024, 256, 16), (8192, 512, 512, 8),
    (65536, 64, 64, 16), (2000, 1500, 900, 12), (3000, 3000, 3000, 27), (256, 256, 65536, 32),
  ]

  @Test(arguments: products)
  func matrixProductsHaveThePublishedBound(m: Double, n: Double, k: Double, ranks: Double) {
    let bound = ContractionVolume(m: m, n: n, k: k).receivedLowerBound(ranks: ranks)
    #expect(bound.isAbout(Self.published(m, n, k, ranks: ranks)))
  }

  /// All orders of the dimensions, and all three cases of the theorem, their edges included.
  @Test func everyCaseOfTheTheorem() {
    var cases = [0, 0, 0]
    for (a, b, c) in [(4096.0, 256.0, 16.0), (50, 7, 3), (30, 30, 30), (100, 100, 5), (81, 3, 3)] {
      for dimensions in [[a, b, c], [a, c, b], [b, a, c], [b, c, a], [c, a, b], [c, b, a]] {
        let volume = ContractionVolume(m: dimensions[0], n: dimensions[1], k: dimensions[2])
        for ranks in [1, 1.5, 2, 3, a / b, 16, 20, a * b / (c * c), 300, a * b * c] {
          guard ranks >= 1 && ranks <= a * b * c else { continue }
          cases[ranks <= a / b ? 0 : ranks <= a * b / (c * c) ? 1 : 2] += 1
          #expect(
            volume.receivedLowerBound(ranks: ranks)
              .isAbout(max(0, Self.published(a, b, c, ranks: ranks)), scale: volume.elements),
            "\(dimensions) on \(ranks)")
        }
      }
    }
    #expect(cases.allSatisfy { $0 > 20 })
  }

  @Test func oneRankReceivesNothing() {
    #expect(ContractionVolume(m: 5, n: 7, k: 11).receivedLowerBound(ranks: 1) == 0)
    #expect(ContractionVolume(batch: 3, m: 5, n: 7, k: 1).receivedLowerBound(ranks: 0.5) == 0)
  }

  @Test func aBatchIsSharedForNothing() {
    let volume = ContractionVolume(batch: 64, m: 50, n: 60, k: 70)
    for ranks in [2.0, 7, 64] {
      #expect(volume.receivedLowerBound(ranks: ranks).isAbout(0, scale: volume.elements))
    }
    // 128 ranks are 64 groups of 2, each with a product of its own.
    #expect(volume.receivedLowerBound(ranks: 128).isAbout(Self.published(50, 60, 70, ranks: 2)))
  }

  @Test func moreRanksThanProductsCountAsSoMany() {
    let volume = ContractionVolume(m: 2, n: 3, k: 4)
    // One element of each tensor per rank, of which 26/24 are its own on the average.
    #expect(volume.receivedLowerBound(ranks: 24).isAbout(3 - 26.0 / 24))
    #expect(
      volume.receivedLowerBound(ranks: 1e6) == volume.receivedLowerBound(ranks: 24))
  }

  @Test func emptyTensorsMoveNothing() {
    #expect(ContractionVolume(m: 0, n: 3, k: 4).receivedLowerBound(ranks: 8) == 0)
    #expect(ContractionVolume(m: 3, n: 3, k: 3, second: 0).receivedLowerBound(ranks: 8) == 0)
  }

  /// Limits and ranks are powers of two, so that all corners lie on the grid of the search.
  @Test(arguments: 0..<60)
  func nothingOnAFineGridIsLess(_ seed: Int) {
    var random = CostRandom(seed: UInt64(seed))
    func power(_ most: Int) -> Double { Double(1 << random.integer(most)) }
    let hasAlone = seed.isMultiple(of: 2)
    let volume = ContractionVolume(
      batch: power(1), m: power(5), n: power(5), k: power(4),
      firstAlone: hasAlone ? power(2) : 1, secondAlone: hasAlone ? power(2) : 1,
      resultAlone: hasAlone ? power(1) : 1, first: 1 + random.fraction * 1000,
      second: 1 + random.fraction * 1000, result: 1 + random.fraction * 1000)
    let limits = [
      volume.batch, volume.m, volume.n, volume.k, volume.firstAlone, volume.secondAlone,
      volume.resultAlone,
    ]
    let steps = hasAlone ? 2 : 6
    let most = Int(log2(limits.reduce(1, *)))
    let doublings = min(most, hasAlone ? 5 : 7)
    let ranks = exp2(Double(doublings))
    let bound = volume.receivedLowerBound(ranks: ranks) + volume.elements / ranks
    let least = Self.leastOnGrid(volume, limits, steps: steps, count: steps * doublings)
    #expect(bound <= least * (1 + 1e-12))
    // The grid's best point is at most half a step from the minimum in each of up to three free
    // directions, where the function is flat to first order.
    let step = log(2) / Double(steps)
    #expect(bound >= least * (1 - step * step))
  }

  /// The least sum of boxes over parts 2^(i / steps) with a product of 2^(count / steps).
  static func leastOnGrid(
    _ volume: ContractionVolume, _ limits: [Double], steps: Int, count: Int
  ) -> Double {
    let cuts: [[Double]] = [
      [1, 1, 1], [1, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1],
    ]
    var least = Double.infinity
    func visit(_ at: Int, _ rest: Int, _ exponents: [Double]) {
      guard at < limits.count else {
        guard rest == 0 else { return }
        least = min(
          least,
          volume.first * exp2(-exponents[0]) + volume.second * exp2(-exponents[1])
            + volume.result * exp2(-exponents[2]))
        return
      }
      for taken in 0...min(rest, Int(log2(limits[at]).rounded()) * steps) {
        let share = Double(taken) / Double(steps)
        visit(at + 1, rest - taken, zip(exponents, cuts[at]).map { $0 + $1 * share })
      }
    }
    visit(0, count, [0, 0, 0])
    return least
  }

  /// Real grids, with parts that differ by one: the mean over the ranks of what they need of the
  /// operands and of what they contribute to the result, less what they hold.
  @Test func noIntegerGridMovesLess() {
    var random = CostRandom(seed: 3)
    for _ in 0..<200 {
      let extents = (0..<4).map { _ in 1 + random.integer(11) }
      let parts = extents.map { 1 + random.integer(min($0, 4) - 1) }
      let (b, m, n, k) = (extents[0], extents[1], extents[2], extents[3])
      let volume = ContractionVolume(
        batch: Double(b), m: Double(m), n: Double(n), k: Double(k))
      let ranks = parts.reduce(1, *)
      // Parts are disjoint, so the boxes of a tensor add up to its elements, once for each cut of
      // a mode that it lacks.
      let first = b * m * k * parts[2]
      let second = b * k * n * parts[1]
      let result = b * m * n * parts[3]
      let mean = (Double(first + second + result) - volume.elements) / Double(ranks)
      let bound = volume.receivedLowerBound(ranks: Double(ranks))
      #expect(bound <= mean + 1e-9 * volume.elements, "\(extents) in \(parts)")
    }
  }

  /// A convolution over x with channels: `sx,tsx->tx|x`, cut in x, s and t; the rows read are counted
  /// one by one.
  @Test func noConvolutionGridMovesLess() {
    var random = CostRandom(seed: 11)
    for _ in 0..<200 {
      let taps = 1 + random.integer(4)
      let stride = 1 + random.integer(2)
      let output = 1 + random.integer(20)
      let input = (output - 1) * stride + taps
      let (s, t) = (1 + random.integer(5), 1 + random.integer(5))
      let parts = [output, s, t].map { 1 + random.integer(min($0, 4) - 1) }
      func rows(_ outputs: Range<Int>) -> Set<Int> {
        Set(outputs.flatMap { i in (0..<taps).map { i * stride + $0 } })
      }
      let read = rows(0..<output).count
      #expect(read <= input)
      let rowsOfParts = (0..<parts[0]).reduce(0) { sum, part in
        sum + rows(output * part / parts[0]..<output * (part + 1) / parts[0]).count
      }
      let volume = ContractionVolume(
        m: Double(output), n: Double(t), k: Double(s), first: Double(s * read),
        second: Double(s * t * taps), result: Double(t * output))
      let ranks = Double(parts.reduce(1, *))
      let needed =
        s * rowsOfParts * parts[2] + s * t * taps * parts[0] + t * output * parts[1]
      let mean = (Double(needed) - volume.elements) / ranks
      let bound = volume.receivedLowerBound(ranks: ranks)
      #expect(bound <= mean + 1e-9 * volume.elements)
    }
  }

  @Test func onlyMatrixProductsAreOnes() {
    #expect(ContractionVolume(batch: 2, m: 3, n: 4, k: 5).isMatrixProduct)
    #expect(!ContractionVolume(m: 3, n: 4, k: 5, second: 180).isMatrixProduct)
    #expect(!ContractionVolume(m: 3, n: 4, k: 5, firstAlone: 2).isMatrixProduct)
  }

  @Test(arguments: 1...9) func rootsAreExactToTheLastBits(_ degree: Int) {
    for base in [1e-9, 0.3, 1, 1.5, 2, 7, 1024, 98765.4321] {
      let power = (0..<degree).reduce(1.0) { product, _ in product * base }
      #expect(abs(root(degree, of: power) / base - 1) < 1e-14)
    }
    #expect(root(degree, of: 0) == 0)
  }
}

extension Double {
  func isAbout(_ other: Double, scale: Double = 0) -> Bool {
    abs(self - other) <= 1e-11 * max(abs(other), scale)
  }
}

/// A seeded stream (Knuth's MMIX congruence, upper bits).
struct CostRandom {
  private var state: UInt64

  init(seed: UInt64) { state = seed &* 2_654_435_769 &+ 12345 }

  /// 0 ..< 1.
  var fraction: Double {
    mutating get {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(state >> 32) / 4_294_967_296
    }
  }

  /// 0 … most.
  mutating func integer(_ most: Int) -> Int { Int(fraction * Double(most + 1)) }
}
