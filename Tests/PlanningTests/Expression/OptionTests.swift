import Testing

@testable import Planning

@Suite struct OptionTests {
  @Test func allSettings() throws {
    let text = "h:stride=2,padding=1:2,dilation=3,kind=correlation,boundary=circular,feature=1"
    let expected = ConvRule(
      stride: 2, dilation: 3, padding: .explicit(low: 1, high: 2), kind: .correlation,
      boundary: .circular, feature: 1)
    #expect(try ConvRules(options: [text]) == ConvRules(byMode: ["h": expected]))
  }

  @Test(arguments: [
    ("same", ConvRule.Padding.same), ("valid", .valid), ("full", .full),
    ("0:0", .explicit(low: 0, high: 0)), ("10:3", .explicit(low: 10, high: 3)), ("default", nil),
  ])
  func padding(text: String, expected: ConvRule.Padding?) throws {
    let rules = try ConvRules(options: ["*:padding=valid", "h:padding=\(text)"])
    #expect(rules["h"].padding == expected)
    #expect(rules["w"].padding == .valid)
  }

  @Test func settingsOfAModeGoOverThoseOfAll() throws {
    let general = "*:stride=3,kind=correlation"
    let own = "h:stride=2,dilation=2"
    let rules = try ConvRules(options: [general, own])
    #expect(rules == (try ConvRules(options: [own, general])))
    #expect(rules["h"] == ConvRule(stride: 2, dilation: 2, kind: .correlation))
    #expect(rules["w"] == ConvRule(stride: 3, kind: .correlation))
  }

  @Test func laterOptionsCount() throws {
    let rules = try ConvRules(options: [
      "h:stride=2,dilation=2", "*:feature=1", "h:stride=3", "*:feature=largest",
      "h:dilation=4,dilation=5",
    ])
    #expect(rules == ConvRules(byMode: ["h": ConvRule(stride: 3, dilation: 5)]))
  }

