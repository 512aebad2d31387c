import Planning

/// A convolution mode drawn at random, with at least one output element.
struct RandomConvolution {
  let mode: String
  /// By operand.
  let extents: [Int: Int]
  let rule: ConvRule
  /// n · Π K_j.
  let iterations: Int

  init(mode: String, operandCount: Int, random: inout SeededGenerator) {
    self.mode = mode
    while true {
      let (extents, rule) = Self.draw(operandCount: operandCount, random: &random)
      if let iterations = Self.iterations(extents, rule) {
        self.extents = extents
        self.rule = rule
        self.iterations = iterations
        return
      }
    }
  }

  private static func draw(
    operandCount: Int, random: inout SeededGenerator
  ) -> (extents: [Int: Int], rule: ConvRule) {
    let carrierCount = random.choice([1: 2, 2: 7, 3: 4, 4: 4])
    let carriers = random.subset(of: Array(0..<operandCount), count: carrierCount)
    var extents: [Int: Int] = [:]
    for operand in carriers { extents[operand] = random.choice([1: 2, 2: 4, 3: 5, 4: 2]) }
    // Mostly one operand is longer than the others; at times filters tie, or outreach it.
    if let feature = carriers.randomElement(using: &random), random.chance(0.8) {
      extents[feature] = random.integer(in: 1...8)
    }

    let boundary = random.choice([ConvRule.Boundary.zero: 2, .circular: 1])
    let paddings: KeyValuePairs<ConvRule.Padding?, Int> = [
      nil: 3, .same: 2, .valid: 2, .full: 2, .wrap: 2,
      .explicit(low: random.integer(in: 0...4), high: random.integer(in: 0...4)): 3,
    ]
    var padding = random.choice(paddings)
    if boundary == .zero, padding == .wrap { padding = .same }
    let rule = ConvRule(
      stride: random.choice([1: 4, 2: 2, 3: 1]), dilation: random.choice([1: 4, 2: 2, 3: 1]),
      padding: padding, kind: random.choice([.convolution: 1, .correlation: 1]),
      boundary: boundary,
      feature: random.chance(0.15) ? carriers.randomElement(using: &random) : nil)
    return (extents, rule)
  }

  /// n · Π K_j, or `nil` if there would be no output element.
  private static func iterations(_ extents: [Int: Int], _ rule: ConvRule) -> Int? {
    let longest = extents.values.max() ?? 1
    let featureExtent = rule.feature.flatMap { extents[$0] } ?? longest
    let reach =
      extents.values.reduce(0) { $0 + rule.dilation * ($1 - 1) }
      - rule.dilation * (featureExtent - 1)
    let padding: Int
    switch rule.padding {
    case .valid: padding = 0
    case .full: padding = 2 * reach
    case .explicit(let low, let high): padding = low + high
    case .same, .wrap, nil: padding = reach
    }
    let span = featureExtent + padding - reach
    guard span >= 1 else { return nil }
    let taps = extents.values.reduce(1, *) / featureExtent
    return ((span - 1) / rule.stride + 1) * taps
  }
}
