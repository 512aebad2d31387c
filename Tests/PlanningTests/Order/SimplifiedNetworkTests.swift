import Testing

@testable import Planning

/// What is contracted before the search, against all trees.
@Suite struct SimplifiedNetworkTests {
  /// The best tree of what is left to search, with the steps taken before.
  private func best(_ expression: BoundExpression, mask: [Bool]?) -> ContractionTree {
    let simplified = SimplifiedNetwork(NetworkModes(expression, needsGradient: mask))
    return simplified.tree(
      simplified.parts.map { OrderSearch(network: $0.network, seed: 0).exhaustive() })
  }

  /// What the rules look for: few modes on many operands, some of them in the output, operands that
  /// share nothing, modes of one operand, extents of 1, and convolution modes.
  private func expression(seed: Int) -> BoundExpression {
    var random = TestRandom(seed)
    let count = Int.random(in: 2...6, using: &random)
    var builder = ExpressionBuilder(operands: .init(repeating: [], count: count), output: [])
    let allowsPrivate = Int.random(in: 0..<4, using: &random) == 0
    for mode in 0..<Int.random(in: 1...6, using: &random) {
      let isShared = Int.random(in: 0..<3, using: &random) == 0
      let carriers = builder.operands.indices.shuffled(using: &random)
        .prefix(isShared ? count : Int.random(in: 1...3, using: &random))
      for operand in carriers { builder.operands[operand].append(mode) }
      let isInOutput = Int.random(in: 0..<3, using: &random) == 0
      if isInOutput || (carriers.count == 1 && !allowsPrivate) { builder.output.append(mode) }
      if carriers.count > 1 && Int.random(in: 0..<6, using: &random) == 0 {
        builder.carrierExtents[mode] =
          [9]
          + (1..<carriers.count).map { _ in
            Int.random(in: 1...3, using: &random)
          }
        builder.convolutions[mode] = .init(
          stride: Int.random(in: 1...2, using: &random),
          dilation: 1, low: Int.random(in: 0...2, using: &random))
      } else {
        builder.extents[mode] = [1, 2, 2, 3, 5, 11].randomElement(using: &random)
      }
    }
    return builder.expression
  }

  @Test(arguments: 0..<8) func optimalStaysOptimal(block: Int) throws {
    var simplified = 0
    for seed in (250 * block)..<(250 * block + 250) {
      let expression =
        seed % 5 == 0 ? ExpressionBuilder.random(seed: seed) : expression(seed: seed)
      let mask: [Bool]? =
        seed % 7 == 0
        ? ExpressionBuilder.randomMask(for: expression, seed: seed)
        : seed % 2 == 0 ? nil : expression.operands.map { _ in true }
      let reference = OrderReference(expression, needsGradient: mask)
      let least = try #require(reference.allTrees().min()).cost
      let order = best(expression, mask: mask).order(foundBy: .optimal)
      #expect(reference.weightedMacs(of: order) == least, "seed \(seed): \(expression.operands)")
      let network = SimplifiedNetwork(NetworkModes(expression, needsGradient: mask))
      let largest = network.parts.map(\.network.leaves.count).max() ?? 0
      if largest < expression.operands.count { simplified += 1 }
    }
    // The rules are not idle: they leave less to search in a fifth of the cases at least.
    #expect(simplified > 50)
  }

  /// The costs of long ones by hand, and how much is left to search.
  @Test func whatNeedsNoSearch() throws {
    func check(
      _ operands: [[Int]], _ output: [Int], _ extents: [Int: Int], macs: Double, largestPart: Int
    ) throws {
      let expression = ExpressionBuilder(operands: operands, output: output, extents: extents)
        .expression
      let parts = SimplifiedNetwork(NetworkModes(expression)).parts
      #expect(parts.map(\.network.leaves.count).max() ?? 0 <= largestPart)
      for optimizer in [Optimizer.auto, .optimal] {
        let order = try findOrder(of: expression, optimizer: optimizer)
        #expect(order.optimizer == .optimal)
        #expect(OrderReference(expression).weightedMacs(of: order) == macs)
      }
    }
    // b(v0), b(v1), … -> b: with b = 32 and v = 2 … 21, 32·2·3 for the first two, then 32·v each,
    // of 4 + … + 21 = 225.
    let vectors = (0..<20).map { [0, $0 + 1] }
    var extents = [0: 32]
    for mode in 1...20 { extents[mode] = mode + 1 }
    try check(
      vectors, [0], extents, macs: 32 * Double(6 + 225), largestPart: 0)
    // The same without b, to a scalar.
    extents[0] = 1
    try check(
      vectors.map { [$0[1]] }, [], extents, macs: 6 + 225, largestPart: 0)
    // An operand without a mode of its own is read first: then nothing is squared.
    try check(
      [[0]] + vectors, [0], [0: 5].merging(extents) { a, _ in a },
      macs: 5 * 230, largestPart: 0)
    // 20 vectors of 7 elements; 40 scalars.
    try check(.init(repeating: [0], count: 20), [0], [0: 7], macs: 19 * 7, largestPart: 1)
    try check(.init(repeating: [], count: 40), [], [:], macs: 39, largestPart: 1)
    // Ten products of two vectors of 3, and 9 products of scalars.
    try check(
      (0..<20).map { [$0 / 2] }, [], .init(uniqueKeysWithValues: (0..<10).map { ($0, 3) }),
      macs: 30 + 9, largestPart: 1)
    // Six products of 2×2 matrices to a trace, 8 + 4 each, with 5 products, beside x (3) and A (3×4):
    // their scalar goes to x.
    let traces: [[Int]] = (0..<12).map { number in
      let first = number / 2 * 2
      return number % 2 == 0 ? [first, first + 1] : [first + 1, first]
    }
    var extents2 = Dictionary(uniqueKeysWithValues: (0..<12).map { ($0, 2) })
    extents2[12] = 3
    extents2[13] = 4
    try check(
      traces + [[12], [12, 13]], [13], extents2, macs: 6 * 4 + 5 + 3 + 12, largestPart: 3)
  }

  /// Modes of extent 1 hold nothing together.
  @Test func modesOfOneIndexConnectNothing() {
    var builder = ExpressionBuilder(
      operands: (0..<30).map { [$0, ($0 + 1) % 30] }, output: [])
    for mode in 0..<30 { builder.extents[mode] = mode % 3 == 0 ? 1 : 2 }
    let parts = SimplifiedNetwork(NetworkModes(builder.expression)).parts
    #expect(parts.map(\.network.leaves.count).max() ?? 0 <= 3)
  }

  /// Where it matters what an operand with a mode of its own meets first, equal sets are left alone:
  /// A (m), B (m), C (m, p), D (m, q) with x and y in the output.
  @Test func modesOfOneOperandAreMetInTheBestOrder() throws {
    let expression = try BoundExpression(
      "m,m,mpx,mqy->mxy", shapes: [[2], [2], [2, 50, 30], [2, 50, 30]])
    let reference = OrderReference(expression)
    let order = best(expression, mask: nil).order(foundBy: .optimal)
    #expect(reference.weightedMacs(of: order) == reference.allTrees().min()?.cost)
    #expect(SimplifiedNetwork(NetworkModes(expression)).parts.map(\.nodes.count) == [4])
  }
}
