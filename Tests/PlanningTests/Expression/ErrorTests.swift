import Testing

@testable import Planning

/// Snapshots of every message about an expression's text.
@Suite struct SyntaxErrorTests {
  static let messages: [(String, String)] = [
    (
      "bs3,st->bt",
      """
      found '3', expected a mode, '...', ',', '->' or '|'
        bs3,st->bt
          ^
      Fix: a mode is a letter (A-Z, a-z) or a name in parentheses: write (3)
      """
    ),
    (
      "ij->i*",
      """
      found '*', expected a mode, '...' or '|'
        ij->i*
             ^
      Fix: a mode is a letter (A-Z, a-z) or a name in parentheses, such as (r1)
      """
    ),
    (
      "αi",
      """
      found 'α', expected a mode, '...', ',', '->' or '|'
        αi
        ^
      Fix: a mode is a letter (A-Z, a-z) or a name in parentheses, such as (r1)
      """
    ),
    (
      "ij,j)k",
      """
      found ')', expected a mode, '...', ',', '->' or '|'
        ij,j)k
            ^
      Fix: leave ')' out, or write '(' before the name
      """
    ),
    (
      "ij->i,j",
      """
      found ',', expected a mode, '...' or '|'
        ij->i,j
             ^
      Fix: an expression has one output: leave ',' out
      """
    ),
    (
      "ij->i->j",
      """
      found '->', expected a mode, '...' or '|'
        ij->i->j
             ^^
      Fix: an expression has one '->': leave the other out
      """
    ),
    (
      "ij|j->i",
      """
      found '->', expected a mode or ','
        ij|j->i
            ^^
      Fix: put '->' and the output before '|'
      """
    ),
    (
      "ij|i|j",
      """
      found '|', expected a mode or ','
        ij|i|j
            ^
      Fix: an expression has one '|': list all convolution modes after it
      """
    ),
    (
      "...i|...",
      """
      found '...', expected a mode or ','
        ...i|...
             ^^^
      Fix: name the convolution modes: '...' cannot be one
      """
    ),
    (
      "ij-ik",
      """
      found '-', expected '->'
        ij-ik
          ^
      Fix: write '->'
      """
    ),
    (
      "..i",
      """
      found '..', expected '...'
        ..i
        ^^
      Fix: write '...'
      """
    ),
    (
      "...i...",
      """
      found a second '...' in one term, expected at most one
        ...i...
            ^^^
      Fix: leave one of them out
      """
    ),
    (
      "a(r1,b",
      """
      found '(' without its ')'
        a(r1,b
         ^
      Fix: close the name with ')', or leave '(' out
      """
    ),
    (
      "a( )",
      """
      found '()', expected a name in the parentheses
        a( )
         ^^^
      Fix: write a name such as (r1)
      """
    ),
    (
      "a(h w)",
      """
      found ' ' in a name, expected a letter, a digit, '_' or ')'
        a(h w)
           ^
      Fix: name one mode of A-Z, a-z, 0-9 and '_' in each pair of parentheses, such as (r1)(r2)
      """
    ),
    (
      "a(r-1)",
      """
      found '-' in a name, expected a letter, a digit, '_' or ')'
        a(r-1)
           ^
      Fix: name one mode of A-Z, a-z, 0-9 and '_' in each pair of parentheses, such as (r1)(r2)
      """
    ),
    (
      "x,x->x|",
      """
      found no mode after '|', expected a convolution mode
        x,x->x|
               ^
      Fix: name a mode after '|', or leave '|' out
      """
    ),
    (
      "xy,xy|x,,y",
      """
      found no mode after ',', expected a convolution mode
        xy,xy|x,,y
                ^
      Fix: name a mode after ',', or leave ',' out
      """
    ),
    (
      "xy,xy|xyx",
      """
      convolution mode x is listed twice, expected each once
        xy,xy|xyx
                ^
      Fix: leave one of them out
      """
    ),
    (
      "b(h1)->b|(h2)",
      """
      convolution mode (h2) is in no operand, expected a mode of the operands
        b(h1)->b|(h2)
                 ^^^^
      Fix: did you mean (h1)? Otherwise write (h2) in an operand, or leave it out after '|'
      """
    ),
    (
      "x,xx|x",
      """
      convolution mode x stands twice in operand 1, expected at most once
        x,xx|x
           ^
      Fix: name the two dimensions differently: a convolution mode has no diagonal
      """
    ),
    (
      "ij->iji",
      """
      mode i stands twice in the output, expected each once
        ij->iji
              ^
      Fix: leave one of them out
      """
    ),
    (
      "ij->ik",
      """
      output mode k is in no operand, expected a mode of the operands
        ij->ik
             ^
      Fix: write k in an operand, or leave it out of the output
      """
    ),
    (
      "i\u{7}\n3",
      """
      found '\u{FFFD}', expected a mode, '...', ',', '->' or '|'
        i\u{FFFD} 3
         ^
      Fix: a mode is a letter (A-Z, a-z) or a name in parentheses, such as (r1)
      """
    ),
  ]

