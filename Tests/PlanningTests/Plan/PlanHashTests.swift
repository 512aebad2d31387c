import Testing

@testable import Planning

/// What ranks compare before they start.
@Suite struct PlanHashTests {
  private func plan(_ option: String) throws -> Plan {
    try Plan(
      BoundExpression(
        "bh,th->bth|h", shapes: [[2, 9], [3, 3]], rules: ConvRules(options: ["h:\(option)"])))
  }

  @Test func whatReadsElsewhereHashesElsewhere() throws {
    let options = [
      "padding=0:3", "padding=3:0", "padding=1:2", "padding=0:4", "padding=valid",
      "padding=valid,dilation=2", "padding=valid,stride=2", "padding=valid,kind=correlation",
      "boundary=circular,padding=0:3", "boundary=circular,padding=3:0", "boundary=circular",
    ]
    let hashes = try options.map { try plan($0).stableHash }
    #expect(Set(hashes).count == options.count)
    // Equal geometries hash alike, however they are written.
    #expect(try plan("padding=0:0").stableHash == plan("padding=valid").stableHash)
    #expect(try plan("padding=0:3").stableHash == plan("padding=0:3").stableHash)
  }

  /// Every field alone, as it is on every other rank.
  @Test func everyFieldOfAConvolutionIsHashed() throws {
    let plan = try plan("padding=0:3")
    let step = try #require(plan.steps.last)
    let own = try #require(step.convolutions.first)
    func hash(
      mode: Int? = nil, feature: Int?? = nil, stride: Int? = nil, tap: Int? = nil,
      offset: Int? = nil, circular: Bool? = nil, resultExtent: Int? = nil
    ) -> UInt64 {
      let other = StepConvolution(
        mode: mode ?? own.mode, feature: feature ?? own.feature, stride: stride ?? own.stride,
        tap: tap ?? own.tap, offset: offset ?? own.offset, circular: circular ?? own.circular,
        resultExtent: resultExtent ?? own.resultExtent)
      let changed = Step(
        operands: step.operands, operandModes: step.operandModes,
        operandShapes: step.operandShapes, resultModes: step.resultModes,
        resultShape: step.resultShape, convolutions: [other], macs: step.macs)
      return Plan(
        expression: plan.expression, optimizer: plan.optimizer, path: plan.path,
        steps: plan.steps.dropLast() + [changed], macs: plan.macs,
        trainingMacs: plan.trainingMacs, leftToRightMacs: plan.leftToRightMacs,
        paperMacs: plan.paperMacs, largestIntermediate: plan.largestIntermediate
      ).stableHash
    }
    #expect(hash() == plan.stableHash)
    let others = [
      hash(mode: own.mode + 1), hash(feature: 1), hash(feature: .some(nil)),
      hash(stride: own.stride + 1), hash(tap: -own.tap), hash(offset: own.offset + 1),
      hash(circular: !own.circular), hash(resultExtent: own.resultExtent + 1),
    ]
    #expect(Set(others + [plan.stableHash]).count == others.count + 1)
  }
}
