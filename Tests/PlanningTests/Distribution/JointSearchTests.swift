import Testing

@testable import Planning

/// Expressions whose cheapest order is not the one to distribute: order and distribution chosen
/// together against the best distribution of that order.
///
/// In all of them two small factors act on different modes of a large operand. To multiply the
/// factors first saves a few percent of the multiply-adds, but makes a product that is much larger
/// than both: it has to be gathered, or cuts are forced on the large operand that would better be
/// cut by its batch mode.
@Suite struct JointSearchTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let text: String
    let shapes: [[Int]]
    let ranks: Int
    /// By which joint search moves less, at least.
    let factor: Int

    var testDescription: String { "\(text) on \(ranks)" }
  }

  /// Both searches are exact here, so that the difference is the order's.
  static let cases = [
    // A matrix in tensor-train format, of two cores.
    Case(
      text: "bij,ikr,jrl->bkl", shapes: [[512, 16, 16], [16, 16, 9], [16, 9, 16]], ranks: 8,
      factor: 8),
    Case(
      text: "bij,ikr,jrl->bkl", shapes: [[700, 24, 24], [24, 24, 13], [24, 13, 24]], ranks: 12,
      factor: 7),
    // A sum of Kronecker products.
    Case(
      text: "bij,ria,rjc->bac", shapes: [[1200, 24, 24], [13, 24, 24], [13, 24, 24]], ranks: 27,
      factor: 7),
    // The same on channels, followed by a convolution: a reshaped CP layer.
    Case(
      text: "bijhw,ria,rjc,rhw->bachw|hw",
      shapes: [[8, 16, 16, 16, 16], [68, 16, 16], [68, 16, 16], [68, 3, 3]], ranks: 8, factor: 6),
  ]

  @Test(arguments: cases)
  func jointSearchMovesAFractionAtNearlyEqualWork(_ example: Case) throws {
    let expression = try BoundExpression(example.text, shapes: example.shapes)
    func plan(_ optimizer: Optimizer) throws -> DistributedPlan {
      try DistributedPlan(
        expression,
        options: .init(ranks: example.ranks, objective: .bytes, optimizer: optimizer))
    }
    let joint = try plan(.auto)
    let inTurn = try plan(.optimal)
    func received(_ plan: DistributedPlan) -> Int {
      (0..<plan.ranks).map { plan.receivedElements(by: $0) }.max() ?? 0
    }
    #expect(joint.search.isExact)
    #expect(example.factor * received(joint) <= received(inTurn))
    #expect(joint.plan.macs <= 1.2 * inTurn.plan.macs)
  }
}
