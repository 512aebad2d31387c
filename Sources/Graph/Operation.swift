/// Any operator, as a value: equal, hashed and coded by what is in it.
///
/// ```swift
/// let operation = Operation(Operators.Map(.relu))
/// operation.text                        // "map relu"
/// (operation.base as? Operators.Map)?.function    // .relu
/// ```
public struct Operation: Sendable {
  public let base: any Operator

  public init(_ base: any Operator) { self.base = base }

  /// The operators that graphs are decoded from. Others can be in graphs, but not in files.
  static let kinds: [any Operator.Type] = [
    Operators.AdamUpdate.self,
    Operators.Add.self,
    Operators.AddAlong.self,
    Operators.AveragePool.self,
    Operators.AveragePoolAdjoint.self,
    Operators.Concatenate.self,
    Operators.Contraction.self,
    Operators.ContractionAdjoint.self,
    Operators.Convert.self,
    Operators.CorrectCount.self,
    Operators.CrossEntropy.self,
    Operators.CrossEntropyAdjoint.self,
    Operators.Dropout.self,
    Operators.Fill.self,
    Operators.FixedNormalization.self,
    Operators.LogSoftmax.self,
    Operators.LogSoftmaxAdjoint.self,
    Operators.Map.self,
    Operators.MapAdjoint.self,
    Operators.MaxPool.self,
    Operators.MaxPoolAdjoint.self,
    Operators.MomentSums.self,
    Operators.MomentumUpdate.self,
    Operators.Multiply.self,
    Operators.Normalization.self,
    Operators.NormalizationAdjoint.self,
    Operators.NormalizationSums.self,
    Operators.Pad.self,
    Operators.Reshape.self,
    Operators.RunningMoments.self,
    Operators.Scale.self,
    Operators.ScaleAlong.self,
    Operators.Slice.self,
    Operators.Softmax.self,
    Operators.SoftmaxAdjoint.self,
    Operators.Spread.self,
    Operators.SquaredError.self,
    Operators.SquaredErrorAdjoint.self,
    Operators.Sum.self,
    Operators.Transpose.self,
  ]

  public var kind: String { type(of: base).kind }

  /// Kind and settings.
  public var text: String { base.text }

  /// The operator's factors, and one that may not be cut for every dimension that none of them has:
  /// each dimension is in exactly one. A factor without an entry for each input and output is left
  /// out, so that what it means may not be cut.
  ///
  /// - Parameters:
  ///   - inputs: Inputs that fit the operator.
  ///   - outputs: What the operator gives for them.
  public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
    let factors = base.factors(inputs: inputs, outputs: outputs).filter {
      $0.inputs.count == inputs.count && $0.outputs.count == outputs.count
    }
    return factors + Factor.whole(besides: factors, inputs: inputs, outputs: outputs)
  }
}

extension Operation: Hashable {
  public static func == (a: Operation, b: Operation) -> Bool {
    func equals<Base: Operator>(_ base: Base) -> Bool { base == b.base as? Base }
    return equals(a.base)
  }

  public func hash(into hasher: inout Hasher) {
    hasher.combine(kind)
    base.hash(into: &hasher)
  }
}

extension Operation: Codable {
  private enum Key: String, CodingKey {
    case kind
    case settings
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    let kind = try container.decode(String.self, forKey: .kind)
    guard let type = Self.kinds.first(where: { $0.kind == kind }) else {
      throw DecodingError.dataCorruptedError(
        forKey: .kind, in: container, debugDescription: "there is no operator \"\(kind)\"")
    }
    base = try container.decode(type, forKey: .settings)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(kind, forKey: .kind)
    try container.encode(base, forKey: .settings)
  }
}

extension Operation: CustomStringConvertible {
  public var description: String { text }
}
