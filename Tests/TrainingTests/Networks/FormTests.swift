import Foundation
import Kernels
import Planning
import TestSupport
import Testing

@testable import Training

/// Forms as data: text, ranks, shapes and initial values.
@Suite struct FormTests {
  static let square = KernelShape(inputChannels: 64, outputChannels: 64, height: 3, width: 3)

  /// The factors as design.md, section 2, writes them.
  @Test(arguments: [
    ("dense", "tshw"), ("cp", "rt,rs,rh,rw"), ("tk", "(r1)t,(r2)s,(r1)(r2)hw"),
    ("tt", "(r1)t,(r1)(r2)h,(r2)(r3)w,(r3)s"),
    ("tr", "(r0)(r1)t,(r1)(r2)h,(r2)(r3)w,(r3)(r0)s"), ("bt", "c(r1)t,c(r2)s,c(r1)(r2)hw"),
    ("rcp", "r(t1)(s1),r(t2)(s2),r(t3)(s3),rhw"),
    ("rtk", "(r1)(t1)(s1),(r2)(t2)(s2),(r3)(t3)(s3),(r0)hw,(r0)(r1)(r2)(r3)"),
    ("rtt", "(r1)(t1)(s1),(r1)(r2)(t2)(s2),(r2)(r3)(t3)(s3),(r3)hw"),
    ("rtr", "(r0)(r1)(t1)(s1),(r1)(r2)(t2)(s2),(r2)(r3)(t3)(s3),(r3)(r0)hw"),
  ])
  func factorsAreThoseOfTheDesign(name: String, factors: String) throws {
    let form = try Form.named(name)
    #expect(form.description == factors)
    // The text is an expression, and its operands are the factors.
    let parsed = try ConvEinsum(form.expression)
    #expect(parsed.operands.dropFirst().map(\.modes) == form.factors)
    #expect(parsed.convolutionModes == ["h", "w"])
  }