  @Test func whiteSpaceAndNames() throws {
    let rules = try ConvRules(options: [" h_1 : stride = 2 , padding = 1 : 2 "])
    #expect(
      rules.byMode == ["h_1": ConvRule(stride: 2, padding: .explicit(low: 1, high: 2))])
    #expect(try ConvRules(options: []) == ConvRules())
  }

  @Test func wrapMayGetItsBoundaryFromEitherSide() throws {
    let wrapped = ConvRule(padding: .wrap, boundary: .circular)
    #expect(try ConvRules(options: ["*:padding=wrap", "h:boundary=circular"])["h"] == wrapped)
    #expect(try ConvRules(options: ["h:padding=wrap", "*:boundary=circular"])["h"] == wrapped)
  }

  static let rules = [
    ConvRules(),
    ConvRules(all: ConvRule(stride: 2)),
    ConvRules(byMode: ["h": ConvRule()]),
    ConvRules(all: ConvRule(stride: 2), byMode: ["h": ConvRule(), "w1": ConvRule(stride: 2)]),
    ConvRules(
      all: ConvRule(dilation: 2, padding: .full, kind: .correlation, feature: 3),
      byMode: ["x": ConvRule(), "y": ConvRule(padding: .explicit(low: 1, high: 0), feature: 0)]),
    ConvRules(
      all: ConvRule(padding: .wrap, boundary: .circular),
      byMode: ["x": ConvRule(padding: .valid), "y": ConvRule(boundary: .circular)]),
  ]

  @Test(arguments: rules)
  func roundTrip(rules: ConvRules) throws {
    #expect(try ConvRules(options: rules.options) == rules)
  }

  @Test func options() {
    let rules = ConvRules(
      all: ConvRule(padding: .same, kind: .correlation),
      byMode: [
        "w": ConvRule(stride: 2, kind: .correlation), "h": ConvRule(padding: .same, feature: 1),
      ])
    #expect(
      rules.options == [
        "*:padding=same,kind=correlation", "h:kind=convolution,feature=1",
        "w:stride=2,padding=default",
      ])
    #expect(ConvRules().options.isEmpty)
  }

  static let messages: [(String, String)] = [
    (
      "stride=2",
      """
      found no ':', expected a mode, or '*' for all, then ':' and its settings
        stride=2
        ^^^^^^^^
      Fix: write an option such as h:stride=2,padding=1:2
      """
    ),
    (
      "",
      """
      found no ':', expected a mode, or '*' for all, then ':' and its settings
        \("")
        ^
      Fix: write an option such as h:stride=2,padding=1:2
      """
    ),
    (
      "(h1):stride=2",
      """
      found '(h1)', expected the name of one mode, or '*' for all
        (h1):stride=2
        ^^^^
      Fix: name the mode without parentheses, and one mode in each option, such as h1:stride=2
      """
    ),
    (
      ":stride=2",
      """
      found nothing, expected the name of one mode, or '*' for all
        :stride=2
        ^
      Fix: name the mode without parentheses, and one mode in each option, such as h1:stride=2
      """
    ),
    (
      "h:",
      """
      found no setting, expected stride, padding, dilation, kind, boundary or feature
        h:
          ^
      Fix: write a setting such as stride=2
      """
    ),
    (
      "h:stride=2,,kind=correlation",
      """
      found no setting, expected stride, padding, dilation, kind, boundary or feature
        h:stride=2,,kind=correlation
                   ^
      Fix: write a setting such as stride=2
      """
    ),
    (
      "h:stride",
      """
      found no value for 'stride'
        h:stride
          ^^^^^^
      Fix: write stride=VALUE
      """
    ),
    (
      "h:stride=2,pad=same",
      """
      found setting 'pad', expected stride, padding, dilation, kind, boundary or feature
        h:stride=2,pad=same
                   ^^^
      Fix: write a setting such as stride=2
      """
    ),
    (
      "h: strides = 2",
      """
      found setting 'strides', expected stride, padding, dilation, kind, boundary or feature
        h: strides = 2
           ^^^^^^^
      Fix: did you mean stride? Otherwise write a setting such as stride=2
      """
    ),
    (
      "h:padding=smae",
      """
      found 'smae' for padding, expected same, valid, full, wrap, default, or lo:hi of at least 0
        h:padding=smae
                  ^^^^
      Fix: did you mean same? Otherwise write padding=1:2
      """
    ),
    (
      "h:padding=1",
      """
      found '1' for padding, expected same, valid, full, wrap, default, or lo:hi of at least 0
        h:padding=1
                  ^
      Fix: write padding=1:1, before and after
      """
    ),
    (
      "h:padding=1:",
      """
      found '1:' for padding, expected same, valid, full, wrap, default, or lo:hi of at least 0
        h:padding=1:
                  ^^
      Fix: write padding=1:2
      """
    ),
    (
      "h:padding=1:-2",
      """
      found -2 for padding, expected same, valid, full, wrap, default, or lo:hi of at least 0
        h:padding=1:-2
                    ^^
      Fix: use at least 0
      """
    ),
    (
      "h:stride=0",
      """
      found 0 for stride, expected an integer of at least 1
        h:stride=0
                 ^
      Fix: use at least 1
      """
    ),
    (
      "h:dilation=1.5",
      """
      found '1.5' for dilation, expected an integer of at least 1
        h:dilation=1.5
                   ^^^
      Fix: write dilation=2
      """
    ),
    (
      "h:kind=corelation",
      """
      found 'corelation' for kind, expected convolution or correlation
        h:kind=corelation
               ^^^^^^^^^^
      Fix: did you mean correlation? Otherwise write kind=correlation
      """
    ),
    (
      "h:boundary=reflect",
      """
      found 'reflect' for boundary, expected zero or circular
        h:boundary=reflect
                   ^^^^^^^
      Fix: write boundary=circular
      """
    ),
    (
      "h:feature=-1",
      """
      found -1 for feature, expected the number of an operand, from 0, or largest
        h:feature=-1
                  ^^
      Fix: use at least 0
      """
    ),
    (
      "h:padding=wrap",
      """
      padding=wrap of mode h has a zero boundary
        h:padding=wrap
      Fix: add boundary=circular, or use padding same, valid, full or lo:hi
      """
    ),
    (
      "*:padding=wrap",
      """
      padding=wrap of all modes has a zero boundary
        *:padding=wrap
      Fix: add boundary=circular, or use padding same, valid, full or lo:hi
      """
    ),
  ]

  @Test(arguments: messages)
  func message(text: String, expected: String) throws {
    let error = try #require(throws: ExpressionError.self) { try ConvRules(options: [text]) }
    #expect(error.description == expected)
  }
}
