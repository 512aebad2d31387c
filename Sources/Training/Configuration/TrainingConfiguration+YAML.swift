import Formats
import Foundation
import Yams

extension TrainingConfiguration {
  /// A configuration file, changed by `key=value` overrides in their order.
  ///
  /// - Throws: `TrainingError`: the file cannot be read or is no YAML mapping, a key is unknown, or
  ///   a value is not what its key takes.
  public init(file: String, overrides: [String] = []) throws {
    let bytes: [UInt8]
    do throws(FormatError) {
      bytes = try contents(of: file, limit: Self.mostBytes)
    } catch {
      switch error.code {
      case ENOENT: throw TrainingError.unreadableConfiguration(file: file, reason: .missing)
      case EACCES: throw TrainingError.unreadableConfiguration(file: file, reason: .denied)
      default: throw error
      }
    }
    guard let yaml = String(validating: bytes, as: UTF8.self) else {
      throw TrainingError.unreadableConfiguration(file: file, reason: .notText)
    }
    try self.init(yaml: yaml, source: file, overrides: overrides)
  }

  /// A configuration has some hundred bytes; what is far longer is something else.
  static let mostBytes = 1 << 16
  /// With aliases replaced.
  static let mostExpandedBytes = 1 << 20

  /// The same from text; `source` names it in errors.
  ///
  /// In `output`, a key's name in braces stands for its value: `runs/{model.form}-{seed}`.
  public init(yaml: String, source: String, overrides: [String] = []) throws {
    self.init()
    let entries =
      try entries(ofYAML: yaml, source: source) + overrides.map { try entry(ofOverride: $0) }
    for entry in entries { try set(entry) }
    // The demo network is there to show a form; others are themselves unless they are told.
    if model.network != .demo && !entries.contains(where: { $0.name == "model.form" }) {
      model.form = "dense"
    }
    if let entry = entries.last(where: { $0.name == "output" }) {
      output = try expanded(output, source: entry.source)
    }
  }

