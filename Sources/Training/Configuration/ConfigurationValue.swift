import Formats

/// A scalar as a YAML file or `--set` wrote it.
struct ScalarText: Hashable, Sendable {
  var text: String
  /// Quoted text is text, whatever it looks like.
  var isQuoted = false

  var isNull: Bool { !isQuoted && ["", "~", "null", "Null", "NULL"].contains(text) }
}

/// How values of one kind are read, written and described.
struct ConfigurationValue<Value: Sendable>: Sendable {
  /// With its article: `an integer of at least 1`.
  let expected: String
  /// `nil` where the text is no such value.
  let parse: @Sendable (ScalarText) -> Value?
  let format: @Sendable (Value) -> String

  /// The same kind, or `null`.
  func orNull() -> ConfigurationValue<Value?> {
    ConfigurationValue<Value?>(
      expected: "\(expected), or null",
      parse: { scalar in
        if scalar.isNull { return .some(nil) }
        return parse(scalar).map(Optional.some)
      },
      format: { $0.map(format) ?? "null" })
  }
}

extension ConfigurationValue where Value == Int {
  static func integer(_ range: ClosedRange<Int>) -> ConfigurationValue {
    let expected =
      range.upperBound == .max
      ? "an integer of at least \(range.lowerBound)"
      : "an integer from \(range.lowerBound) to \(range.upperBound)"
    return ConfigurationValue(
      expected: expected,
      parse: { scalar in
        guard !scalar.isQuoted, let value = Int(scalar.text), range.contains(value) else {
          return nil
        }
        return value
      },
      format: { "\($0)" })
  }

  static func integer(atLeast least: Int) -> ConfigurationValue { integer(least...Int.max) }
}

extension ConfigurationValue where Value == MemorySize? {
  static var memoryOrNull: ConfigurationValue {
    ConfigurationValue<MemorySize>(
      expected: "a size such as 512MiB or 2GiB",
      parse: { $0.isQuoted ? nil : MemorySize($0.text) }, format: { "\($0)" }
    ).orNull()
  }
}

extension ConfigurationValue where Value == Bool {
  static var boolean: ConfigurationValue { choice([("true", true), ("false", false)]) }
}

extension ConfigurationValue where Value == UInt64 {
  static var seed: ConfigurationValue {
    ConfigurationValue(
      expected: "an integer from 0 to 2^64 - 1",
      parse: { $0.isQuoted ? nil : UInt64($0.text) }, format: { "\($0)" })
  }
}

extension ConfigurationValue where Value == Double {
  /// A finite number that satisfies a condition, which `condition` says in words: `above 0`.
  static func number(
    _ condition: String, _ isAllowed: @escaping @Sendable (Double) -> Bool
  ) -> ConfigurationValue {
    ConfigurationValue(
      expected: "a number \(condition)",
      parse: { scalar in
        guard !scalar.isQuoted, let value = Double(scalar.text), value.isFinite, isAllowed(value)
        else { return nil }
        return value
      },
      format: { "\($0)" })
  }
}

extension ConfigurationValue where Value == String {
  /// `text` that is a path: `~` is the home folder.
  static var path: ConfigurationValue {
    let text = text
    return ConfigurationValue(
      expected: text.expected, parse: { text.parse($0).map(withHomeFolder) }, format: quoted)
  }

  /// Any text but the empty one. It is a path, which cannot hold the character 0: what follows would be
  /// lost.
  static var text: ConfigurationValue {
    ConfigurationValue(
      expected: "text that is not empty",
      parse: { $0.isNull || $0.text.isEmpty || $0.text.contains("\0") ? nil : $0.text },
      format: quoted)
  }

  /// One of some names, in any case.
  static func name(of names: [String]) -> ConfigurationValue {
    ConfigurationValue(
      expected: "one of \(names.joined(separator: ", "))",
      parse: { scalar in names.first { $0 == scalar.text.lowercased() } }, format: { $0 })
  }
}

extension ConfigurationValue where Value == Int? {
  static func integerOrNull(atLeast least: Int) -> ConfigurationValue {
    ConfigurationValue<Int>.integer(atLeast: least).orNull()
  }
}

extension ConfigurationValue where Value == String? {
  static var pathOrNull: ConfigurationValue { ConfigurationValue<String>.path.orNull() }
}

extension ConfigurationValue {
  /// One of some named values; names are taken in any case.
  static func choice(_ values: [(name: String, value: Value)]) -> ConfigurationValue
  where Value: Equatable {
    let names = values.map(\.name)
    return ConfigurationValue(
      expected: "one of \(names.joined(separator: ", "))",
      parse: { scalar in
        values.first { $0.name.lowercased() == scalar.text.lowercased() }?.value
      },
      format: { value in values.first { $0.value == value }?.name ?? "" })
  }

  static func choice() -> ConfigurationValue
  where Value: CaseIterable & RawRepresentable<String> & Equatable {
    choice(Value.allCases.map { ($0.rawValue, $0) })
  }
}

/// Text as a double-quoted YAML scalar.
func quoted(_ text: String) -> String {
  var result = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"": result += "\\\""
    case "\\": result += "\\\\"
    case "\n": result += "\\n"
    case "\t": result += "\\t"
    case _ where scalar.value < 0x20 || scalar.value == 0x7F:
      result += "\\x" + (scalar.value < 16 ? "0" : "") + String(scalar.value, radix: 16)
    default: result.unicodeScalars.append(scalar)
    }
  }
  return result + "\""
}
