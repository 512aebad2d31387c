import Testing

@testable import Planning

/// Expressions whose cheapest order is not the one to distribute: order and distribution chosen
/// together against the distribution of that order.
@Suite struct JointSearchTests {
  struct Case: CustomTestStringConvertible, Sendable {
    let text: String
    let shapes: [[Int]]
    let ranks: Int

    var testDescription: String { "\(text) on \(ranks)" }
  }

  static let cases = [
    Case(
      text: "acef,abd,bef,cf->bcd",
      shapes: [[1024, 128, 32, 64], [1024, 256, 128], [256, 32, 64], [128, 64]], ranks: 16),
    Case(
      text: "ac,ab,ad,d->bcd", shapes: [[1024, 512], [1024, 128], [1024, 64], [64]], ranks: 16),
    Case(
      text: "acd,d,abd,b->abc",
      shapes: [[4096, 256, 64], [64], [4096, 16, 64], [16]], ranks: 16),
  ]

  @Test(arguments: cases)
  func jointSearchMovesHalfAtEqualWork(_ example: Case) throws {
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
    #expect(2 * received(joint) <= received(inTurn))
    #expect(joint.plan.macs <= 1.02 * inTurn.plan.macs)
  }
}