  /// All keys that matter with their values, as YAML.
  public var yaml: String {
    var lines: [String] = []
    for section in [""] + ConfigurationKey.sections {
      if !section.isEmpty { lines.append("\(section):") }
      for key in ConfigurationKey.all where key.section == section && key.applies(self) {
        lines.append("\(section.isEmpty ? "" : "  ")\(key.lastName): \(key.text(self))")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  /// A table of all keys: what each takes, its default and what it is, for `convoy train --help`.
  public static var keyReference: String {
    let defaults = TrainingConfiguration()
    return ConfigurationKey.all.map { key in
      "\(key.name): \(key.summary)\n    \(key.expected) (default \(key.text(defaults)))"
    }.joined(separator: "\n")
  }

  /// The keys whose values make this another run than `other`, with both values.
  func differences(from other: TrainingConfiguration) -> [TrainingError.Difference] {
    ConfigurationKey.all.compactMap { key in
      guard key.definesRun && (key.applies(self) || key.applies(other)) else { return nil }
      let (here, there) = (key.text(self), key.text(other))
      return here == there ? nil : .init(key: key.name, saved: there, requested: here)
    }
  }

  private mutating func set(_ entry: ConfigurationEntry) throws {
    guard let key = ConfigurationKey.byName[entry.name] else {
      if ConfigurationKey.sections.contains(entry.name) {
        throw TrainingError.notASection(
          section: entry.name, value: entry.text, source: entry.source,
          keys: ConfigurationKey.all.filter { $0.section == entry.name }.map(\.lastName))
      }
      throw TrainingError.unknownKey(
        key: entry.name, nearest: ConfigurationKey.nearest(to: entry.name)?.name ?? "",
        source: entry.source)
    }
    if let read = key.read {
      let node =
        try entry.node
        ?? SettingNode(
          yaml: entry.text, key: key.name, source: entry.source)
      return try read(&self, node)
    }
    guard let value = entry.value, key.set(&self, value) else {
      throw TrainingError.invalidValue(
        key: key.name, value: entry.text, expected: key.expected, source: entry.source)
    }
  }

  private func expanded(_ template: String, source: String) throws -> String {
    var result = ""
    var rest = template[...]
    while let open = rest.firstIndex(of: "{") {
      result += rest[..<open]
      guard let close = rest[open...].firstIndex(of: "}"),
        let key = ConfigurationKey.byName[String(rest[rest.index(after: open)..<close])],
        key.name != "output"
      else {
        throw TrainingError.invalidValue(
          key: "output", value: template,
          expected: "a path, in which {model.form} and the like stand for the key's value",
          source: source)
      }
      // A value may be a path or quoted text; what remains is a file name.
      result += key.text(self).filter { $0 != "\"" && $0 != "/" }
      rest = rest[rest.index(after: close)...]
    }
    return result + rest
  }
}

/// One key with the value somebody gave it.
private struct ConfigurationEntry {
  var name: String
  /// `nil` for a list or a mapping.
  var value: ScalarText?
  /// The value of a key that takes a list or a mapping, from a file.
  var node: SettingNode?
  /// The value for people.
  var text: String
  /// `file:line`, or `--set`.
  var source: String
}

private func entry(ofOverride text: String) throws -> ConfigurationEntry {
  guard let equals = text.firstIndex(of: "="), equals != text.startIndex else {
    throw TrainingError.malformedOverride(text)
  }
  let name = text[..<equals].trimmingCharacters(in: .whitespaces)
  let value = text[text.index(after: equals)...].trimmingCharacters(in: .whitespaces)
  return ConfigurationEntry(
    name: name, value: ScalarText(text: value), text: value, source: "--set")
}

private func entries(ofYAML yaml: String, source: String) throws -> [ConfigurationEntry] {
  guard yaml.utf8.count <= TrainingConfiguration.mostBytes else {
    throw TrainingError.malformedConfiguration(
      source: source,
      reason: "is longer than \(TrainingConfiguration.mostBytes) bytes, and no configuration")
  }
  guard YAMLExpansion(yaml).bytes <= TrainingConfiguration.mostExpandedBytes else {
    throw TrainingError.malformedConfiguration(
      source: source, reason: "its aliases stand for too much; write the values themselves")
  }
  let root: Node?
  do {
    root = try Yams.compose(yaml: yaml)
  } catch {
    throw TrainingError.malformedConfiguration(source: source, reason: "\(error)")
  }
  // An empty file, or one of comments only, asks for the defaults.
  guard let root, root.scalar.map({ !ScalarText($0).isNull }) ?? true else { return [] }
  guard let mapping = root.mapping else {
    throw TrainingError.malformedConfiguration(
      source: source, reason: "the file must be a mapping of keys to values, such as 'seed: 1'")
  }
  return try entries(of: mapping, section: "", source: source)
}

private func entries(
  of mapping: Node.Mapping, section: String, source: String
) throws -> [ConfigurationEntry] {
  var result: [ConfigurationEntry] = []
  for (key, value) in mapping {
    let line = (key.mark ?? value.mark).map { ":\($0.line)" } ?? ""
    let name = (section.isEmpty ? "" : section + ".") + (key.scalar?.string ?? "?")
    if ConfigurationKey.byName[name]?.read != nil {
      let node = try SettingNode(value, key: name, source: source + line, file: source)
      result.append(
        ConfigurationEntry(name: name, node: node, text: node.text, source: source + line))
      continue
    }
    switch value {
    case .scalar(let node):
      let scalar = ScalarText(node)
      // An empty section is no value.
      if ConfigurationKey.sections.contains(name) && scalar.isNull { continue }
      result.append(
        ConfigurationEntry(
          name: name, value: scalar, text: scalar.isQuoted ? quoted(scalar.text) : scalar.text,
          source: source + line))
    case .mapping(let inner) where ConfigurationKey.byName[name] == nil:
      result += try entries(of: inner, section: name, source: source)
    case .mapping:
      result.append(ConfigurationEntry(name: name, text: "a mapping", source: source + line))
    case .sequence:
      result.append(ConfigurationEntry(name: name, text: "a list", source: source + line))
    case .alias:
      result.append(ConfigurationEntry(name: name, text: "an alias", source: source + line))
    }
  }
  return result
}

extension ScalarText {
  init(_ scalar: Node.Scalar) {
    self.init(text: scalar.string, isQuoted: scalar.style != .plain && scalar.style != .any)
  }
}
