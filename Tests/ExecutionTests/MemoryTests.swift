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
    #expect(meter.peakBytes == (try contraction.peakBytes()), "\(expression)")
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
      #expect(meter.peakBytes == (try contraction.peakBytes(needed: needed)), "\(expression)")
    }
  }

  /// Gradients of some operands, of which only those are counted that are needed; in Double too.
  @Test(arguments: Checkpointing.allCases)
  func peakWithSomeGradientsIsExact(checkpointing: Checkpointing) throws {
    var notAll = 0
    for expression in RandomExpressions(seed: 73).prefix(150) {
      let bound = try expression.bound()
      let needed = bound.shapes.indices.map { (expression.seed >> $0) & 1 == 0 }
      if needed.contains(false) { notAll += 1 }
      func check<Element: TensorElement>(_ type: Element.Type) throws {
        let meter = MemoryMeter()
        let contraction = try Contraction<Element>(
          Plan(bound), checkpointing: checkpointing, meter: meter)
        let operands = bound.shapes.map { Tensor<Element>(uninitialized: $0, meter: meter) }
        let record = try contraction.recorded(operands).record
        let gradient = Tensor<Element>(uninitialized: bound.outputShape, meter: meter)
        let gradients = try contraction.gradients(
          record, outputGradient: gradient, needed: needed)
        #expect(gradients.map { $0 != nil } == needed, "\(expression)")
        if needed.contains(true) {
          #expect(meter.peakBytes == (try contraction.peakBytes(needed: needed)), "\(expression)")
        }
        // What lives now: operands, the record, both results and the gradients, counted here.
        let kept = withExtendedLifetime((operands, record, gradient)) { meter.liveBytes }
        let gradientCount = gradients.reduce(0) { $0 + ($1?.count ?? 0) }
        let operandCount = operands.reduce(0) { $0 + $1.count }
        let intermediates = Plan.intermediates(of: contraction.plan)
        let held =
          operandCount + gradientCount + gradient.count
          + (checkpointing == .keep ? intermediates : 0)
        #expect(kept == held * MemoryLayout<Element>.stride, "\(expression)")
      }
      try check(Float.self)
      try check(Double.self)
    }
    #expect(notAll > 50)
  }

  /// What each pass was measured to need is enough, and a byte less is refused before it starts.
  @Test(arguments: Checkpointing.allCases)
  func everyPassIsCheckedBeforeItStarts(checkpointing: Checkpointing) throws {
    // Each intermediate is larger than the one before it.
    let shapes = [[2, 3], [3, 40], [40, 50], [50, 60]]
    let bound = try BoundExpression("ab,bc,cd,de->ae", shapes: shapes)
    let plan = try Plan(bound, options: PlanOptions(optimizer: .leftToRight))
    let operands: [Tensor<Float>] = TensorData.smallIntegers.tensors(shapes, seed: 1)
    let outputGradient = Tensor<Float>(shape: bound.outputShape)
    let needed = [true, false, true, true]
    let operandBytes = shapes.reduce(0) { $0 + 4 * $1.reduce(1, *) }
    /// Bytes of a run, measured from outside.
    func measured(_ body: (Contraction<Float>) throws -> Void) throws -> Int {
      let meter = MemoryMeter()
      try body(
        try Contraction<Float>(plan, checkpointing: checkpointing, meter: meter))
      return operandBytes + meter.peakBytes
    }
    let forward = try measured { _ = try $0(operands) }
    let recorded = try measured { _ = try $0.recorded(operands) }
    let reverse =
      try measured { contraction in
        let record = try contraction.recorded(operands).record
        _ = try contraction.gradients(record, outputGradient: outputGradient, needed: needed)
      } + 4 * outputGradient.count
    #expect(checkpointing == .keep ? forward < recorded : forward == recorded)
    #expect(recorded < reverse)
    func limited(_ bytes: Int) throws -> Contraction<Float> {
      try Contraction<Float>(plan, checkpointing: checkpointing, limitBytes: bytes)
    }
    func refused(_ needed: Int, _ body: () throws -> Void) {
      let error = #expect(throws: ExecutionError.self) { try body() }
      guard case .notEnoughMemory(_, needed, needed - 1, 1, _)? = error else {
        Issue.record("\(String(describing: error)), expected \(needed) bytes")
        return
      }
    }
    _ = try limited(forward)(operands)
    refused(forward) { _ = try limited(forward - 1)(operands) }
    _ = try limited(recorded).recorded(operands)
    refused(recorded) { _ = try limited(recorded - 1).recorded(operands) }
    let record = try limited(recorded).recorded(operands).record
    _ = try limited(reverse).gradients(record, outputGradient: outputGradient, needed: needed)
    refused(reverse) {
      _ = try limited(reverse - 1).gradients(
        record, outputGradient: outputGradient, needed: needed)
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

extension Plan {
  /// Elements of all results of steps but the last.
  fileprivate static func intermediates(of plan: Plan) -> Int {
    plan.steps.dropLast().reduce(0) { $0 + $1.resultShape.reduce(1, *) }
  }
}
