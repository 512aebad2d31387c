import Synchronization
import TestSupport
import Testing

@testable import Kernels

/// Tests that change the number of threads of this process, which all suites share: loops of others
/// run correctly meanwhile, for their results do not depend on it.
@Suite(.serialized) struct ThreadPoolTests {
  static let counts = [1, 2, 3, 7]

  private func withThreads(_ count: Int, _ body: () throws -> Void) rethrows {
    let found = ThreadPool.use(count: count)
    defer { ThreadPool.use(count: 1) }
    #expect(found == count)
    try body()
  }

  @Test(arguments: counts) func everyIndexIsCalledOnce(threads: Int) {
    withThreads(threads) {
      for count in [0, 1, 2, 3, 16, 1000] {
        for _ in 0..<50 {
          let calls = (0..<count).map { _ in Counter() }
          ThreadPool.run(count: count) { calls[$0].add(1) }
          #expect(calls.allSatisfy { $0.value == 1 })
        }
      }
    }
  }

  /// Three deep, and so uneven that threads help each other.
  @Test(arguments: counts) func everyIndexOfLoopsWithinLoopsIsCalledOnce(threads: Int) {
    withThreads(threads) {
      for round in 0..<100 {
        let (outer, inner, innermost) = (5, 7, 3)
        let calls = (0..<outer * inner * innermost).map { _ in Counter() }
        ThreadPool.run(count: outer) { i in
          // More calls of the last index.
          let parts = i == outer - 1 ? inner : 1 + round % 2
          ThreadPool.run(count: parts) { part in
            for j in part * inner / parts..<(part + 1) * inner / parts {
              ThreadPool.run(count: innermost) { k in
                calls[(i * inner + j) * innermost + k].add(1)
              }
            }
          }
        }
        #expect(calls.allSatisfy { $0.value == 1 })
      }
    }
  }

  /// Of two calls one is done at once; the other's loop ends only when two threads are at it.
  @Test func threadsWithoutACallHelpWithTheLoopOfAnothers() {
    withThreads(2) {
      func twoThreadsMet() -> Bool {
        let (arrivals, meetings) = (Counter(), Counter())
        ThreadPool.run(count: 2) { call in
          guard call == 1 else { return }
          ThreadPool.run(count: 2) { _ in
            arrivals.add(1)
            let limit = ContinuousClock.now + .milliseconds(100)
            while arrivals.value < 2, ContinuousClock.now < limit {}
            if arrivals.value == 2 { meetings.add(1) }
          }
        }
        return meetings.value == 2
      }
      // While another test has the pool, loops of this one run on its own thread.
      #expect((0..<300).contains { _ in twoThreadsMet() })
    }
  }

  /// As ranks that are threads of one process do.
  @Test(arguments: counts) func callersAtTheSameTimeGetTheirOwn(threads: Int) async {
    ThreadPool.use(count: threads)
    defer { ThreadPool.use(count: 1) }
    await withTaskGroup(of: Bool.self) { group in
      for caller in 0..<4 {
        group.addTask {
          (0..<200).allSatisfy { round in
            let sum = Counter()
            ThreadPool.run(count: 17) { sum.add($0 * (caller + round)) }
            return sum.value == 136 * (caller + round)
          }
        }
      }
      for await isRight in group { #expect(isRight) }
    }
  }

  @Test func rangesCoverEverythingInWholeUnits() {
    for (count, unit) in [(0, 1), (1, 1), (100, 16), (1000, 64), (7, 16)] {
      for nanoseconds in [0.0, 1e4, 1e9] {
        let covered = (0..<count).map { _ in Counter() }
        let broken = Counter()
        ThreadPool.run(over: count, unit: unit, nanoseconds: nanoseconds) { range in
          if range.lowerBound % unit != 0 { broken.add(1) }
          if range.upperBound % unit != 0 && range.upperBound != count { broken.add(1) }
          for index in range { covered[index].add(1) }
        }
        #expect(covered.allSatisfy { $0.value == 1 })
        #expect(broken.value == 0)
      }
    }
  }

  @Test func moreThreadsThanCanBeAreNotThere() {
    #expect(ThreadPool.use(count: 0) == 1)
    #expect(ThreadPool.use(count: -5) == 1)
    #expect(ThreadPool.count == 1)
  }

  @Test(arguments: [
    // usable, launcher, processes, threads
    [8, 8, 1, 8], [8, 8, 2, 4], [8, 8, 3, 2], [8, 8, 16, 1],
    // Bound to cores, to sockets of 8, and to one socket for all.
    [1, 8, 2, 1], [8, 16, 2, 8], [8, 16, 4, 4], [2, 2, 2, 1],
    // What cannot be known, or is nonsense.
    [4, 0, 2, 2], [0, 0, 0, 1], [4, 4, -1, 4], [4, 4, Int.max, 1],
  ]) func coresAreDividedOnce(numbers: [Int]) {
    #expect(
      ThreadPool.defaultCount(
        usable: numbers[0], launcher: numbers[1], processes: numbers[2]) == numbers[3])
  }

