import Foundation
import Testing

@testable import Planning

@Suite struct BindingTests {
  @Test func modesAreNumberedByFirstAppearance() throws {
    let bound = try BoundExpression(
      "b...s,ts...->...tb", shapes: [[2, 5, 1, 3], [7, 3, 4]])
    #expect(bound.modes.map(\.mode.name) == ["b", "...1", "...0", "s", "t"])
    #expect(bound.modes.map(\.extent) == [2, 5, 4, 3, 7])
    #expect(bound.operands == [[0, 1, nil, 3], [4, 3, 2]])
    #expect(bound.output == [1, 2, 4, 0])
    #expect(bound.outputShape == [5, 4, 7, 2])
  }

  @Test func ellipsisOfExtentOneEverywhereIsAMode() throws {
    let bound = try BoundExpression("...,...", shapes: [[1, 1], [1]])
    #expect(bound.modes.map(\.extent) == [1, 1])
    #expect(bound.operands == [[0, 1], [1]])
    #expect(bound.outputShape == [1, 1])
  }

  @Test func ellipsisMatchesFromTheRight() throws {
    let bound = try BoundExpression("...,...->...", shapes: [[3], [1, 0, 3]])
    #expect(bound.modes.map(\.mode.name) == ["...0", "...2", "...1"])
    #expect(bound.operands == [[0], [1, 2, 0]])
    #expect(bound.outputShape == [1, 0, 3])
  }

  @Test func ellipsisOfNoDimensionNeedsNoOutput() throws {
    #expect(try BoundExpression("...i,i->i", shapes: [[3], [3]]).outputShape == [3])
  }

  @Test func diagonalsScalarsAndEmptyExtents() throws {
    let bound = try BoundExpression("iij,,j->ji", shapes: [[0, 0, 2], [], [2]])
    #expect(bound.operands == [[0, 0, 1], [], [1]])
    #expect(bound.outputShape == [2, 0])
    #expect(try BoundExpression("", shapes: [[]]).outputShape == [])
  }

  @Test func layer() throws {
    let rules = ConvRules(all: ConvRule(kind: .correlation))
    let bound = try BoundExpression(
      "bshw,rt,rs,rh,rw->bthw|hw", shapes: [[8, 3, 9, 7], [4, 6], [4, 3], [4, 3], [4, 5]],
      rules: rules)
    #expect(bound.outputShape == [8, 6, 9, 7])
    #expect(bound.modes.map(\.mode) == ["b", "s", "h", "w", "r", "t"])
    #expect(bound.modes.map(\.extent) == [8, 3, 9, 7, 4, 6])
    #expect(bound.extent(2, inOperand: 0) == 9)
    #expect(bound.extent(2, inOperand: 3) == 3)
    #expect(bound.extent(3, inOperand: 4) == 5)
    #expect(bound.modes.map { $0.convolution == nil } == [true, true, false, false, true, true])
  }

  /// The example of issue 2: four operands, two kinds of j.
  @Test func paperExample() throws {
    let bound = try BoundExpression(
      "ijk,jl,lmq,njpq->ijknp|j", shapes: [[4, 7, 9], [10, 5], [5, 4, 2], [6, 8, 9, 2]])
    #expect(bound.outputShape == [4, 10, 9, 6, 9])
    #expect(bound.modes[1].convolution?.feature == 1)
  }

  @Test func codable() throws {
    let rules = try ConvRules(options: ["*:kind=correlation", "h:boundary=circular"])
    let bound = try BoundExpression(
      "...h,h->...h|h", shapes: [[2, 5], [3]], rules: rules)
    let decoder = JSONDecoder()
    let encoder = JSONEncoder()
    #expect(try decoder.decode(BoundExpression.self, from: encoder.encode(bound)) == bound)
    #expect(try decoder.decode(ConvRules.self, from: encoder.encode(rules)) == rules)
  }
}

@Suite struct GeometryTests {
  struct Row: Sendable, CustomTestStringConvertible {
    let extents: [Int]
    let rule: ConvRule
    let low: Int
    let high: Int
    let output: Int
    var feature = 0
    var testDescription: String { "\(extents) \(ConvRules(all: rule).options)" }
  }

