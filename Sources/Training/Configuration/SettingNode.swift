import Planning
import Yams

/// A value of YAML and where it stands: what keys that take more than a scalar are read from.
struct SettingNode: Sendable {
  enum Content: Sendable {
    case scalar(ScalarText)
    case list([SettingNode])
    case mapping([(key: String, value: SettingNode)])
  }

  let content: Content
  /// With all keys and places around it: `model.layers[0].convolution.kernel`.
  let key: String
  /// `file:line`, or `--set`.
  let source: String

  /// Values within values.
  static let deepest = 100

  /// - Parameter file: What stands before the line; `nil`: `source` as it is.
  init(_ node: Node, key: String, source: String, file: String? = nil, depth: Int = 0) throws {
    let line = node.mark.flatMap { mark in file.map { "\($0):\(mark.line)" } }
    let source = line ?? source
    guard depth < Self.deepest else {
      throw TrainingError.invalidValue(
        key: String(key.prefix { $0 != "[" }), value: "too deep",
        expected: "lists and mappings at most \(Self.deepest) deep",
        source: source)
    }
    func inner(_ node: Node, _ key: String) throws -> SettingNode {
      try SettingNode(node, key: key, source: source, file: file, depth: depth + 1)
    }
    self.key = key
    self.source = source
    switch node {
    case .scalar(let scalar): content = .scalar(ScalarText(scalar))
    case .sequence(let sequence):
      content = .list(try sequence.enumerated().map { try inner($1, "\(key)[\($0)]") })
    case .mapping(let mapping):
      content = .mapping(
        try mapping.map { name, value in
          let name = name.scalar?.string ?? "?"
          return (name, try inner(value, "\(key).\(name)"))
        })
    case .alias: content = .scalar(ScalarText(text: "an alias", isQuoted: true))
    }
  }

  /// A value that is given as text, by `--set`.
  init(yaml: String, key: String, source: String) throws {
    let node: Node?
    do {
      node = try Yams.compose(yaml: yaml)
    } catch {
      throw TrainingError.malformedConfiguration(source: source, reason: "\(key): \(error)")
    }
    guard let node else {
      self.init(content: .scalar(ScalarText(text: "")), key: key, source: source)
      return
    }
    try self.init(node, key: key, source: source)
  }

  private init(content: Content, key: String, source: String) {
    self.content = content
    self.key = key
    self.source = source
  }

  /// A mapping of nothing, under a key within this value.
  func empty(_ key: String) -> SettingNode {
    SettingNode(content: .mapping([]), key: "\(self.key).\(key)", source: source)
  }

  var isNull: Bool {
    if case .scalar(let scalar) = content { scalar.isNull } else { false }
  }

  /// For people.
  var text: String {
    switch content {
    case .scalar(let scalar): scalar.isQuoted ? quoted(scalar.text) : scalar.text
    case .list: "a list"
    case .mapping: "a mapping"
    }
  }
}

// MARK: Reading

extension SettingNode {
  func refused(_ expected: String) -> TrainingError {
    .invalidValue(key: key, value: text, expected: expected, source: source)
  }

  func value<Value>(_ kind: ConfigurationValue<Value>) throws -> Value {
    guard case .scalar(let scalar) = content, let value = kind.parse(scalar) else {
      throw refused(kind.expected)
    }
    return value
  }

  func list(_ expected: String) throws -> [SettingNode] {
    guard case .list(let list) = content else { throw refused(expected) }
    return list
  }

  /// A list, or a single value as one of one entry.
  func values<Value>(_ kind: ConfigurationValue<Value>) throws -> [Value] {
    switch content {
    case .list(let list) where !list.isEmpty: return try list.map { try $0.value(kind) }
    case .list, .mapping: throw refused("\(kind.expected), or a list of such")
    case .scalar: return [try value(kind)]
    }
  }

  func mapping(_ expected: String) throws -> [(key: String, value: SettingNode)] {
    guard case .mapping(let mapping) = content else { throw refused(expected) }
    return mapping
  }

  /// A mapping that has no keys but these.
  ///
  /// - Throws: `TrainingError.unknownKey`, with the key that is nearest.
  func settings(_ keys: [String]) throws -> [String: SettingNode] {
    var settings: [String: SettingNode] = [:]
    for (name, value) in try mapping("a mapping of \(keys.joined(separator: ", "))") {
      guard keys.contains(name) else {
        throw TrainingError.unknownKey(
          key: value.key, nearest: "\(key).\(Self.nearest(to: name, among: keys))",
          source: value.source)
      }
      settings[name] = value
    }
    return settings
  }

  static func nearest(to name: String, among names: [String]) -> String {
    let typed = Array(name.lowercased())
    func distance(_ name: String) -> Int { editDistance(typed, Array(name.lowercased())) }
    return names.min { distance($0) < distance($1) } ?? ""
  }
}

extension [String: SettingNode] {
  func value<Read>(_ key: String, _ kind: ConfigurationValue<Read>) throws -> Read? {
    try self[key]?.value(kind)
  }

  func values<Read>(_ key: String, _ kind: ConfigurationValue<Read>) throws -> [Read]? {
    try self[key]?.values(kind)
  }

  /// The value of a key that must be there.
  func required(_ key: String, of node: SettingNode, _ expected: String) throws -> SettingNode {
    guard let value = self[key] else {
      throw TrainingError.missingSetting(
        key: "\(node.key).\(key)", expected: expected, source: node.source)
    }
    return value
  }
}
