import TestSupport
import Testing

@testable import Kernels

/// What `docs/accuracy.md` promises of a 3 × 3 correlation and both its adjoints, on data that tempt a kernel to break
/// it: against sums in Double by the definition.
@Suite struct AccuracyTests {
  /// Two images of 13 × 13: the last tiles of a row or a column are cut.
  static let images = 2
  static let channels = 9
  static let nest = BlockedNestTests.convolution(batch: images, channels: channels, extent: 13)

  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    /// Changes one source, of ordinary numbers, or the other.
    var change: @Sendable (inout [Double], inout Generator) -> Void = { _, _ in }
    var changeOther: @Sendable (inout [Double], inout Generator) -> Void = { _, _ in }
  }

  private static func outliers(_ value: Double, every: Int) -> Case {
    Case(
      testDescription: "\(value) every \(every)",
      change: { x, generator in
        for _ in 0..<max(1, x.count / every) {
          x[Int.random(in: x.indices, using: &generator)] = value
        }
      })
  }

  static let cases: [Case] =
    [Case(testDescription: "ordinary")]
    + [1, 10, 100, -9999, 1e6, 1e10, 1e20, 1e30].map { outliers($0, every: .max) }
    + [100, 1e4, 1e30].flatMap { [outliers($0, every: 1000), outliers($0, every: 30)] }
    + [Double.infinity, -.infinity, .nan].flatMap {
      [outliers($0, every: .max), outliers($0, every: 3000)]
    } + [
      Case(
        testDescription: "mostly zeros",
        change: { x, generator in
          for i in x.indices {
            x[i] = Int.random(in: 0..<20, using: &generator) == 0 ? abs(x[i]) : 0
          }
        }),
      Case(testDescription: "zeros", change: { x, _ in for i in x.indices { x[i] = 0 } }),
      Case(
        testDescription: "alternating signs",
        change: { x, _ in for i in x.indices { x[i] = i % 2 == 0 ? 1 : -1 } }),
      Case(testDescription: "tiny", change: { x, _ in for i in x.indices { x[i] *= 1e-30 } }),
      Case(
        testDescription: "subnormal",
        change: { x, _ in for i in x.indices { x[i] = Double(Float(x[i] * 1e-40)) } }),
      Case(testDescription: "large", change: { x, _ in for i in x.indices { x[i] *= 1e34 } }),
      Case(
        testDescription: "half the image bright",
        change: { x, _ in for i in x.indices where i % 13 < 6 { x[i] *= 1e5 } }),
      Case(
        testDescription: "one image bright",
        change: { x, _ in for i in 0..<x.count / 2 { x[i] *= 1e6 } }),
      Case(
        testDescription: "outlier of the other source",
        changeOther: { w, generator in w[Int.random(in: w.indices, using: &generator)] = 1e6 }),
      Case(
        testDescription: "outliers of both",
        change: { x, generator in x[Int.random(in: x.indices, using: &generator)] = 200 },
        changeOther: { w, generator in w[Int.random(in: w.indices, using: &generator)] = 200 }),
      Case(
        testDescription: "infinity in the other source",
        changeOther: { w, generator in
          w[Int.random(in: w.indices, using: &generator)] = .infinity
        }),
    ]

  @Test(arguments: cases, ContractionNest.Role.allCases)
  func errorsAreBounded(_ example: Case, role: ContractionNest.Role) {
    var generator = Generator(seed: 0xACC)
    func numbers(_ count: Int) -> [Double] {
      (0..<count).map { _ in Double(Float.random(in: -1...1, using: &generator)) }
    }
    var p = numbers(Self.nest.count(role.sources.0))
    var q = numbers(Self.nest.count(role.sources.1))
    example.change(&p, &generator)
    example.changeOther(&q, &generator)
    (p, q) = (p.map { Double(Float($0)) }, q.map { Double(Float($0)) })
    let exact = Exact(Self.nest, role, p, q)
    check(exact, Double(Float.ulpOfOne), 0x1p-16, Float.self)
    check(exact, Double.ulpOfOne, 0x1p-44, Double.self)
  }

  /// Every way that the nest is run in: those of all contexts, and minimal filtering with all its tiles.
  private static func ways(_ role: ContractionNest.Role) -> [LoweredNest] {
    let roles = [role, role.sources.0, role.sources.1]
    let filtering = WinogradNest.candidates(nest, roles: roles, context: Context())
    return Context.tested.map { LoweredNest(nest, writing: role, context: $0) }
      + [filtering.first, filtering.last { $0.rows.results == 2 }].compactMap { $0 }.map {
        LoweredNest(nest, writing: role, context: Context(), way: .winograd($0))
      }
  }

  /// Results, and sums of the magnitudes of their terms.
  private struct Exact {
    let role: ContractionNest.Role
    let p: [Double]
    let q: [Double]
    let results: [Double]
    let sums: [Double]
    /// Of an image, or of all taps: of its sums that are not 0, and as many as there are results.
    let medians: [Double]

    init(
      _ nest: ContractionNest, _ role: ContractionNest.Role, _ p: [Double], _ q: [Double]
    ) {
      (self.role, self.p, self.q) = (role, p, q)
      results = nest.evaluateByDefinition(writing: role, p, q)
      let sums = nest.evaluateByDefinition(writing: role, p.map(abs), q.map(abs))
      self.sums = sums
      let groups = role == .second ? 1 : AccuracyTests.images
      let size = sums.count / groups
      medians = (0..<groups).flatMap { group in
        let present = sums[group * size..<(group + 1) * size].filter { $0 > 0 }.sorted()
        let median = present.isEmpty ? 0 : present[present.count / 2]
        return Array(repeating: median.isFinite ? median : 0, count: size)
      }
    }
  }

  private func check<Element: TensorElement>(
    _ exact: Exact, _ rounding: Double, _ share: Double, _ type: Element.Type
  ) {
    let (p, q) = (exact.p.map { Element($0) }, exact.q.map { Element($0) })
    let terms = exact.role == .second ? Self.images * 13 * 13 : 9 * Self.channels
    for way in Self.ways(exact.role) {
      for adding in [false, true] {
        let found = run(way, p, q, adding: adding)
        for (index, expected) in exact.results.enumerated() {
          let sum = exact.sums[index]
          let isRight: Bool
          if expected.isNaN {
            isRight = found[index].isNaN
          } else if expected.isInfinite || sum > Double(Element.greatestFiniteMagnitude) / 4 {
            // Near the largest number the order of the terms decides.
            isRight = expected.isFinite || Double(found[index]) == expected
          } else {
            let rounded = Double(terms) * (rounding * sum + Double(Element.leastNonzeroMagnitude))
            let error = abs(Double(found[index]) - expected)
            isRight = error <= share * (sum + exact.medians[index]) + rounded
          }
          guard isRight else {
            Issue.record(
              "\(found[index]) for \(expected), terms \(sum), at \(index), \(way), \(adding)")
            break
          }
        }
      }
    }
  }

  private func run<Element: TensorElement>(
    _ way: LoweredNest, _ p: [Element], _ q: [Element], adding: Bool
  ) -> [Element] {
    onArrays(
      workspaceCount: way.workspaceCount, count: way.destinationCount, p, q,
      adding: adding ? Array(repeating: 0, count: way.destinationCount) : nil
    ) { way.run(into: $0, $1, $2, workspace: $3, adding: adding) }
  }
}
