import Planning

extension Factorization {
  /// The dense form, unless settings say another.
  ///
  /// - Throws: `TrainingError`: a form without a size, or a size without a form or with another.
  init(_ settings: [String: SettingNode], at node: SettingNode) throws {
    let form = try settings.value("form", .form)
    let compression = try settings.value("compression", .compression)
    let rank = try settings.value("rank", .rank)
    if let rank = settings["rank"], compression != nil {
      throw rank.refused("no value beside compression; leave one of them out")
    }
    guard let form, form != "dense" else {
      if let size = settings["compression"] ?? settings["rank"] {
        throw size.refused("no value without a form; set form too, or leave it out")
      }
      self = .dense
      return
    }
    if let rank {
      self.init(form, rank: rank)
    } else if let compression {
      self.init(form, compression: compression)
    } else {
      throw TrainingError.missingSetting(
        key: "\(node.key).compression",
        expected: "parameters / parameters of the dense form, such as 0.1 (or rank)",
        source: node.source)
    }
  }
}

extension FactorizationRule {
  /// A mapping of patterns to forms and sizes, or a list of such, in order.
  static func rules(_ node: SettingNode) throws -> [FactorizationRule] {
    let expected = "a list of mappings such as {layer4.*: {form: cp, compression: 0.1}}"
    if node.isNull { return [] }
    if case .list(let list) = node.content {
      return try list.flatMap { try rules($0.mapping(expected)) }
    }
    return try rules(node.mapping(expected))
  }

  private static func rules(
    _ mapping: [(key: String, value: SettingNode)]
  ) throws -> [FactorizationRule] {
    try mapping.map { pattern, value in
      if case .scalar(let form) = value.content, form.text.lowercased() == "dense" {
        return FactorizationRule(pattern, .dense)
      }
      let settings = try value.settings(["form", "compression", "rank"])
      _ = try settings.required("form", of: value, "a form such as cp")
      return FactorizationRule(pattern, try Factorization(settings, at: value))
    }
  }
}

// MARK: Values

extension ConfigurationValue where Value == String {
  static var form: ConfigurationValue { .name(of: Form.all.map(\.name)) }

  static var parameterName: ConfigurationValue {
    ConfigurationValue(
      expected: "a name of letters, digits and _",
      parse: { scalar in
        let isName = scalar.text.allSatisfy {
          $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_")
        }
        return isName && !scalar.text.isEmpty ? scalar.text : nil
      }, format: { $0 })
  }
}

extension ConfigurationValue where Value == Double {
  static var compression: ConfigurationValue {
    .number("above 0, at most 10") { 0 < $0 && $0 <= Form.compressionLimit }
  }

  static var rate: ConfigurationValue { .number("from 0, below 1") { 0 <= $0 && $0 < 1 } }
}

extension ConfigurationValue where Value == Int {
  static var extent: ConfigurationValue { .integer(1...1 << 24) }
  static var rank: ConfigurationValue { .integer(1...1 << 16) }
}

extension ConfigurationValue where Value == Int? {
  /// A number, or that of the classes.
  static var outputs: ConfigurationValue {
    ConfigurationValue(
      expected: "classes, or an integer from 1 to \(1 << 24)",
      parse: { scalar in
        if scalar.text == "classes" { return .some(nil) }
        return ConfigurationValue<Int>.extent.parse(scalar).map(Optional.some)
      }, format: { $0.map(String.init) ?? "classes" })
  }
}

extension ConfigurationValue where Value == NormSettings.Kind {
  /// How many groups there are is a setting of its own.
  static var norm: ConfigurationValue {
    .choice([("batch", .batch), ("layer", .layer), ("group", .group(1))])
  }
}

extension ConfigurationValue where Value == ConvRule.Padding {
  static var padding: ConfigurationValue {
    ConfigurationValue(
      expected: "same, valid, full, an integer from 0 to \(1 << 20), or two such as 1:2",
      parse: { scalar in
        switch scalar.text.lowercased() {
        case "same": return .same
        case "valid": return .valid
        case "full": return .full
        default:
          let parts = scalar.text.split(separator: ":", omittingEmptySubsequences: false)
          let numbers = parts.compactMap { Int($0) }
          guard numbers.count == parts.count, (1...2).contains(numbers.count),
            numbers.allSatisfy({ (0...1 << 20).contains($0) }), let low = numbers.first,
            let high = numbers.last
          else { return nil }
          return .explicit(low: low, high: high)
        }
      },
      format: { padding in
        switch padding {
        case .same: "same"
        case .valid: "valid"
        case .full: "full"
        case .wrap: "wrap"
        case .explicit(let low, let high): low == high ? "\(low)" : "\"\(low):\(high)\""
        }
      })
  }
}
