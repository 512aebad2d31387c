@testable import Planning

/// Expressions for the tests of the distribution.
enum DistributionExamples {
  /// A random expression: plain modes on one operand or two, now and then on three, up to
  /// `convolutions` convolution modes, and small extents among which is now and then a large one.
  static func random(
    operands count: Int, modes: ClosedRange<Int>, convolutions: Int = 1, seed: Int
  ) -> BoundExpression {
    var random = TestRandom(seed)
    var builder = ExpressionBuilder(operands: .init(repeating: [], count: count), output: [])
    let plain = Int.random(in: modes, using: &random)
    for mode in 0..<plain {
      let carriers = carriers(mode, of: count, &random)
      for operand in carriers { builder.operands[operand].append(mode) }
      if carriers.count == 1 || Int.random(in: 0..<3, using: &random) == 0 {
        // Now and then an operand has a mode that nothing else has.
        if Int.random(in: 0..<8, using: &random) > 0 { builder.output.append(mode) }
      }
      let isLarge = Int.random(in: 0..<5, using: &random) == 0
      builder.extents[mode] = Int.random(in: isLarge ? 100...1000 : 2...12, using: &random)
    }
    for mode in plain..<plain + Int.random(in: 0...convolutions, using: &random) {
      let carriers = (0..<count).shuffled(using: &random).prefix(count > 2 ? 3 : 2).sorted()
      for operand in carriers { builder.operands[operand].append(mode) }
      if Int.random(in: 0..<4, using: &random) > 0 { builder.output.append(mode) }
      var extents = carriers.map { _ in Int.random(in: 1...3, using: &random) }
      extents[Int.random(in: 0..<extents.count, using: &random)] =
        Int.random(in: 10...20, using: &random)
      builder.carrierExtents[mode] = extents
      builder.convolutions[mode] = .init(
        stride: Int.random(in: 1...2, using: &random), low: Int.random(in: 0...2, using: &random),
        high: Int.random(in: 0...2, using: &random))
    }
    builder.output.shuffle(using: &random)
    return builder.expression
  }

  /// The first modes join the operands to a tree, so that there is something to contract.
  private static func carriers(_ mode: Int, of count: Int, _ random: inout TestRandom) -> [Int] {
    if mode > 0 && mode < count {
      return [Int.random(in: 0..<mode, using: &random), mode]
    }
    let wanted = [1, 2, 2, 3][Int.random(in: 0..<4, using: &random)]
    return (0..<count).shuffled(using: &random).prefix(wanted).sorted()
  }

  /// Modes by name, for messages.
  static func text(_ expression: BoundExpression) -> String {
    let operands = expression.operands.map { modes in
      modes.map { $0.map { "m\($0)" } ?? "1" }.joined(separator: " ")
    }
    return operands.joined(separator: ", ") + " -> "
      + expression.output.map { "m\($0)" }.joined(separator: " ") + " of \(expression.shapes)"
  }
}
