// All prose about expressions is made here: a sentence that says what was found and what was
// expected, the text with carets under the place at fault, and the fix.

extension ExpressionError: CustomStringConvertible {
  public var description: String {
    let (problem, fix) =
      switch kind {
      case .syntax(let syntax): syntax.prose
      case .option(let option): option.prose
      case .binding(let binding): binding.prose
      }
    return "\(problem)\n\(excerpt)\nFix: \(fix)"
  }

  /// The text, or of a long one the neighbourhood of the fault, and a line of carets under it.
  private var excerpt: String {
    let width = 90
    let characters = text.map(printable)
    let focus = range ?? 0..<0
    var window = 0..<characters.count
    if window.count > width {
      let start = max(0, min(focus.lowerBound - width / 2, characters.count - width))
      window = start..<start + width
    }
    let before = window.lowerBound > 0 ? "…" : ""
    let after = window.upperBound < characters.count ? "…" : ""
    let line = "  " + before + String(characters[window]) + after
    guard range != nil else { return line }
    let margin = 2 + before.count + focus.lowerBound - window.lowerBound
    let carets = max(1, min(focus.upperBound, window.upperBound) - focus.lowerBound)
    return line + "\n" + String(repeating: " ", count: margin)
      + String(repeating: "^", count: carets)
  }
}

/// One column per character, so that the carets stand where they should.
private func printable(_ character: Character) -> Character {
  if character.isWhitespace { return " " }
  let isControl = character.unicodeScalars.contains { $0.properties.generalCategory == .control }
  return isControl ? "\u{FFFD}" : character
}

/// What is wrong, and what to do about it.
private typealias Prose = (problem: String, fix: String)

extension ExpressionError.Section {
  fileprivate var expected: String {
    switch self {
    case .operands: "a mode, '...', ',', '->' or '|'"
    case .output: "a mode, '...' or '|'"
    case .convolutionModes: "a mode or ','"
    }
  }
}

extension ExpressionError.Syntax {
  fileprivate var prose: Prose {
    switch self {
    case .unexpected(let found, let section):
      (
        "found \(quoted(found)), expected \(section.expected)",
        Self.fix(unexpected: found, in: section)
      )
    case .incomplete(let found, let expected):
      ("found '\(found)', expected '\(expected)'", "write '\(expected)'")
    case .secondEllipsis:
      ("found a second '...' in one term, expected at most one", "leave one of them out")
    case .unclosedParenthesis:
      ("found '(' without its ')'", "close the name with ')', or leave '(' out")
    case .emptyName:
      ("found '()', expected a name in the parentheses", "write a name such as (r1)")
    case .characterInName(let character):
      (
        "found \(quoted(String(character))) in a name, expected a letter, a digit, '_' or ')'",
        "name one mode of A-Z, a-z, 0-9 and '_' in each pair of parentheses, such as (r1)(r2)"
      )
    case .missingConvolutionMode(let before):
      (
        "found no mode after '\(before)', expected a convolution mode",
        "name a mode after '\(before)', or leave '\(before)' out"
      )
    case .repeatedConvolutionMode(let mode):
      (
        "convolution mode \(mode) is listed twice, expected each once",
        "leave one of them out"
      )
    case .unknownConvolutionMode(let mode, let nearest):
      (
        "convolution mode \(mode) is in no operand, expected a mode of the operands",
        suggestion(nearest) + "write \(mode) in an operand, or leave it out after '|'"
      )
    case .diagonalConvolutionMode(let mode, let operand):
      (
        "convolution mode \(mode) stands twice in operand \(operand), expected at most once",
        "name the two dimensions differently: a convolution mode has no diagonal"
      )
    case .repeatedOutputMode(let mode):
      ("mode \(mode) stands twice in the output, expected each once", "leave one of them out")
    case .unknownOutputMode(let mode, let nearest):
      (
        "output mode \(mode) is in no operand, expected a mode of the operands",
        suggestion(nearest) + "write \(mode) in an operand, or leave it out of the output"
      )
    }
  }

  private static func fix(
    unexpected found: String, in section: ExpressionError.Section
  ) -> String {
    switch (found, section) {
    case (",", .output): "an expression has one output: leave ',' out"
    case ("->", .convolutionModes): "put '->' and the output before '|'"
    case ("->", _): "an expression has one '->': leave the other out"
    case ("|", _): "an expression has one '|': list all convolution modes after it"
    case ("...", _): "name the convolution modes: '...' cannot be one"
    case (")", _): "leave ')' out, or write '(' before the name"
    case (_, _) where found.allSatisfy(\.isModeName):
      "a mode is a letter (A-Z, a-z) or a name in parentheses: write (\(found))"
    default: "a mode is a letter (A-Z, a-z) or a name in parentheses, such as (r1)"
    }
  }
}

extension ExpressionError.Option {
  fileprivate var prose: Prose {
    switch self {
    case .missingColon:
      (
        "found no ':', expected a mode, or '*' for all, then ':' and its settings",
        "write an option such as h:stride=2,padding=1:2"
      )
    case .invalidMode(let name):
      (
        "found \(quoted(name)), expected the name of one mode, or '*' for all",
        "name the mode without parentheses, and one mode in each option, such as h1:stride=2"
      )
    case .missingSetting:
      ("found no setting, expected \(settings)", "write a setting such as stride=2")
    case .missingValue(let setting):
      ("found no value for \(quoted(setting))", "write \(setting)=VALUE")
    case .unknownSetting(let name, let nearest):
      (
        "found setting \(quoted(name)), expected \(settings)",
        suggestion(nearest) + "write a setting such as stride=2"
      )
    case .unknownValue(let setting, let value, let nearest):
      (
        "found \(quoted(value)) for \(setting), expected \(setting.expectedValues)",
        Self.fix(value: value, of: setting, nearest: nearest)
      )
    case .belowMinimum(let setting, let value):
      (
        "found \(value) for \(setting), expected \(setting.expectedValues)",
        "use at least \(setting.minimum)"
      )
    case .wrapNeedsCircular(let mode):
      (
        "padding=wrap of \(mode == "*" ? "all modes" : "mode \(mode)") has a zero boundary",
        "add boundary=circular, or use padding same, valid, full or lo:hi"
      )
    }
  }

