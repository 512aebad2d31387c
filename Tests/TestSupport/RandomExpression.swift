import Planning

/// A conv_einsum expression with shapes and rules, valid and small, determined by its seed.
///
/// Printed as arguments of `convoy contract`, so that a failure can be repeated by hand.
///
/// ```swift
/// let random = RandomExpression(seed: 12)
/// let bound = try random.bound()
/// ```
public struct RandomExpression: Sendable, CustomStringConvertible {
  /// What is drawn.
  public struct Limits: Sendable {
    public var operands: ClosedRange<Int>
    public var convolutionModes: ClosedRange<Int>
    /// Most turns of the reference evaluator's nest: Π extents · Π n · Π K.
    public var iterations: Int
    /// Whether extents may be 0.
    public var emptyExtents: Bool

    public init(
      operands: ClosedRange<Int> = 1...6, convolutionModes: ClosedRange<Int> = 0...2,
      iterations: Int = 20_000, emptyExtents: Bool = true
    ) {
      self.operands = operands
      self.convolutionModes = convolutionModes
      self.iterations = iterations
      self.emptyExtents = emptyExtents
    }
  }

  public let seed: UInt64
  public let text: String
  public let shapes: [[Int]]
  public let rules: ConvRules

  public init(seed: UInt64, limits: Limits = Limits()) {
    var random = SeededGenerator(seed: mixed(seed))
    var drawing = ExpressionDrawing(limits: limits, random: &random)
    while drawing.iterations > limits.iterations {
      drawing = ExpressionDrawing(limits: limits, random: &random)
    }
    self.seed = seed
    text = drawing.text(random: &random)
    shapes = drawing.shapes
    rules = drawing.rules
  }

  /// The rules as values of `--conv`.
  public var options: [String] { rules.options }

  public func bound() throws -> BoundExpression {
    try BoundExpression(text, shapes: shapes, rules: rules)
  }

  public var description: String {
    let shapes = shapes.map { "--shape '\($0.map(String.init).joined(separator: ","))'" }
    let rules = options.map { "--conv '\($0)'" }
    return (["'\(text)'"] + shapes + rules).joined(separator: " ") + " (seed \(seed))"
  }
}

/// An endless sequence of different expressions; each depends on the seed and its place only.
///
/// ```swift
/// for random in RandomExpressions(seed: 2).prefix(500) { … }
/// ```
public struct RandomExpressions: Sequence, IteratorProtocol, Sendable {
  private let limits: RandomExpression.Limits
  private var seeds: SeededGenerator

  public init(seed: UInt64, limits: RandomExpression.Limits = RandomExpression.Limits()) {
    self.limits = limits
    seeds = SeededGenerator(seed: seed)
  }

  public mutating func next() -> RandomExpression? {
    RandomExpression(seed: seeds.next() >> 32, limits: limits)
  }
}
