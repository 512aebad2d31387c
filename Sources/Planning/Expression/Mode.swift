/// One index of an expression: a single letter (`h`) or a parenthesised name (`(r1)`).
///
/// Two modes are the same when their names are equal; names are case-sensitive.
///
/// ```swift
/// let height: Mode = "h"
/// print(Mode("r1"))  // (r1)
/// ```
public struct Mode: Hashable, Sendable {
  /// The name without parentheses. The modes an ellipsis stands for are named `...0`, `...1`, …
  /// counted from the right, as numpy aligns them.
  public let name: String

  public init(_ name: String) { self.name = name }

  /// Whether this mode was not written but stands for a dimension that `...` matched.
  public var isBroadcast: Bool { name.hasPrefix("...") }

  static func broadcast(_ positionFromRight: Int) -> Mode { Mode("...\(positionFromRight)") }
}

extension Mode: CustomStringConvertible {
  /// As it is written in an expression.
  public var description: String { isLetter || isBroadcast ? name : "(\(name))" }

  /// Whether the name is one letter, which needs no parentheses.
  private var isLetter: Bool {
    guard name.count == 1, let character = name.first else { return false }
    return character.isASCII && character.isLetter
  }
}

extension Mode: Comparable {
  public static func < (a: Mode, b: Mode) -> Bool { a.name < b.name }
}

extension Mode: ExpressibleByStringLiteral {
  public init(stringLiteral value: String) { self.init(value) }
}

extension Mode: Codable {
  public init(from decoder: any Decoder) throws {
    self.init(try decoder.singleValueContainer().decode(String.self))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(name)
  }
}