  private var settings: String { list(ConvRule.Setting.allCases.map(\.rawValue), "or") }

  private static func fix(
    value: String, of setting: ConvRule.Setting, nearest: String?
  ) -> String {
    if setting == .padding, let extent = Int(value), extent >= 0 {
      return "write padding=\(extent):\(extent), before and after"
    }
    return suggestion(nearest) + "write \(setting)=\(setting.exampleValue)"
  }
}

extension ExpressionError.Binding {
  fileprivate var prose: Prose {
    switch self {
    case .operandCount(let expected, let given):
      (
        "found \(counted(given, "shape")), expected \(expected), one for each operand",
        "give one shape for each operand, in order"
      )
    case .dimensionCount(let operand, let expected, let hasEllipsis):
      (
        "\(operand) has \(counted(operand.shape.count, "dimension")), expected "
          + (hasEllipsis ? "at least \(expected)" : "\(expected)"),
        "give a shape with one extent for each mode"
          + (hasEllipsis ? "" : ", or write '...' for the other dimensions")
      )
    case .negativeExtent(let operand, let dimension):
      (
        "\(operand) has extent \(operand.shape[dimension]) in dimension \(dimension), "
          + "expected 0 or more",
        "give the extents of the operand"
      )
    case .unequalExtents(let mode, let first, let second):
      (
        "\(mode.isBroadcast ? "a dimension of '...'" : "mode \(mode)") has extent "
          + "\(first.extent) in \(first), but \(second.extent) in \(second)",
        mode.isBroadcast
          ? "make the extents equal, or one of them 1"
          : "make the extents equal, or name the dimensions differently"
      )
    case .ellipsisNotInOutput(let operand, let dimensions):
      (
        "'...' stands for \(counted(dimensions, "dimension")) of \(operand), "
          + "but is not in the output",
        "write '...' in the output"
      )
    case .emptyConvolutionMode(let mode, let operand):
      (
        "convolution mode \(mode) has extent 0 in \(operand), expected at least 1",
        "give the operand at least one element along \(mode)"
      )
    case .unknownRule(let mode, let nearest, let modes):
      (
        "found a rule for \(quoted(mode)), expected a convolution mode of the expression: "
          + (modes.isEmpty ? "it has none" : list(modes.map(\.name), "or")),
        suggestion(nearest) + "list the mode after '|', or leave its rule out"
      )
    case .featureWithoutMode(let mode, let feature, let carriers):
      (
        "operand \(feature) cannot be the feature of convolution mode \(mode), "
          + "which is in operand \(list(carriers.map(String.init), "and"))",
        "write feature=\(carriers.first ?? 0), or leave feature out for the largest"
      )
    case .belowMinimum(let mode, let setting, let value):
      (
        "convolution mode \(mode) has \(setting) \(value), expected \(setting.expectedValues)",
        "use at least \(setting.minimum)"
      )
    case .wrapNeedsCircular(let mode):
      (
        "convolution mode \(mode) has padding wrap and a zero boundary",
        "use boundary=circular, or padding same, valid, full or lo:hi"
      )
    case .noOutput(let mode, let extent, let low, let high, let filters, let dilation):
      (
        "convolution mode \(mode) has no output: its feature of extent \(extent), padded by "
          + "\(low):\(high), is shorter than its filters, of extent "
          + "\(list(filters.map(String.init), "and")) at dilation \(dilation)",
        "pad more (padding=full or lo:hi), or use smaller filters or a smaller dilation"
      )
    case .extentTooLarge(let mode):
      (
        "the padding or the reach of convolution mode \(mode) is larger than any index",
        "use a smaller padding or dilation"
      )
    case .operandTooLarge(let operand):
      ("\(operand) has more elements than memory has addresses", "use smaller extents")
    case .outputTooLarge(let shape):
      (
        "the output of shape \(text(shape)) has more elements than memory has addresses",
        "leave modes out of the output, or use smaller extents"
      )
    }
  }
}

extension ExpressionError.Operand: CustomStringConvertible {
  public var description: String { "operand \(index) '\(term)' of shape \(text(shape))" }
}

extension ExpressionError.Dimension: CustomStringConvertible {
  public var description: String { "dimension \(dimension) of \(operand)" }
}

private func text(_ shape: [Int]) -> String {
  "(" + shape.map(String.init).joined(separator: ",") + ")"
}

private func quoted(_ text: String) -> String {
  let shown = text.count > 40 ? text.prefix(40) + "…" : text[...]
  return shown.isEmpty ? "nothing" : "'\(String(shown.map(printable)))'"
}

private func counted(_ count: Int, _ noun: String) -> String {
  "\(count) \(noun)\(count == 1 ? "" : "s")"
}

private func suggestion(_ nearest: (some CustomStringConvertible)?) -> String {
  nearest.map { "did you mean \($0)? Otherwise " } ?? ""
}

/// `a, b or c`
private func list(_ items: [String], _ conjunction: String) -> String {
  guard let last = items.last, items.count > 1 else { return items.first ?? "none" }
  return items.dropLast().joined(separator: ", ") + " \(conjunction) " + last
}
