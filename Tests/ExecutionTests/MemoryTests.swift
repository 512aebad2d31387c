import Execution
import Kernels
import Planning
import TestSupport
import Testing

/// Predicted against counted bytes.
@Suite struct MemoryTests {
  private func check<Element: TensorElement>(
    _ expression: RandomExpression, _ type: Element.Type, _ context: Context
  ) throws {
    let bound = try expression.bound()
    let meter = MemoryMeter()
    let contraction = try Contraction<Element>(Plan(bound), context: context, meter: meter)
    let operands = bound.shapes.map { Tensor<Element>(uninitialized: $0, meter: meter) }
    _ = try contraction(operands)
    #expect(meter.peakBytes == contraction.peakBytes(), "\(expression)")
  }

  @Test(arguments: Context.paths) func forwardPeakIsExact(context: Context) throws {
    for expression in RandomExpressions(seed: 71).prefix(300) {
      try check(expression, Float.self, context)
      try check(expression, Double.self, context)
    }
  }

  @Test(arguments: Checkpointing.allCases, Context.paths)
  func peakWithGradientsIsExact(checkpointing: Checkpointing, context: Context) throws {
    for expression in RandomExpressions(seed: 72).prefix(300) {
      let bound = try expression.bound()
      let meter = MemoryMeter()
      let contraction = try Contraction<Float>(
        Plan(bound), checkpointing: checkpointing, context: context, meter: meter)
      let needed = bound.shapes.map { _ in true }
      let operands = bound.shapes.map { Tensor<Float>(uninitialized: $0, meter: meter) }
      let record = try contraction.recorded(operands).record
      let gradient = Tensor<Float>(uninitialized: bound.outputShape, meter: meter)
      _ = try contraction.gradients(record, outputGradient: gradient, needed: needed)
      #expect(meter.peakBytes == contraction.peakBytes(needed: needed), "\(expression)")
    }
  }

  @Test func whatCannotFitIsAnErrorNotACrash() throws {
    let row = Tensor<Float>(shape: [3_000_000])
    #expect(throws: ExecutionError.self) { try contract("i,j->ij", row, row) }
    do {
      _ = try contract("i,j->ij", row, row)
      Issue.record("36 TB were found")
    } catch let error as ExecutionError {
      #expect(error.description.contains("its largest tensor has shape [3000000, 3000000]"))
    }
  }

  /// Two operands whose bytes cannot be added up.
  @Test func operandsBeyondAddressingAreAnError() throws {
    let shape = [4_294_967_296, 134_217_728]
    let bound = try BoundExpression("ij,ij->", shapes: [shape, shape])
    #expect(throws: ExecutionError.tooLarge(expression: "ij,ij->", shape: shape)) {
      try Contraction<Double>(Plan(bound))
    }
  }

  /// Numbers that no index ever reaches, whose products with the strides overflow.
  @Test(
    arguments: [
      ("hx,h->hx|h", [[5, 16], [3]], "h:stride=4611686018427387904"),
      ("hx,h->hx|h", [[5, 16], [1]], "h:dilation=4611686018427387904"),
    ], Context.paths)
  func hugeStridesAreOnlyNumbers(
    _ example: (text: String, shapes: [[Int]], option: String), context: Context
  ) throws {
    let (text, shapes, option) = example
    let bound = try BoundExpression(text, shapes: shapes, rules: ConvRules(options: [option]))
    let operands: [Tensor<Double>] = TensorData.smallIntegers.tensors(shapes, seed: 3)
    let expected = ReferenceEvaluator(bound).evaluate(operands)
    let result = try Contraction<Double>(Plan(bound), context: context)(operands)
    #expect(mismatch(result, expected) == nil)
  }

  @Test func paddingBeyondAddressingIsAnError() {
    #expect(throws: ExpressionError.self) {
      try BoundExpression(
        "hx,h->x|h", shapes: [[5, 16], [3]],
        rules: ConvRules(options: ["h:padding=1152921504606846976:0"]))
    }
  }

  /// More dimensions than the permutation counts, all but five of extent 1, in a step that packs.
  @Test(arguments: Context.paths) func manyDimensionsOfExtentOne(context: Context) throws {
    let ones = (0..<400).map { "(o\($0))" }.joined()
    let extents = [Int](repeating: 1, count: 400)
    let shapes = [extents + [8, 6, 4, 5], [6, 5, 7]]
    let bound = try BoundExpression("\(ones)akcl,kln->\(ones)acn", shapes: shapes)
    let small = try BoundExpression("akcl,kln->acn", shapes: [[8, 6, 4, 5], [6, 5, 7]])
    let operands: [Tensor<Double>] = TensorData.smallIntegers.tensors(shapes, seed: 4)
    let result = try Contraction<Double>(Plan(bound), context: context)(operands)
    let reshaped = [operands[0].reshaped([8, 6, 4, 5]), operands[1]]
    let expected = ReferenceEvaluator(small).evaluate(reshaped)
    #expect(mismatch(result.reshaped([8, 4, 7]), expected) == nil)
  }

  @Test func intermediatesBeyondAddressingAreAnError() throws {
    let extents = (0..<12).map { _ in 1000 }
    let letters = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]
    let text = letters.joined(separator: ",") + "," + letters.joined(separator: ",") + "->"
    let bound = try BoundExpression(text, shapes: (extents + extents).map { [$0] })
    let plan = try Plan(bound, options: PlanOptions(optimizer: .leftToRight))
    #expect(throws: ExecutionError.self) { try Contraction<Float>(plan) }
    #expect(plan.largestIntermediate == 1e36)
  }
}
