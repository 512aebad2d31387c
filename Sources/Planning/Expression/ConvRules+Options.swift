extension ConvRules {
  /// Parses options such as `h:stride=2,padding=1:2,dilation=1,kind=correlation,boundary=zero`, each
  /// for one mode, named without parentheses, or for all of them (`*:…`).
  ///
  /// The settings of a mode go over those of `*`, setting by setting, whatever the order of the
  /// options; of two values for one setting of one mode the later counts. `padding` is `same`,
  /// `valid`, `full`, `wrap`, `lo:hi` or `default`; `feature` is an operand from 0, or `largest`.
  ///
  /// ```swift
  /// let rules = try ConvRules(options: ["h:stride=2", "*:kind=correlation"])
  /// rules["h"]  // stride 2, correlation
  /// rules["w"]  // stride 1, correlation
  /// ```
  ///
  /// Throws an `ExpressionError` of kind `option` that knows the place in the option.
  public init(options: [String]) throws(ExpressionError) {
    var changes: [String: [ConvRule.Change]] = [:]
    var lastOption: [String: String] = [:]
    for text in options {
      let option = try OptionParser(text).parse()
      changes[option.mode, default: []] += option.changes
      lastOption[option.mode] = text
    }
    self.init()
    for change in changes.removeValue(forKey: "*") ?? [] { all.apply(change) }
    for (mode, changes) in changes {
      byMode[mode] = all
      for change in changes { byMode[mode]?.apply(change) }
    }
    // A rule for all may be completed by the settings of each mode; binding checks that.
    let complete = byMode.isEmpty ? ["*": all] : byMode
    for (mode, rule) in complete.sorted(by: { $0.key < $1.key }) where rule.wrapsWithoutCircle {
      throw ExpressionError(
        .option(.wrapNeedsCircular(mode: mode)), text: lastOption[mode] ?? "\(mode):")
    }
  }

  /// Options that parse to these rules: `*` first, then the modes by name.
  public var options: [String] {
    var options: [String] = []
    let general = zip(all.settings, ConvRule().settings).filter { $0 != $1 }.map(\.0.text)
    if !general.isEmpty { options.append("*:" + general.joined(separator: ",")) }
    for (mode, rule) in byMode.sorted(by: { $0.key < $1.key }) {
      let own = zip(rule.settings, all.settings).filter { $0 != $1 }.map(\.0.text)
      // A mode whose rule is that of all still is a mode with a rule.
      let settings = own.isEmpty ? [ConvRule.Change.stride(rule.stride).text] : own
      options.append("\(mode):" + settings.joined(separator: ","))
    }
    return options
  }
}

/// Reads one option; slices of its characters know their places.
private struct OptionParser {
  typealias Part = ArraySlice<Character>

  private let text: String
  private let characters: [Character]

  init(_ text: String) {
    self.text = text
    characters = Array(text)
  }

  func parse() throws(ExpressionError) -> (mode: String, changes: [ConvRule.Change]) {
    guard let colon = characters.firstIndex(of: ":") else {
      throw error(.missingColon, characters[...])
    }
    let mode = trimmed(characters[..<colon])
    let name = String(mode)
    guard name == "*" || (!name.isEmpty && name.allSatisfy(\.isModeName)) else {
      throw error(.invalidMode(name), mode)
    }
    var changes: [ConvRule.Change] = []
    let settings = characters[(colon + 1)...]
    for setting in settings.split(separator: ",", omittingEmptySubsequences: false) {
      changes.append(try change(trimmed(setting)))
    }
    return (name, changes)
  }

  private func change(_ part: Part) throws(ExpressionError) -> ConvRule.Change {
    guard !part.isEmpty else { throw error(.missingSetting, part) }
    let equals = part.firstIndex(of: "=") ?? part.endIndex
    let name = trimmed(part[..<equals])
    guard let setting = ConvRule.Setting(rawValue: String(name)) else {
      let known = nearest(
        to: String(name), among: ConvRule.Setting.allCases.lazy.map(\.rawValue))
      throw error(.unknownSetting(String(name), nearest: known), name)
    }
    let value = equals < part.endIndex ? trimmed(part[(equals + 1)...]) : part[equals...]
    guard !value.isEmpty else { throw error(.missingValue(setting: setting.rawValue), part) }
    switch setting {
    case .stride: return .stride(try number(value, of: setting))
    case .dilation: return .dilation(try number(value, of: setting))
    case .padding: return .padding(try padding(value))
    case .kind: return .kind(try word(value, of: setting))
    case .boundary: return .boundary(try word(value, of: setting))
    case .feature:
      return .feature(String(value) == "largest" ? nil : try number(value, of: setting))
    }
  }

  private func number(
    _ value: Part, of setting: ConvRule.Setting
  ) throws(ExpressionError) -> Int {
    guard let number = Int(String(value)) else { throw unknown(value, of: setting) }
    guard number >= setting.minimum else { throw error(.belowMinimum(setting, number), value) }
    return number
  }

  private func word<Word: RawRepresentable<String>>(
    _ value: Part, of setting: ConvRule.Setting
  ) throws(ExpressionError) -> Word {
    guard let word = Word(rawValue: String(value)) else { throw unknown(value, of: setting) }
    return word
  }

  private func padding(_ value: Part) throws(ExpressionError) -> ConvRule.Padding? {
    switch String(value) {
    case "same": return .same
    case "valid": return .valid
    case "full": return .full
    case "wrap": return .wrap
    case "default": return nil
    default:
      guard let colon = value.firstIndex(of: ":") else { throw unknown(value, of: .padding) }
      let low = trimmed(value[..<colon])
      let high = trimmed(value[(colon + 1)...])
      guard Int(String(low)) != nil, Int(String(high)) != nil else {
        throw unknown(value, of: .padding)
      }
      return .explicit(
        low: try number(low, of: .padding), high: try number(high, of: .padding))
    }
  }

  private func unknown(_ value: Part, of setting: ConvRule.Setting) -> ExpressionError {
    let word = nearest(to: String(value), among: setting.words)
    return error(.unknownValue(setting, String(value), nearest: word), value)
  }

  private func trimmed(_ part: Part) -> Part {
    guard let first = part.firstIndex(where: { !$0.isWhitespace }),
      let last = part.lastIndex(where: { !$0.isWhitespace })
    else { return part.suffix(0) }
    return part[first...last]
  }

  private func error(_ option: ExpressionError.Option, _ part: Part) -> ExpressionError {
    let end = max(part.endIndex, part.startIndex + 1)
    return ExpressionError(.option(option), text: text, range: part.startIndex..<end)
  }
}
