extension ConvRule {
  /// The settings of a rule, by the names that options give them.
  public enum Setting: String, Hashable, Sendable, CaseIterable, CustomStringConvertible {
    case stride
    case padding
    case dilation
    case kind
    case boundary
    case feature

    public var description: String { rawValue }

    /// The least value of the settings that are numbers.
    var minimum: Int { self == .stride || self == .dilation ? 1 : 0 }

    /// The values that are words. `default` and `largest` write the `nil` of `ConvRule`.
    var words: [String] {
      switch self {
      case .stride, .dilation: []
      case .padding: ["same", "valid", "full", "wrap", "default"]
      case .kind: Kind.allCases.map(\.rawValue)
      case .boundary: Boundary.allCases.map(\.rawValue)
      case .feature: ["largest"]
      }
    }

    var expectedValues: String {
      switch self {
      case .stride, .dilation: "an integer of at least 1"
      case .padding: "same, valid, full, wrap, default, or lo:hi of at least 0"
      case .kind: "convolution or correlation"
      case .boundary: "zero or circular"
      case .feature: "the number of an operand, from 0, or largest"
      }
    }

    var exampleValue: String {
      switch self {
      case .stride, .dilation: "2"
      case .padding: "1:2"
      case .kind: Kind.correlation.rawValue
      case .boundary: Boundary.circular.rawValue
      case .feature: "0"
      }
    }
  }

  /// One setting with its value: what an option changes in a rule.
  enum Change: Hashable {
    case stride(Int)
    case padding(Padding?)
    case dilation(Int)
    case kind(Kind)
    case boundary(Boundary)
    case feature(Int?)

    /// As an option writes it.
    var text: String {
      switch self {
      case .stride(let value): "stride=\(value)"
      case .padding(let padding): "padding=\(padding?.description ?? "default")"
      case .dilation(let value): "dilation=\(value)"
      case .kind(let kind): "kind=\(kind.rawValue)"
      case .boundary(let boundary): "boundary=\(boundary.rawValue)"
      case .feature(let operand): "feature=\(operand.map(String.init) ?? "largest")"
      }
    }
  }

  mutating func apply(_ change: Change) {
    switch change {
    case .stride(let value): stride = value
    case .padding(let value): padding = value
    case .dilation(let value): dilation = value
    case .kind(let value): kind = value
    case .boundary(let value): boundary = value
    case .feature(let value): feature = value
    }
  }

  /// All settings of this rule, in the order of `Setting`.
  var settings: [Change] {
    [
      .stride(stride), .padding(padding), .dilation(dilation), .kind(kind), .boundary(boundary),
      .feature(feature),
    ]
  }

  /// Whether `padding=wrap` meets a boundary that does not wrap.
  var wrapsWithoutCircle: Bool { padding == .wrap && boundary != .circular }
}

extension ConvRule.Padding: CustomStringConvertible {
  /// As an option writes it: `same`, `1:2`.
  public var description: String {
    switch self {
    case .same: "same"
    case .valid: "valid"
    case .full: "full"
    case .wrap: "wrap"
    case .explicit(let low, let high): "\(low):\(high)"
    }
  }
}
