import TestSupport
import Testing

@testable import Kernels

/// Sums of millions of equal terms, of which running sums in Float would lose a tenth or a half.
@Suite struct LongSumTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let nest: ContractionNest
    let role: ContractionNest.Role
    let terms: Int
  }

  private static func plain(_ loop: Int, _ extent: Int) -> ContractionNest.Dimension {
    .init(terms: [.init(loop: loop)], extent: extent)
  }

  /// Of `count` terms each, or a few more.
  static func cases(_ count: Int) -> [Case] {
    let side = Int(Double(count).squareRoot().rounded(.up))
    let samples = max(1, count / (24 * 24))
    let convolution = BlockedNestTests.convolution(batch: samples, channels: 4, extent: 24)
    return [
      Case(
        testDescription: "ij->j",
        nest: ContractionNest(
          loops: [count, 2], first: [plain(0, count), plain(1, 2)], second: [],
          result: [plain(1, 2)]), role: .result, terms: count),
      Case(
        testDescription: "ji->j",
        nest: ContractionNest(
          loops: [2, count], first: [plain(0, 2), plain(1, count)], second: [],
          result: [plain(0, 2)]), role: .result, terms: count),
      Case(
        testDescription: "ijk->j",
        nest: ContractionNest(
          loops: [side, 3, side], first: [plain(0, side), plain(1, 3), plain(2, side)], second: [],
          result: [plain(1, 3)]), role: .result, terms: side * side),
      Case(
        testDescription: "ia,ia->a",
        nest: ContractionNest(
          loops: [count, 2], first: [plain(0, count), plain(1, 2)],
          second: [plain(0, count), plain(1, 2)], result: [plain(1, 2)]), role: .result,
        terms: count),
      Case(
        testDescription: "ai,ai->a",
        nest: ContractionNest(
          loops: [2, count], first: [plain(0, 2), plain(1, count)],
          second: [plain(0, 2), plain(1, count)], result: [plain(0, 2)]), role: .result,
        terms: count),
      Case(
        testDescription: "i,i->",
        nest: ContractionNest(
          loops: [count], first: [plain(0, count)], second: [plain(0, count)], result: []),
        role: .result, terms: count),
      Case(
        testDescription: "ka,kb->ab",
        nest: ContractionNest(
          loops: [count, 3, 2], first: [plain(0, count), plain(1, 3)],
          second: [plain(0, count), plain(2, 2)], result: [plain(1, 3), plain(2, 2)]),
        role: .result, terms: count),
      Case(
        testDescription: "ak,bk->ab",
        nest: ContractionNest(
          loops: [count, 3, 2], first: [plain(1, 3), plain(0, count)],
          second: [plain(2, 2), plain(0, count)], result: [plain(1, 3), plain(2, 2)]),
        role: .result, terms: count),
      // Of the tap in the middle; the sums of the others leave borders out.
      Case(
        testDescription: "gradient of taps", nest: convolution, role: .second,
        terms: samples * 24 * 24),
    ]
  }

  @Test(arguments: cases(1 << 20), [0.1, 0.7, 1 / 3.0])
  func equalTerms(_ example: Case, value: Double) {
    for context in Context.tested { check(example, value, context) }
  }

  /// Runs of 512, of which at most 64 are added up: (512 + 64) / 3 units.
  @Test(arguments: cases(600) + cases(5000) + cases(32_000), [0.1, 0.7, 1 / 3.0])
  func thousandsOfEqualTerms(_ example: Case, value: Double) {
    for context in Context.tested { check(example, value, context, within: 1.2e-5) }
  }

  /// Whole numbers up to 2²⁴ are exact, and twice as many ones were 2²⁴ all the same.
  @Test func moreOnesThanFloatCanCount() {
    for context in Context.tested { check(Self.cases(1 << 25)[0], 1, context) }
  }

  private func check(
    _ example: Case, _ value: Double, _ context: Context, within bound: Double = 1e-6
  ) {
    let (nest, role) = (example.nest, example.role)
    let lowered = LoweredNest(nest, writing: role, context: context)
    let p = Tensor.repeating(Float(value), shape: [nest.count(role.sources.0)])
    let q = Tensor.repeating(Float(0.3), shape: [nest.count(role.sources.1)])
    var d = Tensor.repeating(Float.nan, shape: [nest.count(role)])
    var workspace = Tensor.repeating(Float.nan, shape: [lowered.workspaceCount])
    d.withMutablePointer { d in
      workspace.withMutablePointer { workspace in
        p.withPointer { p in q.withPointer { lowered.run(into: d, p, $0, workspace: workspace) } }
      }
    }
    let expected = Double(example.terms) * Double(Float(value)) * Double(Float(0.3))
    let found = role == .second ? [d.elements.max() ?? 0] : d.elements
    for found in found {
      let error = abs(Double(found) / expected - 1)
      #expect(error <= bound, "\(error) by \(lowered) in \(context)")
    }
  }
}
