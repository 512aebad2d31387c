@testable import Planning

extension ExpressionBuilder {
  /// A random expression of 1 … 6 operands: plain modes on any number of operands, private modes,
  /// scalars, outer products, empty extents, and up to three convolution modes with any number of
  /// filters, strides, dilations and paddings.
  static func random(seed: Int) -> BoundExpression {
    var random = TestRandom(seed)
    let count = Int.random(in: 1...6, using: &random)
    var builder = ExpressionBuilder(operands: .init(repeating: [], count: count), output: [])
    var mode = 0
    let hasEmptyExtents = chance(20, &random)
    for _ in 0..<Int.random(in: 0...7, using: &random) {
      builder.place(mode, &random)
      let isEmpty = hasEmptyExtents && chance(6, &random)
      builder.extents[mode] = isEmpty ? 0 : Int.random(in: 1...6, using: &random)
      mode += 1
    }
    for _ in 0..<Int.random(in: 0...3, using: &random) {
      let carriers = builder.place(mode, &random)
      var extents = (0..<carriers).map { _ in Int.random(in: 1...4, using: &random) }
      let dilation = Int.random(in: 1...2, using: &random)
      let reach = extents.reduce(0) { $0 + dilation * ($1 - 1) }
      extents[Int.random(in: 0..<carriers, using: &random)] =
        Int.random(in: max(5, reach + 1)...max(5, reach + 1) + 20, using: &random)
      builder.carrierExtents[mode] = extents
      builder.convolutions[mode] = Convolution(
        stride: Int.random(in: 1...4, using: &random), dilation: dilation,
        low: Int.random(in: 0...3, using: &random), high: Int.random(in: 0...3, using: &random))
      mode += 1
    }
    return builder.expression
  }

  /// Whether any operand needs a gradient, and which: `nil` one time in two.
  static func randomMask(for expression: BoundExpression, seed: Int) -> [Bool]? {
    var random = TestRandom(seed + 7919)
    if chance(2, &random) { return nil }
    return expression.operands.map { _ in chance(2, &random) }
  }

  /// Adds a mode to some operands, at least one, and perhaps to the output; returns how many.
  @discardableResult
  private mutating func place(_ mode: Int, _ random: inout TestRandom) -> Int {
    var chosen = operands.indices.shuffled(using: &random)
    let wanted = Self.chance(6, &random) ? chosen.count : Int.random(in: 1...3, using: &random)
    chosen = Array(chosen.prefix(wanted))
    for operand in chosen { operands[operand].append(mode) }
    if Self.chance(2, &random) { output.append(mode) }
    return chosen.count
  }

  private static func chance(_ inverse: Int, _ random: inout TestRandom) -> Bool {
    Int.random(in: 0..<inverse, using: &random) == 0
  }
}
