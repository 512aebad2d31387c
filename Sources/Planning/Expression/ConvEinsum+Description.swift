extension ConvEinsum: CustomStringConvertible {
  /// The canonical form: no white space, the output written out, the convolution modes without
  /// commas. It parses to an equal expression, apart from `text`.
  public var description: String {
    let inputs = operands.map(\.description).joined(separator: ",")
    let convolutions = convolutionModes.map(\.description).joined()
    return "\(inputs)->\(output)" + (convolutions.isEmpty ? "" : "|\(convolutions)")
  }
}

extension ConvEinsum.Term: CustomStringConvertible {
  /// As it is written in an expression; empty for a scalar.
  public var description: String {
    var parts = modes.map(\.description)
    if let ellipsis { parts.insert("...", at: ellipsis) }
    return parts.joined()
  }
}

extension ConvEinsum: Codable {
  /// Decodes and parses the text; a text that does not parse is corrupt data.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    do {
      try self.init(container.decode(String.self))
    } catch let error as ExpressionError {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "\(error)")
    }
  }

  /// Encodes the text, which all the rest follows from.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
  }
}
