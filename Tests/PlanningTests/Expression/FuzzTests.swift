import Testing

@testable import Planning

/// SplitMix64 (Steele, Lea and Flood, 2014), so that every run tries the same texts.
private struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// Random texts never trap: they mean something that survives a round trip, or they are refused with
/// a place inside the text and a message in words.
@Suite struct FuzzTests {
  private static let pieces = [
    "a", "b", "h", "Z", "(r1)", "(h)", "( x )", "(", ")", "()", "...", "..", ".", ",", ",", "->",
    "-", ">", "|", " ", "\n", "\r\n", "3", "_", "é", "👩‍👩‍👧", "\u{0}", "\u{301}", "*",
  ]

  private static func text(
    of pieces: [String], upTo count: Int, _ generator: inout SeededGenerator
  ) -> String {
    (0..<Int.random(in: 0...count, using: &generator))
      .map { _ in pieces[Int.random(in: pieces.indices, using: &generator)] }.joined()
  }

  @Test func expressions() throws {
    var generator = SeededGenerator(state: 1)
    var parsed = 0
    for _ in 0..<20_000 {
      // Half of them from pieces that mostly fit together.
      let pieces = Bool.random(using: &generator) ? Self.pieces : Array("abh,,").map(String.init)
      var text = Self.text(of: pieces, upTo: 12, &generator)
      text += Self.text(of: ["->a", "|h", "->|bh"], upTo: 1, &generator)
      let expression: ConvEinsum
      do {
        expression = try ConvEinsum(text)
      } catch {
        checkPlace(error)
        continue
      }
      parsed += 1
      let again = try ConvEinsum(expression.description)
      #expect(again.operands == expression.operands, "\(text)")
      #expect(again.output == expression.output, "\(text)")
      #expect(again.convolutionModes == expression.convolutionModes, "\(text)")
    }
    #expect(parsed > 2_000 && parsed < 18_000)
  }

  @Test func options() throws {
    let whole = [
      "stride=2,", "padding=1:2,", "padding=wrap,", "boundary=circular,", "feature=0,", "kind=",
      "correlation,", "dilation=3,",
    ]
    let pieces = [
      "h", "*", "r1", ":", ":", ",", "=", "=", "stride", "padding", "dilation", "kind", "feature",
      "boundary", "same", "wrap", "1", "2", "0", "-1", "9999999999999999999", "zero", "circular",
      " ", "é", "(",
    ]
    var generator = SeededGenerator(state: 2)
    var parsed = 0
    for _ in 0..<20_000 {
      // Half of them from pieces that mostly fit together.
      let text =
        Bool.random(using: &generator)
        ? Self.text(of: pieces, upTo: 8, &generator)
        : "h:" + Self.text(of: whole, upTo: 4, &generator) + "stride=1"
      let rules: ConvRules
      do {
        rules = try ConvRules(options: [text])
      } catch {
        checkPlace(error)
        continue
      }
      parsed += 1
      #expect(try ConvRules(options: rules.options) == rules, "\(text)")
    }
    #expect(parsed > 2_000 && parsed < 18_000)
  }

  @Test func bindings() throws {
    let texts = [
      "ab,bc|b", "...a,...b->...ab", "aab,b", "h,h,h|h", "bhw,hw->bhw|hw", "a...,ah...|h", ",a",
    ]
    let extents = [-1, 0, 1, 1, 2, 3, 5, 1 << 31, .max, .min]
    let numbers = [-1, 0, 1, 1, 1, 2, 3, 1 << 40, .max, .min]
    let paddings: [ConvRule.Padding?] = [nil, .same, .valid, .full, .wrap]
    var generator = SeededGenerator(state: 3)
    func pick<T>(_ values: [T]) -> T {
      values[Int.random(in: values.indices, using: &generator)]
    }
    var bound = 0
    for _ in 0..<20_000 {
      let expression = try ConvEinsum(pick(texts))
      let isSmall = Bool.random(using: &generator)
      let shapes = expression.operands.map { term in
        let count = term.modes.count + (term.ellipsis == nil ? 0 : pick([0, 1, 2]))
        return (0..<max(0, count + pick([0, 0, 0, 0, 0, 0, 0, 1, -1]))).map { _ in
          isSmall ? pick([1, 2]) : pick(extents)
        }
      }
      let explicit = ConvRule.Padding.explicit(low: pick(numbers), high: pick(numbers))
      let rule = ConvRule(
        stride: pick(numbers), dilation: pick(numbers), padding: pick(paddings + [explicit]),
        kind: pick(ConvRule.Kind.allCases), boundary: pick(ConvRule.Boundary.allCases),
        feature: pick([nil, nil, 0, 1, 7, .min]))
      do {
        let result = try BoundExpression(expression, shapes: shapes, rules: ConvRules(all: rule))
        bound += 1
        for (index, mode) in result.modes.enumerated() {
          let least = mode.convolution == nil ? 0 : 1
          #expect(result.outputExtent(index) >= least, "\(expression) \(shapes) \(rule)")
        }
        #expect(result.outputShape.count == result.output.count)
      } catch {
        #expect(!error.description.isEmpty)
      }
    }
    #expect(bound > 500)
  }

  private func checkPlace(_ error: ExpressionError) {
    if let range = error.range {
      #expect(0 <= range.lowerBound && range.lowerBound < range.upperBound)
      #expect(range.upperBound <= error.text.count + 1, "\(error)")
    }
    let lines = error.description.split(separator: "\n", omittingEmptySubsequences: false)
    #expect(lines.count == (error.range == nil ? 3 : 4), "\(error)")
  }
}