  /// Large enough to be divided, by each way of running: tiles, products, filtering, loops. On one thread
  /// they are what the definition says, within a thousandth, where a part that is missing or done twice is
  /// off by about one; on others the bits are the same.
  @Test func nestsHaveTheSameBitsOnAnyNumberOfThreads() {
    var generator = Generator(seed: 5)
    for (name, nest) in Self.nests + Self.nestsWithLongSums {
      for written in [ContractionNest.Role.result, .first, .second] {
        let kernel = LoweredNest(nest, writing: written)
        let sources = [written.sources.0, written.sources.1].map { role in
          (0..<nest.count(role)).map { _ in Float.random(in: -1...1, using: &generator) }
        }
        let definition = nest.evaluateByDefinition(
          writing: written, sources[0].map { Double($0) }, sources[1].map { Double($0) })
        for adding in [false, true] {
          var results: [[Float]] = []
          for threads in Self.counts {
            withThreads(threads) {
              var result = [Float](repeating: 0.5, count: kernel.destinationCount)
              var workspace = [Float](repeating: .nan, count: kernel.workspaceCount)
              kernel.run(
                into: &result, sources[0], sources[1], workspace: &workspace, adding: adding)
              results.append(result)
            }
          }
          let expected = definition.map { adding ? $0 + 0.5 : $0 }
          #expect(
            zip(results[0], expected).allSatisfy { abs(Double($0) - $1) < 1e-3 },
            "\(name), \(written), adding: \(adding)")
          for result in results.dropFirst() {
            #expect(result == results[0], "\(name), \(written), adding: \(adding)")
          }
        }
      }
    }
  }

  /// Gradients of factors, and of taps, whose only long loops are summed, on each path.
  @Test(arguments: Context.tested)
  func sumsAreDividedByWhatIsWritten(context: Context) {
    var generator = Generator(seed: 6)
    for (name, nest) in Self.nestsWithLongSums {
      for written in [ContractionNest.Role.result, .first, .second] {
        let kernel = LoweredNest(nest, writing: written, context: context)
        let (p, q) = written.sources
        let sources = [p, q].map { generator.integers(nest.count($0)) }
        let old = generator.integers(nest.count(written))
        let expected = nest.evaluateByDefinition(writing: written, sources[0], sources[1])
        for adding in [nil, old] {
          let known = adding.map { zip($0, expected).map { $0 + $1 } } ?? expected
          for threads in [1, 3] {
            withThreads(threads) {
              let found = onArrays(
                workspaceCount: kernel.workspaceCount, count: known.count, sources[0], sources[1],
                adding: adding
              ) { kernel.run(into: $0, $1, $2, workspace: $3, adding: adding != nil) }
              #expect(found == known, "\(name), \(written), \(threads) threads, \(kernel)")
            }
          }
        }
      }
    }
  }

  @Test func largeProductsAreDividedIntoLargeParts() {
    func product(_ m: Int, _ n: Int) -> InnerKernel.Gemm {
      .init(
        m: m, n: n, k: 100, exchanged: false, pTransposed: false, qTransposed: false,
        leading: Strides(n, 100, n))
    }
    for (m, n, limit, rows, columns) in [
      (2048, 2048, 32, 4, 4), (2048, 2048, 4, 2, 2), (1000, 832, 32, 2, 2), (4096, 576, 32, 8, 1),
      (10, 5000, 32, 1, 2), (64, 64, 32, 2, 1), (63, 63, 32, 1, 1), (2048, 2048, 1, 1, 1),
    ] {
      let parts = product(m, n).parts(atMost: limit)
      #expect(parts == (rows, columns), "\(m) × \(n), at most \(limit)")
    }
    let ranges = (0..<4).map { product(1, 1).range($0, of: 4, in: 1000) }
    #expect(ranges == [0..<256, 256..<512, 512..<768, 768..<1000])
  }

  private static var nestsWithLongSums: [(String, ContractionNest)] {
    func plain(_ loop: Int, _ extent: Int) -> ContractionNest.Dimension {
      .init(terms: [.init(loop: loop)], extent: extent)
    }
    func factor(_ b: Int, _ t: Int, _ r: Int, _ p: Int) -> ContractionNest {
      ContractionNest(
        loops: [b, t, r, p], first: [plain(2, r), plain(1, t)],
        second: [plain(0, b), plain(2, r), plain(3, p)],
        result: [plain(0, b), plain(1, t), plain(3, p)])
    }
    /// r₁r₂h, b r₂ h w -> b r₁ h w with padding.
    func taps(_ b: Int, _ r1: Int, _ r2: Int, _ h: Int, _ w: Int) -> ContractionNest {
      ContractionNest(
        loops: [b, r1, r2, h, w, 3], first: [plain(1, r1), plain(2, r2), plain(5, 3)],
        second: [
          plain(0, b), plain(2, r2),
          .init(terms: [.init(loop: 3), .init(loop: 5)], offset: -1, extent: h), plain(4, w),
        ],
        result: [plain(0, b), plain(1, r1), plain(3, h), plain(4, w)])
    }
    return [
      ("factor", factor(3, 48, 10, 256)),
      (
        "product in four parts",
        ContractionNest(
          loops: [1000, 832, 6], first: [plain(0, 1000), plain(2, 6)],
          second: [plain(2, 6), plain(1, 832)], result: [plain(0, 1000), plain(1, 832)])
      ),
      ("factor of many ranks", factor(2, 20, 72, 144)),
      (
        "factor of a ring",
        ContractionNest(
          loops: [2, 49, 3, 5, 160], first: [plain(2, 3), plain(3, 5), plain(1, 49)],
          second: [plain(0, 2), plain(3, 5), plain(2, 3), plain(4, 160)],
          result: [plain(0, 2), plain(1, 49), plain(4, 160)])
      ),
      (
        "many small matrices",
        ContractionNest(
          loops: [40, 3, 4, 300], first: [plain(0, 40), plain(1, 3), plain(2, 4)],
          second: [plain(0, 40), plain(2, 4), plain(3, 300)],
          result: [plain(0, 40), plain(1, 3), plain(3, 300)])
      ),
      ("taps", taps(4, 5, 5, 12, 16)),
    ]
  }

  private static var nests: [(String, ContractionNest)] {
    func plain(_ loop: Int, _ extent: Int) -> ContractionNest.Dimension {
      .init(terms: [.init(loop: loop)], extent: extent)
    }
    /// bhws, tskl -> bhwt with 3 × 3 taps and padding.
    func convolution(_ b: Int, _ n: Int, _ s: Int, _ t: Int, stride: Int) -> ContractionNest {
      let out = (n - 1) / stride + 1
      func image(_ loop: Int, _ tap: Int) -> ContractionNest.Dimension {
        .init(
          terms: [.init(loop: loop, coefficient: stride), .init(loop: tap)], offset: -1, extent: n)
      }
      return ContractionNest(
        loops: [b, out, out, s, t, 3, 3],
        first: [plain(0, b), image(1, 5), image(2, 6), plain(3, s)],
        second: [plain(4, t), plain(3, s), plain(5, 3), plain(6, 3)],
        result: [plain(0, b), plain(1, out), plain(2, out), plain(4, t)])
    }
    return [
      ("convolution", convolution(4, 14, 32, 48, stride: 1)),
      ("convolution with a stride", convolution(4, 15, 16, 24, stride: 2)),
      (
        "product",
        ContractionNest(
          loops: [300, 200, 150], first: [plain(0, 300), plain(2, 150)],
          second: [plain(2, 150), plain(1, 200)], result: [plain(0, 300), plain(1, 200)])
      ),
      (
        "element-wise product",
        ContractionNest(
          loops: [200, 300], first: [plain(0, 200), plain(1, 300)],
          second: [plain(1, 300), plain(0, 200)], result: [plain(0, 200), plain(1, 300)])
      ),
    ]
  }
}

/// A sum that several threads add to.
private final class Counter: Sendable {
  private let sum = Atomic<Int>(0)
  var value: Int { sum.load(ordering: .sequentiallyConsistent) }
  func add(_ number: Int) { sum.add(number, ordering: .sequentiallyConsistent) }
}