  @Test(arguments: messages)
  func message(text: String, expected: String) throws {
    let error = try #require(throws: ExpressionError.self) { try ConvEinsum(text) }
    #expect(error.description == expected)
    #expect(error.text == text)
  }

  @Test func values() throws {
    let error = try #require(throws: ExpressionError.self) { try ConvEinsum("ab->c") }
    #expect(error.kind == .syntax(.unknownOutputMode("c", nearest: nil)))
    #expect(error.range == 4..<5)
  }

  @Test func longTextsAreCutAroundTheFault() throws {
    let text = String(repeating: "ab,", count: 100) + "?" + String(repeating: "ab,", count: 100)
    let error = try #require(throws: ExpressionError.self) { try ConvEinsum(text) }
    let lines = error.description.split(separator: "\n")
    let caret = try #require(lines[2].firstIndex(of: "^"))
    let column = lines[2].distance(from: lines[2].startIndex, to: caret)
    #expect(Array(lines[1])[column] == "?")
    #expect(lines[1].count == 94)
    #expect(lines[1].hasPrefix("  …") && lines[1].hasSuffix("…"))
  }
}

/// Snapshots of every message about shapes and rules.
@Suite struct BindingErrorTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let text: String
    let shapes: [[Int]]
    var rules = ConvRules()
    let message: String
    var testDescription: String { "\(text) \(shapes)" }
  }

  static let cases = [
    Case(
      text: "ij,jk->ik", shapes: [[2, 3]],
      message: """
        found 1 shape, expected 2, one for each operand
          ij,jk->ik
        Fix: give one shape for each operand, in order
        """),
    Case(
      text: "ij,jk->ik", shapes: [[2, 3], [3]],
      message: """
        operand 1 'jk' of shape (3) has 1 dimension, expected 2
          ij,jk->ik
        Fix: give a shape with one extent for each mode, or write '...' for the other dimensions
        """),
    Case(
      text: "i...j", shapes: [[2]],
      message: """
        operand 0 'i...j' of shape (2) has 1 dimension, expected at least 2
          i...j
        Fix: give a shape with one extent for each mode
        """),
    Case(
      text: "i,", shapes: [[2], [-1]],
      message: """
        operand 1 '' of shape (-1) has 1 dimension, expected 0
          i,
        Fix: give a shape with one extent for each mode, or write '...' for the other dimensions
        """),
    Case(
      text: "ij", shapes: [[2, -3]],
      message: """
        operand 0 'ij' of shape (2,-3) has extent -3 in dimension 1, expected 0 or more
          ij
        Fix: give the extents of the operand
        """),
    Case(
      text: "ij,jk->ik", shapes: [[2, 3], [4, 5]],
      message: """
        mode j has extent 3 in dimension 1 of operand 0 'ij' of shape (2,3), but 4 in dimension 0 \
        of operand 1 'jk' of shape (4,5)
          ij,jk->ik
        Fix: make the extents equal, or name the dimensions differently
        """),
    Case(
      text: "i,i", shapes: [[1], [3]],
      message: """
        mode i has extent 1 in dimension 0 of operand 0 'i' of shape (1), but 3 in dimension 0 \
        of operand 1 'i' of shape (3)
          i,i
        Fix: make the extents equal, or name the dimensions differently
        """),
    Case(
      text: "ii", shapes: [[2, 3]],
      message: """
        mode i has extent 2 in dimension 0 of operand 0 'ii' of shape (2,3), but 3 in dimension 1 \
        of operand 0 'ii' of shape (2,3)
          ii
        Fix: make the extents equal, or name the dimensions differently
        """),
    Case(
      text: "...,...,...", shapes: [[1], [2, 3], [4]],
      message: """
        a dimension of '...' has extent 3 in dimension 1 of operand 1 '...' of shape (2,3), but 4 \
        in dimension 0 of operand 2 '...' of shape (4)
          ...,...,...
        Fix: make the extents equal, or one of them 1
        """),
    Case(
      text: "i...,...->i", shapes: [[2], [3, 4]],
      message: """
        '...' stands for 2 dimensions of operand 1 '...' of shape (3,4), but is not in the output
          i...,...->i
        Fix: write '...' in the output
        """),
    Case(
      text: "x,x|x", shapes: [[5], [0]],
      message: """
        convolution mode x has extent 0 in operand 1 'x' of shape (0), expected at least 1
          x,x|x
        Fix: give the operand at least one element along x
        """),
    Case(
      text: "(x1)y,(x1)->y|(x1)", shapes: [[5, 2], [3]],
      rules: ConvRules(byMode: ["x2": ConvRule()]),
      message: """
        found a rule for 'x2', expected a convolution mode of the expression: x1
          (x1)y,(x1)->y|(x1)
        Fix: did you mean x1? Otherwise list the mode after '|', or leave its rule out
        """),
    Case(
      text: "ij", shapes: [[2, 3]], rules: ConvRules(byMode: ["i": ConvRule()]),
      message: """
        found a rule for 'i', expected a convolution mode of the expression: it has none
          ij
        Fix: list the mode after '|', or leave its rule out
        """),
    Case(
      text: "x,y,x|x", shapes: [[5], [2], [3]],
      rules: ConvRules(all: ConvRule(feature: 1)),
      message: """
        operand 1 cannot be the feature of convolution mode x, which is in operand 0 and 2
          x,y,x|x
        Fix: write feature=0, or leave feature out for the largest
        """),
    Case(
      text: "x,x|x", shapes: [[5], [3]], rules: ConvRules(all: ConvRule(stride: 0)),
      message: """
        convolution mode x has stride 0, expected an integer of at least 1
          x,x|x
        Fix: use at least 1
        """),
    Case(
      text: "x,x|x", shapes: [[5], [3]],
      rules: ConvRules(all: ConvRule(padding: .explicit(low: 0, high: -1))),
      message: """
        convolution mode x has padding -1, expected same, valid, full, wrap, default, or lo:hi of \
        at least 0
          x,x|x
        Fix: use at least 0
        """),
    Case(
      text: "x,x|x", shapes: [[5], [3]], rules: ConvRules(all: ConvRule(padding: .wrap)),
      message: """
        convolution mode x has padding wrap and a zero boundary
          x,x|x
        Fix: use boundary=circular, or padding same, valid, full or lo:hi
        """),
    Case(
      text: "x,x,x|x", shapes: [[5], [3], [3]],
      rules: ConvRules(all: ConvRule(stride: 4, dilation: 2, padding: .explicit(low: 1, high: 1))),
      message: """
        convolution mode x has no output: its feature of extent 5, padded by 1:1, is shorter than \
        its filters, of extent 3 and 3 at dilation 2
          x,x,x|x
        Fix: pad more (padding=full or lo:hi), or use smaller filters or a smaller dilation
        """),
    Case(
      text: "x,x|x", shapes: [[5], [3]], rules: ConvRules(all: ConvRule(dilation: .max)),
      message: """
        the padding or the reach of convolution mode x is larger than any index
          x,x|x
        Fix: use a smaller padding or dilation
        """),
    Case(
      text: "ijk->", shapes: [[1 << 30, 0, 1 << 30]],
      message: """
        operand 0 'ijk' of shape (1073741824,0,1073741824) has more elements than memory has \
        addresses
          ijk->
        Fix: use smaller extents
        """),
    Case(
      text: "i,j,k", shapes: [[1 << 20], [1 << 20], [1 << 20]],
      message: """
        the output of shape (1048576,1048576,1048576) has more elements than memory has addresses
          i,j,k
        Fix: leave modes out of the output, or use smaller extents
        """),
  ]

  @Test(arguments: cases)
  func message(_ example: Case) throws {
    let error = try #require(throws: ExpressionError.self) {
      try BoundExpression(example.text, shapes: example.shapes, rules: example.rules)
    }
    #expect(error.description == example.message)
    #expect(error.range == nil)
  }

  @Test(arguments: [
    ConvRule(padding: .explicit(low: .max, high: 1)),
    ConvRule(padding: .explicit(low: .max / 2, high: .max / 2)),
    ConvRule(dilation: .max / 2 + 1),
    ConvRule(dilation: .max / 2, padding: .full),
    ConvRule(dilation: .max / 2),
  ])
  func hugeNumbersOverflowNowhere(rule: ConvRule) {
    #expect(throws: ExpressionError.self) {
      try BoundExpression("x,x|x", shapes: [[5], [3]], rules: ConvRules(all: rule))
    }
  }

  @Test func payload() throws {
    let error = try #require(throws: ExpressionError.self) {
      try BoundExpression("ij,jk", shapes: [[2, 3], [4, 5]])
    }
    guard case .binding(.unequalExtents(let mode, let first, let second)) = error.kind else {
      Issue.record("\(error.kind)")
      return
    }
    #expect(mode == "j")
    #expect((first.operand.index, first.dimension, first.extent) == (0, 1, 3))
    #expect((second.operand.index, second.dimension, second.extent) == (1, 0, 4))
    #expect(second.operand.shape == [4, 5])
  }

  @Test(arguments: [
    ("", "abc", 3), ("kitten", "sitting", 3), ("flaw", "lawn", 2), ("same", "same", 0),
    ("form", "from", 1),
  ])
  func editDistances(a: String, b: String, expected: Int) {
    #expect(editDistance(Array(a), Array(b)) == expected)
  }
}