  @Test func expressionsPutChannelsLast() {
    #expect(Form.cp.expression == "bhws,rt,rs,rh,rw->bhwt|hw")
    #expect(
      Form.reshapedCP.expression
        == "bhw(s1)(s2)(s3),r(t1)(s1),r(t2)(s2),r(t3)(s3),rhw->bhw(t1)(t2)(t3)|hw")
  }

  /// Ranks of `scripts/peers/layers.json`, which were not made by this code: S, T, then the ranks at
  /// compressions 0.02, 0.1 and 0.5.
  @Test(arguments: [
    ("cp", 64, [5, 27, 137]), ("cp", 128, [11, 56, 281]), ("tk", 64, [4, 14, 38]),
    ("tk", 128, [8, 28, 77]), ("tt", 64, [4, 16, 45]), ("tt", 128, [9, 32, 91]),
    ("tr", 64, [2, 5, 11]), ("tr", 128, [3, 7, 16]), ("rcp", 64, [12, 64, 323]),
    ("rcp", 128, [28, 140, 702]), ("rtt", 64, [4, 10, 23]), ("rtt", 128, [5, 13, 30]),
    ("rtr", 64, [3, 8, 17]), ("rtr", 128, [5, 11, 26]), ("rtk", 64, [4, 7, 11]),
    ("rtk", 128, [6, 10, 16]),
  ])
  func ranksAreThoseOfTheCases(name: String, channels: Int, ranks: [Int]) throws {
    let form = try Form.named(name)
    let kernel = KernelShape(
      inputChannels: channels, outputChannels: channels, height: 3, width: 3)
    #expect([0.02, 0.1, 0.5].map { form.rank(of: kernel, compression: $0) } == ranks)
  }

  /// The closed formulas of the design.
  @Test(arguments: [(32, 64, 3, 3), (64, 128, 3, 3), (128, 128, 5, 3), (17, 90, 1, 7)])
  func ranksFollowTheClosedFormulas(s: Int, t: Int, h: Int, w: Int) {
    let kernel = KernelShape(inputChannels: s, outputChannels: t, height: h, width: w)
    for compression in [0.013, 0.1, 0.37, 1] {
      let parameters = compression * Double(s * t * h * w)
      let sum = Double(s + t + h + w)
      func root(_ square: Int, _ linear: Int) -> Int {
        let (a, b) = (Double(square), Double(linear))
        return Int((-b + (b * b + 4 * a * parameters).squareRoot()) / (2 * a))
      }
      func rank(_ form: Form) -> Int { form.rank(of: kernel, compression: compression) }
      #expect(rank(.cp) == max(1, Int(parameters / sum)))
      #expect(rank(.tensorRing) == max(1, Int((parameters / sum).squareRoot())))
      #expect(rank(.tucker) == max(1, root(h * w, s + t)))
      #expect(rank(.tensorTrain) == max(1, root(h + w, s + t)))
      #expect(rank(.blockTerm) == max(1, root(4 * h * w, 4 * (s + t))))
    }
  }

  /// Whatever the form: one rank more would exceed the budget, this one does not.
  @Test(arguments: Form.all.filter(\.hasRank))
  func theRankIsTheLargestThatFits(form: Form) {
    for compression in [0.05, 0.25, 1, 3] {
      let budget = compression * Double(Self.square.count)
      let rank = form.rank(of: Self.square, compression: compression)
      func count(_ rank: Int) -> Int {
        form.factorShapes(Self.square, rank: rank).reduce(0) { $0 + $1.reduce(1, *) }
      }
      #expect(Double(count(rank)) <= budget && Double(count(rank + 1)) > budget)
    }
  }

  @Test func theRankIsAtLeastOne() {
    #expect(Form.cp.rank(of: Self.square, compression: 1e-9) == 1)
    #expect(Form.tensorRing.rank(of: Self.square, compression: 1e-300) == 1)
  }

  /// 0.3 · 450 is 134.99999999999997 in binary, but 27 · 5 parameters are asked for.
  @Test func decimalCompressionsAreExact() {
    let kernel = KernelShape(inputChannels: 5, outputChannels: 10, height: 3, width: 3)
    let budget = Form.cp.parameterCount(kernel, rank: 4)
    for rank in 1...4 {
      let compression = Double(rank) / 4 * budget / Double(kernel.count)
      #expect(Form.cp.rank(of: kernel, compression: compression) == rank)
      #expect(Form.cp.rank(of: kernel, compression: compression.nextDown) == rank)
    }
  }

  @Test func factorShapes() {
    let kernel = KernelShape(inputChannels: 128, outputChannels: 64, height: 3, width: 5)
    #expect(Form.dense.factorShapes(kernel, rank: 1) == [[64, 128, 3, 5]])
    #expect(Form.tucker.factorShapes(kernel, rank: 7) == [[7, 64], [7, 128], [7, 7, 3, 5]])
    #expect(
      Form.reshapedCP.factorShapes(kernel, rank: 2)
        == [[2, 4, 4], [2, 4, 4], [2, 4, 8], [2, 3, 5]])
    #expect(
      Form.blockTerm.factorShapes(kernel, rank: 2) == [[4, 2, 64], [4, 2, 128], [4, 2, 2, 3, 5]])
  }

  /// Against all triples of divisors.
  @Test func channelsAreFactoredEvenly() {
    for number in 1...130 {
      let factors = evenFactors(number, count: 3)
      var least = Int.max
      for a in 1...number where number % a == 0 {
        for b in 1...number / a where number / a % b == 0 {
          least = min(least, a + b + number / a / b)
        }
      }
      #expect(factors.reduce(1, *) == number && factors.reduce(0, +) == least)
      #expect(factors == factors.sorted())
    }
    #expect(evenFactors(6, count: 1) == [6])
    #expect(evenFactors(512, count: 3) == [8, 8, 8])
  }

  @Test func namesAreFoundInAnyCase() throws {
    #expect(try Form.named("Cp") == .cp)
    #expect(throws: NetworkError.unknownForm(name: "cpp", known: Form.all.map(\.name))) {
      try Form.named("cpp")
    }
    #expect(Set(Form.all.map(\.name)).count == Form.all.count)
  }
}
