import Planning
import TestSupport
import Testing

/// That the random expressions do reach every corner they are meant to reach.
@Suite struct RandomExpressionTests {
  static let randoms = Array(RandomExpressions(seed: 2).prefix(2000))

  @Test func equalSeedsGiveEqualExpressions() {
    let again = RandomExpressions(seed: 2).prefix(2000)
    #expect(zip(Self.randoms, again).allSatisfy { $0.description == $1.description })
    #expect(Set(Self.randoms.map(\.description)).count == 2000)
  }

  @Test func everyExpressionBindsAndItsRulesCanBeWrittenAsOptions() throws {
    for random in Self.randoms {
      let bound = try random.bound()
      #expect(bound.outputShape.allSatisfy { $0 >= 0 }, "\(random)")
      let read = try BoundExpression(
        random.text, shapes: random.shapes, rules: ConvRules(options: random.options))
      #expect(read == bound, "\(random)")
    }
  }

  /// How many of the 2,000 have each property; none may be rare, or its tests prove little.
  @Test func everyKindOfExpressionIsDrawnOften() throws {
    let bounds = try Self.randoms.map { try $0.bound() }
    func often(
      _ least: Int, _ what: String, where property: (BoundExpression) -> Bool
    ) {
      #expect(bounds.count(where: property) >= least, "too few expressions with \(what)")
    }
    for count in 1...6 { often(200, "\(count) operands") { $0.operands.count == count } }
    often(100, "a scalar operand") { $0.shapes.contains([]) }
    often(100, "a diagonal") { $0.operands.contains { Set($0).count < $0.count } }
    often(100, "an ellipsis") { $0.text.contains("...") }
    often(50, "a broadcast dimension") { $0.operands.contains { $0.contains(nil) } }
    often(100, "an implied output") { !$0.text.contains("->") }
    often(100, "a scalar result") { $0.output.isEmpty }
    often(200, "a named mode") { $0.text.contains("(") }
    often(10, "an empty extent") { $0.modes.contains { $0.extent == 0 } }
    often(500, "an extent of 1") { $0.modes.contains { $0.extent == 1 } }
    often(200, "a mode in three operands") { bound in
      bound.modes.indices.contains { mode in bound.operands.count { $0.contains(mode) } > 2 }
    }
    func oftenConvolution(
      _ least: Int, _ what: String, where property: (ConvolutionGeometry) -> Bool
    ) {
      often(least, what) { $0.modes.compactMap(\.convolution).contains(where: property) }
    }
    for filters in 0...3 {
      oftenConvolution(100, "\(filters) filters") { $0.filters.count == filters }
    }
    for stride in 1...3 { oftenConvolution(200, "stride \(stride)") { $0.stride == stride } }
    for dilation in 1...3 {
      oftenConvolution(100, "dilation \(dilation)") { $0.dilation == dilation && $0.reach > 0 }
    }
    for kind in ConvRule.Kind.allCases {
      for boundary in ConvRule.Boundary.allCases {
        oftenConvolution(200, "\(kind) and \(boundary)") {
          $0.kind == kind && $0.boundary == boundary
        }
      }
    }
    oftenConvolution(200, "uneven padding") { $0.low != $0.high }
    oftenConvolution(20, "a filter longer than the feature") { geometry in
      geometry.filters.contains { $0.extent > geometry.featureExtent }
    }
    oftenConvolution(20, "a reach around the circle") {
      $0.boundary == .circular && $0.reach >= $0.featureExtent
    }
    often(200, "two convolution modes") { $0.modes.count { $0.convolution != nil } == 2 }
    often(100, "a convolution mode that is summed") { bound in
      bound.modes.indices.contains {
        bound.modes[$0].convolution != nil && !bound.output.contains($0)
      }
    }
  }
}
