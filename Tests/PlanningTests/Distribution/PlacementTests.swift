import Partitioning
import Testing

@testable import Planning

/// Meshes and placements by axes that the caller gives.
@Suite struct PlacementTests {
  static let shapes = [[6, 8, 5], [3, 3, 5, 7]]

  static func options(_ axes: [[Int]], ranks: Int = 6, mesh: Mesh? = Mesh(axes: [2, 3]))
    -> DistributionOptions
  {
    DistributionOptions(
      ranks: ranks, mesh: mesh, needsGradient: [true, true], inputs: [.axes(axes), .replicated],
      output: .axes(axes))
  }

  static func expression() throws -> BoundExpression {
    let rule = ConvRule(padding: .same, kind: .correlation, feature: 0)
    return try BoundExpression("hws,hwst->hwt|hw", shapes: shapes, rules: ConvRules(all: rule))
  }

  @Test(arguments: [[[0], [1], []], [[1], [], [0]], [[], [1, 0], []], [[1], [], []]])
  func tensorsAreWhereTheyShouldBe(axes: [[Int]]) throws {
    let plan = try DistributedPlan(Self.expression(), options: Self.options(axes))
    #expect(plan.mesh.axes == [2, 3])
    #expect(plan.inputs[0].cuts.map(\.axes) == axes)
    #expect(plan.inputs[1] == .replicated(Self.shapes[1], mesh: plan.mesh))
    #expect(plan.output == Layout(shape: [6, 8, 7], mesh: plan.mesh, axes: axes))
  }

  /// Only halos travel where rows are cut on both sides: two rows of 8 by 5 at most.
  @Test func rowsAreExchangedAsHalos() throws {
    let mesh = Mesh(axes: [1, 6])
    let plan = try DistributedPlan(
      Self.expression(), options: Self.options([[1], [], []], mesh: mesh))
    #expect((0..<6).map { plan.receivedElements(by: $0) } == [40, 80, 80, 80, 80, 40])
  }

  @Test func sumsThatAreLeftToTheCallerCostNothing() throws {
    var options = Self.options([[0], [1], []])
    let summed = try DistributedPlan(Self.expression(), options: options).search.cost
    options.gradientsAsTerms = true
    #expect(try DistributedPlan(Self.expression(), options: options).search.cost < summed)
  }

  @Test func badPlacements() throws {
    func error(_ options: DistributionOptions) throws -> DistributionError? {
      let expression = try Self.expression()
      return #expect(throws: DistributionError.self) {
        try DistributedPlan(expression, options: options)
      }
    }
    #expect(
      try error(Self.options([[0], [1], []], ranks: 8)) == .meshRanks(mesh: [2, 3], ranks: 8))
    for axes in [[[0], [1]], [[0], [2], []], [[0], [0], []], [[-1], [], []]] {
      #expect(
        try error(Self.options(axes))
          == .axesDoNotFit(operand: 0, axes: axes, shape: [6, 8, 5], mesh: [2, 3]))
    }
    let unplaced = try error(Self.options([[0], [1], []], mesh: nil))
    #expect(
      unplaced.map { "\($0)" }
        == "the axes [[0], [1], []] cannot place operand 0 of shape [6, 8, 5]; "
        + "expected one list per dimension, each axis of a mesh, which must be given, at most once")
  }
}
