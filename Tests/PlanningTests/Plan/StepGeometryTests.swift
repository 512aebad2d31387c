import Testing

@testable import Planning

/// Where a step reads its feature, by hand from the definition
/// y[i] = Σ x[i·s − lo + Σ d·k_j] (correlation), y[i] = Σ x[i·s − lo + E − Σ d·k_j] (convolution).
@Suite struct StepGeometryTests {
  private func convolutions(
    _ text: String, _ shapes: [[Int]], _ rule: String
  ) throws -> [StepConvolution] {
    let bound = try BoundExpression(text, shapes: shapes, rules: ConvRules(options: ["x:\(rule)"]))
    return try Plan(bound, options: PlanOptions(optimizer: .leftToRight)).steps
      .flatMap(\.convolutions)
  }

  /// 10 padded to 14 by one before and three after: 12 results of three taps.
  @Test func paddingIsBefore() throws {
    let found = try convolutions("x,x->x|x", [[10], [3]], "padding=1:3,kind=correlation")
    #expect(
      found == [
        StepConvolution(
          mode: 0, feature: 0, stride: 1, tap: 1, offset: -1, circular: false, resultExtent: 12)
      ])
    // The same with the feature second.
    let second = try convolutions("x,x->x|x", [[3], [10]], "padding=1:3,kind=correlation")
    #expect(
      second == [
        StepConvolution(
          mode: 0, feature: 1, stride: 1, tap: 1, offset: -1, circular: false, resultExtent: 12)
      ])
  }

  /// E = 4, read at 2·i − 3 + 4 − 2·k; ⌊(10 + 3 + 1 − 4 − 1)/2⌋ + 1 = 5.
  @Test func convolutionReadsBackwards() throws {
    let found = try convolutions(
      "x,x->x|x", [[10], [3]], "padding=3:1,stride=2,dilation=2")
    #expect(
      found == [
        StepConvolution(
          mode: 0, feature: 0, stride: 2, tap: -2, offset: 1, circular: false, resultExtent: 5)
      ])
  }

  /// The padding comes with the first filter, the stride with the last: 10 + 1 + 2 − 2 = 11, then
  /// ⌊(13 − 3 − 1)/2⌋ + 1 = 5.
  @Test func twoFilters() throws {
    let found = try convolutions(
      "x,x,x->x|x", [[10], [3], [2]], "padding=1:2,stride=2,kind=correlation")
    #expect(
      found == [
        StepConvolution(
          mode: 0, feature: 0, stride: 1, tap: 1, offset: -1, circular: false, resultExtent: 11),
        StepConvolution(
          mode: 0, feature: 1, stride: 2, tap: 1, offset: 0, circular: false, resultExtent: 5),
      ])
    // Filters first: their full convolution has 3 + 2 − 1 taps. (An operand stands before a result.)
    let filters = try convolutions(
      "x,x,x->x|x", [[3], [2], [10]], "padding=1:2,stride=2,kind=correlation")
    #expect(
      filters == [
        StepConvolution(
          mode: 0, feature: nil, stride: 1, tap: 1, offset: 0, circular: false, resultExtent: 4),
        StepConvolution(
          mode: 0, feature: 0, stride: 2, tap: 1, offset: -1, circular: false, resultExtent: 5),
      ])
  }

  /// No filter: ⌊(9 + 2 + 1 − 1)/3⌋ + 1 = 4 results, read at 3·i − 2.
  @Test func noFilter() throws {
    let found = try convolutions("x->x|x", [[9]], "padding=2:1,stride=3")
    #expect(
      found == [
        StepConvolution(
          mode: 0, feature: 0, stride: 3, tap: 0, offset: -2, circular: false, resultExtent: 4)
      ])
  }

  /// A product of 2×3, 3×4, 4×5 and 5×6 from left to right: 68 elements of operands; results of 8, 10
  /// and 12, of which at most two live at once.
  @Test func intermediatesAreReleased() throws {
    let bound = try BoundExpression(
      "ab,bc,cd,de->ae", shapes: [[2, 3], [3, 4], [4, 5], [5, 6]])
    let plan = try Plan(bound, options: PlanOptions(optimizer: .leftToRight))
    #expect(plan.steps.map { $0.resultShape.reduce(1, *) } == [8, 10, 12])
    #expect(plan.peakElements == 68 + 10 + 12)
  }
}
