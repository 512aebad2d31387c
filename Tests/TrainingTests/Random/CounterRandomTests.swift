import Testing

@testable import Training

@Suite struct CounterRandomTests {
  /// The known answers of Random123 1.14 (`tests/kat_vectors`, `philox4x32 10`).
  @Test(arguments: [
    (
      SIMD4<UInt32>(repeating: 0), SIMD2<UInt32>(repeating: 0),
      SIMD4<UInt32>(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8)
    ),
    (
      SIMD4<UInt32>(repeating: .max), SIMD2<UInt32>(repeating: .max),
      SIMD4<UInt32>(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd)
    ),
    (
      SIMD4<UInt32>(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344),
      SIMD2<UInt32>(0xa409_3822, 0x299f_31d0),
      SIMD4<UInt32>(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1)
    ),
  ])
  func knownAnswers(counter: SIMD4<UInt32>, key: SIMD2<UInt32>, answer: SIMD4<UInt32>) {
    #expect(philox4x32(counter: counter, key: key) == answer)
  }

  /// The third known answer through the public door: seed is the key, index and stream the counter.
  @Test func seedStreamAndIndexAreKeyAndCounter() {
    let random = CounterRandom(seed: 0x299f_31d0_a409_3822, stream: 0x0370_7344_1319_8a2e)
    let bits = random.bits(at: Int(bitPattern: 0x85a3_08d3_243f_6a88))
    #expect(bits == SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
  }

  @Test func uniformNumbersFillTheirRange() {
    let random = CounterRandom(seed: 3, stream: 1)
    let numbers = (0..<40_000).map { random.uniform(at: $0) }
    #expect(numbers.allSatisfy { (0..<1).contains($0) })
    // Ten bins of 4,000; a standard deviation is 60.
    for bin in 0..<10 {
      let count = numbers.count { Int($0 * 10) == bin }
      #expect(abs(count - 4_000) < 300, "bin \(bin) has \(count)")
    }
  }

  @Test func normalNumbersHaveTheMomentsOfANormalDistribution() {
    let random = CounterRandom(seed: 4, stream: 1)
    let numbers = (0..<100_000).map { Double(random.normal(at: $0)) }
    func moment(_ power: Int) -> Double {
      numbers.reduce(0) { sum, x in sum + (0..<power).reduce(1) { p, _ in p * x } } / 100_000
    }
    #expect(abs(moment(1)) < 0.015)
    #expect(abs(moment(2) - 1) < 0.025)
    #expect(abs(moment(3)) < 0.06)
    #expect(abs(moment(4) - 3) < 0.2)
    // 0.27 % lie beyond three standard deviations.
    #expect((180..<370).contains(numbers.count { abs($0) > 3 }))
  }

  @Test func purposesItemsAndSeedsDoNotShareNumbers() {
    var seen: Set<SIMD4<UInt32>> = []
    let purposes: [CounterRandom.Purpose] = [
      .initialWeights, .shuffling, .syntheticPatterns, .syntheticSamples,
    ]
    for seed: UInt64 in [0, 1, 1 << 40] {
      for purpose in purposes {
        for item in [0, 1, -1, 1 << 40] {
          let random = CounterRandom(seed: seed, purpose: purpose, item: item)
          for index in [0, 1, 1 << 33] { seen.insert(random.bits(at: index)) }
        }
      }
    }
    #expect(seen.count == 3 * 4 * 4 * 3)
  }

  @Test(arguments: [0, 1, 2, 7, 1000])
  func permutationHasEveryNumberOnce(count: Int) {
    let order = CounterRandom(seed: 5, stream: 9).permutation(of: count)
    #expect(order.sorted() == Array(0..<count))
    #expect(count < 7 || order != Array(0..<count))
  }

  @Test func permutationsAreEquallyLikely() {
    var counts: [[Int]: Int] = [:]
    for stream in 0..<6_000 {
      counts[CounterRandom(seed: 6, stream: UInt64(stream)).permutation(of: 3), default: 0] += 1
    }
    #expect(counts.count == 6)
    // 1,000 each; a standard deviation is 29.
    for (order, count) in counts { #expect(abs(count - 1_000) < 150, "\(order)") }
  }

  @Test func integersStayBelowTheirBound() {
    let random = CounterRandom(seed: 7, stream: 2)
    var counts = [0, 0, 0]
    for index in 0..<3_000 { counts[random.integer(below: 3, at: index)] += 1 }
    #expect(counts.allSatisfy { abs($0 - 1_000) < 130 })
    #expect((0..<100).allSatisfy { random.integer(below: 1, at: $0) == 0 })
  }
}