  /// By hand from the table of design, section 2: extents of the operands, rule, (lo, hi), n.
  static let rows = [
    // E = 3, odd: the two kinds pad differently.
    Row(extents: [5, 4], rule: ConvRule(), low: 2, high: 1, output: 5),
    Row(extents: [5, 4], rule: ConvRule(kind: .correlation), low: 1, high: 2, output: 5),
    Row(extents: [5, 4], rule: ConvRule(padding: .valid), low: 0, high: 0, output: 2),
    Row(extents: [5, 4], rule: ConvRule(padding: .full), low: 3, high: 3, output: 8),
    Row(
      extents: [5, 4], rule: ConvRule(padding: .explicit(low: 4, high: 0)), low: 4, high: 0,
      output: 6),
    // Stride.
    Row(extents: [5, 4], rule: ConvRule(stride: 2), low: 2, high: 1, output: 3),
    Row(extents: [5, 4], rule: ConvRule(stride: 2, padding: .valid), low: 0, high: 0, output: 1),
    Row(extents: [5, 4], rule: ConvRule(stride: 3, padding: .full), low: 3, high: 3, output: 3),
    Row(extents: [5, 5], rule: ConvRule(stride: 9, padding: .valid), low: 0, high: 0, output: 1),
    // Dilation: E = 2·3 = 6.
    Row(extents: [9, 4], rule: ConvRule(dilation: 2), low: 3, high: 3, output: 9),
    Row(extents: [9, 4], rule: ConvRule(dilation: 2, padding: .valid), low: 0, high: 0, output: 3),
    // E = 2 + 3 + 0 = 5.
    Row(extents: [3, 8, 4, 1], rule: ConvRule(), low: 3, high: 2, output: 8, feature: 1),
    // No filter: E = 0.
    Row(extents: [5], rule: ConvRule(), low: 0, high: 0, output: 5),
    Row(extents: [5], rule: ConvRule(stride: 2), low: 0, high: 0, output: 3),
    Row(
      extents: [5], rule: ConvRule(padding: .explicit(low: 1, high: 2)), low: 1, high: 2, output: 8),
    // Circular: ⌈N/s⌉, anchored at 0; also with a reach beyond N.
    Row(extents: [5, 4], rule: ConvRule(boundary: .circular), low: 3, high: 0, output: 5),
    Row(
      extents: [5, 4], rule: ConvRule(kind: .correlation, boundary: .circular), low: 0, high: 3,
      output: 5),
    Row(
      extents: [5, 4], rule: ConvRule(stride: 2, padding: .wrap, boundary: .circular), low: 3,
      high: 0, output: 3),
    Row(
      extents: [3, 3], rule: ConvRule(dilation: 4, boundary: .circular), low: 8, high: 0, output: 3),
    Row(
      extents: [5, 4], rule: ConvRule(padding: .same, boundary: .circular), low: 2, high: 1,
      output: 5),
    Row(
      extents: [5, 4], rule: ConvRule(padding: .valid, boundary: .circular), low: 0, high: 0,
      output: 2),
    // The feature: first of equals, or as told. Here E = 4.
    Row(extents: [3, 3], rule: ConvRule(), low: 1, high: 1, output: 3, feature: 0),
    Row(extents: [3, 5], rule: ConvRule(feature: 0), low: 2, high: 2, output: 3, feature: 0),
    Row(
      extents: [3, 5], rule: ConvRule(padding: .full, feature: 0), low: 4, high: 4, output: 7,
      feature: 0),
  ]

  @Test(arguments: rows)
  func table(row: Row) throws {
    let text = row.extents.map { _ in "x" }.joined(separator: ",") + "->x|x"
    let bound = try BoundExpression(
      text, shapes: row.extents.map { [$0] }, rules: ConvRules(all: row.rule))
    let geometry = try #require(bound.modes[0].convolution)
    #expect(geometry.low == row.low)
    #expect(geometry.high == row.high)
    #expect(geometry.feature == row.feature)
    #expect(geometry.featureExtent == row.extents[row.feature])
    #expect(bound.outputShape == [row.output])
    let filters = row.extents.indices.filter { $0 != row.feature }
    #expect(geometry.filters.map(\.operand) == filters)
    #expect(geometry.filters.map(\.extent) == filters.map { row.extents[$0] })
  }

  /// n counts the positions i·s at which the reach, E + 1 elements, fits the padded feature; where
  /// none does, binding throws. Exhaustively over small geometries.
  @Test func outputExtentCountsPositions() throws {
    for n in 1...4 {
      for k in 1...4 {
        for stride in 1...3 {
          for dilation in 1...2 {
            for (low, high) in [(0, 0), (1, 0), (0, 2), (2, 2)] {
              let reach = dilation * (k - 1)
              var positions = 0
              while positions * stride + reach < n + low + high { positions += 1 }
              let rule = ConvRule(
                stride: stride, dilation: dilation, padding: .explicit(low: low, high: high),
                feature: 0)
              let bound = try? BoundExpression(
                "x,x|x", shapes: [[n], [k]], rules: ConvRules(all: rule))
              #expect(bound?.outputShape.first ?? 0 == positions, "\(n) \(k) \(rule)")
            }
          }
        }
      }
    }
  }

  @Test func rulesDifferByMode() throws {
    let rules = try ConvRules(options: ["*:kind=correlation", "h:stride=2", "w:padding=valid"])
    let bound = try BoundExpression(
      "hw,hw->hw|hw", shapes: [[8, 8], [3, 3]], rules: rules)
    #expect(bound.outputShape == [4, 6])
    // The feature is chosen mode by mode.
    let mixed = try BoundExpression("hw,hw->hw|hw", shapes: [[8, 3], [3, 8]])
    #expect(mixed.modes.map { $0.convolution?.feature } == [0, 1])
  }
}
