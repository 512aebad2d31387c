extension ConvEinsum {
  /// Parses `"in0,in1,…->out|convmodes"`.
  ///
  /// A mode is a letter (A-Z, a-z) or a name of A-Z, a-z, 0-9 and `_` in parentheses; `(h)` is `h`.
  /// White space is ignored, though not within a name. `...` stands for broadcast dimensions as in
  /// numpy.einsum, an empty term for a scalar; `|hw`, `|h,w` and `|(h)(w)` are the same.
  ///
  /// ```swift
  /// try ConvEinsum("ij,jk").output.modes          // [i, k]
  /// try ConvEinsum("xa,xb|x").output.modes        // [a, b, x]
  /// ```
  ///
  /// Throws an `ExpressionError` of kind `syntax` that knows the place in the text.
  public init(_ text: String) throws(ExpressionError) {
    var parser = ExpressionParser(text)
    self = try parser.parse()
  }
}

/// Reads the tokens of an expression into terms, then checks what the terms say.
private struct ExpressionParser {
  typealias Located = (mode: Mode, range: Range<Int>)

  /// A term whose modes know their places.
  struct LocatedTerm {
    var modes: [Located] = []
    var ellipsis: Int?

    var term: ConvEinsum.Term { ConvEinsum.Term(modes: modes.map(\.mode), ellipsis: ellipsis) }
  }

  private var lexer: ExpressionLexer
  private var operands: [LocatedTerm] = []
  private var output: LocatedTerm?
  private var convolutionModes: [Located] = []

  init(_ text: String) { lexer = ExpressionLexer(text) }

  mutating func parse() throws(ExpressionError) -> ConvEinsum {
    try readTerms()
    let occurrences = countOccurrences()
    try checkConvolutionModes(occurrences)
    try checkOutput(occurrences)
    return ConvEinsum(
      text: lexer.text, operands: operands.map(\.term),
      output: output?.term ?? impliedOutput(occurrences),
      convolutionModes: convolutionModes.map(\.mode))
  }

  // MARK: Reading

  /// Reads operands and output, up to the end or to `|` and what follows it.
  private mutating func readTerms() throws(ExpressionError) {
    var terms = [LocatedTerm()]
    var section = ExpressionError.Section.operands
    reading: while let (token, range) = try lexer.next(in: section) {
      switch (token, section) {
      case (.mode(let mode), _):
        terms[terms.count - 1].modes.append((mode, range))
      case (.ellipsis, _):
        guard terms[terms.count - 1].ellipsis == nil else {
          throw lexer.error(.secondEllipsis, range)
        }
        terms[terms.count - 1].ellipsis = terms[terms.count - 1].modes.count
      case (.comma, .operands):
        terms.append(LocatedTerm())
      case (.arrow, .operands):
        terms.append(LocatedTerm())
        section = .output
      case (.bar, _):
        try readConvolutionModes()
        break reading
      case (.comma, _):
        throw lexer.error(.unexpected(",", in: section), range)
      case (.arrow, _):
        throw lexer.error(.unexpected("->", in: section), range)
      }
    }
    output = section == .output ? terms.removeLast() : nil
    operands = terms
  }

  /// Reads what follows `|`: at least one mode, and a mode after every comma.
  private mutating func readConvolutionModes() throws(ExpressionError) {
    var awaiting: String? = "|"
    while let (token, range) = try lexer.next(in: .convolutionModes) {
      switch token {
      case .mode(let mode):
        convolutionModes.append((mode, range))
        awaiting = nil
      case .comma:
        if let awaiting { throw lexer.error(.missingConvolutionMode(after: awaiting), range) }
        awaiting = ","
      case .arrow: throw lexer.error(.unexpected("->", in: .convolutionModes), range)
      case .bar: throw lexer.error(.unexpected("|", in: .convolutionModes), range)
      case .ellipsis: throw lexer.error(.unexpected("...", in: .convolutionModes), range)
      }
    }
    if let awaiting { throw lexer.error(.missingConvolutionMode(after: awaiting), lexer.end) }
  }

  // MARK: Checking

  /// How often each mode stands in the operands.
  private func countOccurrences() -> [Mode: Int] {
    var occurrences: [Mode: Int] = [:]
    for operand in operands {
      for (mode, _) in operand.modes { occurrences[mode, default: 0] += 1 }
    }
    return occurrences
  }

  private func checkConvolutionModes(_ occurrences: [Mode: Int]) throws(ExpressionError) {
    var listed: Set<Mode> = []
    for (mode, range) in convolutionModes {
      guard listed.insert(mode).inserted else {
        throw lexer.error(.repeatedConvolutionMode(mode), range)
      }
      guard occurrences[mode] != nil else {
        let nearest = nearestMode(to: mode, occurrences)
        throw lexer.error(.unknownConvolutionMode(mode, nearest: nearest), range)
      }
    }
    for (index, operand) in operands.enumerated() {
      var seen: Set<Mode> = []
      for (mode, range) in operand.modes where listed.contains(mode) {
        guard seen.insert(mode).inserted else {
          throw lexer.error(.diagonalConvolutionMode(mode, operand: index), range)
        }
      }
    }
  }

  private func checkOutput(_ occurrences: [Mode: Int]) throws(ExpressionError) {
    var seen: Set<Mode> = []
    for (mode, range) in output?.modes ?? [] {
      guard seen.insert(mode).inserted else {
        throw lexer.error(.repeatedOutputMode(mode), range)
      }
      guard occurrences[mode] != nil else {
        let nearest = nearestMode(to: mode, occurrences)
        throw lexer.error(.unknownOutputMode(mode, nearest: nearest), range)
      }
    }
  }

  private func nearestMode(to mode: Mode, _ occurrences: [Mode: Int]) -> Mode? {
    nearest(to: mode.name, among: occurrences.keys.map(\.name).sorted()).map { Mode($0) }
  }

  /// The ellipsis if an operand has it, then the modes that appear once and all convolution modes,
  /// sorted by name.
  private func impliedOutput(_ occurrences: [Mode: Int]) -> ConvEinsum.Term {
    let convolutionModes = Set(convolutionModes.map(\.mode))
    let kept = occurrences.filter { $0.value == 1 || convolutionModes.contains($0.key) }.keys
    let hasEllipsis = operands.contains { $0.ellipsis != nil }
    return ConvEinsum.Term(modes: kept.sorted(), ellipsis: hasEllipsis ? 0 : nil)
  }
}
