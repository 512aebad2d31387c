/// Cuts the text of an expression into tokens, each with its place; white space is skipped.
struct ExpressionLexer {
  enum Token: Hashable {
    case mode(Mode)
    case ellipsis
    case comma
    case arrow
    case bar
  }

  let text: String
  private let characters: [Character]
  private var position = 0

  init(_ text: String) {
    self.text = text
    characters = Array(text)
  }

  /// The next token and its range in characters; `nil` at the end. `section` is what an error
  /// message says was expected.
  mutating func next(
    in section: ExpressionError.Section
  ) throws(ExpressionError) -> (token: Token, range: Range<Int>)? {
    skipWhiteSpace()
    guard position < characters.count else { return nil }
    let start = position
    let token: Token
    switch characters[start] {
    case ",":
      position += 1
      token = .comma
    case "|":
      position += 1
      token = .bar
    case "-":
      try take("->")
      token = .arrow
    case ".":
      try take("...")
      token = .ellipsis
    case "(":
      token = .mode(try takeName())
    case let character where character.isASCII && character.isLetter:
      position += 1
      token = .mode(Mode(String(character)))
    case let character:
      throw error(.unexpected(String(character), in: section), start..<start + 1)
    }
    return (token, start..<position)
  }

  /// The place just after the text.
  var end: Range<Int> { characters.count..<characters.count + 1 }

  func error(_ syntax: ExpressionError.Syntax, _ range: Range<Int>) -> ExpressionError {
    ExpressionError(.syntax(syntax), text: text, range: range)
  }

  private mutating func skipWhiteSpace() {
    while position < characters.count, characters[position].isWhitespace { position += 1 }
  }

  /// Takes `symbol`, whose first character is here; white space may stand between its characters.
  private mutating func take(_ symbol: String) throws(ExpressionError) {
    let start = position
    var end = start
    var found = ""
    for expected in symbol {
      skipWhiteSpace()
      guard position < characters.count, characters[position] == expected else {
        throw error(.incomplete(found, expected: symbol), start..<end)
      }
      found.append(expected)
      position += 1
      end = position
    }
  }

  /// Takes a name in parentheses, the first of which is here; white space around it is trimmed. Two
  /// words in a pair of parentheses are an error: elsewhere that means two modes.
  private mutating func takeName() throws(ExpressionError) -> Mode {
    let start = position
    position += 1
    skipWhiteSpace()
    let nameStart = position
    while position < characters.count, characters[position].isModeName { position += 1 }
    let name = String(characters[nameStart..<position])
    let nameEnd = position
    skipWhiteSpace()
    guard position < characters.count, characters[position] != "," else {
      throw error(.unclosedParenthesis, start..<start + 1)
    }
    guard characters[position] == ")" else {
      let isSecondWord = position > nameEnd && characters[position].isModeName
      let place = isSecondWord ? nameEnd : position
      throw error(.characterInName(characters[place]), place..<place + 1)
    }
    position += 1
    guard !name.isEmpty else { throw error(.emptyName, start..<position) }
    return Mode(name)
  }
}

extension Character {
  /// Whether it may stand in the name of a mode.
  var isModeName: Bool { isASCII && (isLetter || isNumber || self == "_") }
}
