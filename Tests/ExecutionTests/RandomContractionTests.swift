import Execution
import Kernels
import Planning
import TestSupport
import Testing

/// Contractions of 1,000 random expressions (2,000 in a long run), and their gradients, against the reference evaluator,
/// in both element types, by every optimizer in turn, on every path.
///
/// Float's data are small integers, of which every order of evaluation makes the same sums exactly;
/// Double's are uniform, so that no two elements are alike.
@Suite struct RandomContractionTests {
  private static let count = testsAreLong ? 2000 : 1000
  static let randoms = Array(RandomExpressions(seed: 2).prefix(count))
  /// The expressions are cut into slices that run in parallel.
  static let slices = stride(from: 0, to: count, by: 100).map { randoms[$0..<$0 + 100] }

  @Test(arguments: slices.indices)
  func floatAgreesWithTheReferenceExactly(slice: Int) throws {
    for random in Self.slices[slice] {
      try compare(random, Float.self, data: .smallIntegers, tolerance: .exact)
    }
  }

  @Test(arguments: slices.indices)
  func doubleAgreesWithTheReference(slice: Int) throws {
    for random in Self.slices[slice] {
      try compare(random, Double.self, data: .uniform, tolerance: .rounding)
    }
  }

  struct Case: Sendable, CustomTestStringConvertible {
    let text: String
    let shapes: [[Int]]
    var options: [String] = []

    var testDescription: String { "\(text) \(shapes) \(options)" }
  }

  /// Expressions that are easily got wrong. A random expression that once failed joins them, as the
  /// failing test printed it.
  static let cornerCases = [
    // Three and more operands on one mode: cropping an intermediate to `same` changes the result.
    Case(text: "ax,bx,cx->abcx|x", shapes: [[2, 7], [2, 4], [2, 3]]),
    Case(
      text: "ax,bx,cx->abcx|x", shapes: [[2, 7], [2, 4], [2, 3]],
      options: ["x:stride=2,dilation=2,kind=correlation"]),
    Case(
      text: "ax,bx,cx,dx->x|x", shapes: [[2, 3], [3, 2], [1, 6], [2, 3]],
      options: ["x:stride=3,boundary=circular"]),
    Case(
      text: "ijk,jl,lmq,njpq->ijknp|j", shapes: [[2, 7, 2], [10, 3], [3, 2, 2], [2, 8, 2, 2]]),
    // Around the circle more than once, and padded by more than its length.
    Case(
      text: "x,x,x->x|x", shapes: [[3], [3], [3]],
      options: ["x:boundary=circular,dilation=3,kind=correlation"]),
    Case(text: "x,x->x|x", shapes: [[2], [2]], options: ["x:boundary=circular,padding=7:9"]),
    // Padding by so much that some results meet no element of the feature at all.
    Case(text: "x,x->x|x", shapes: [[2], [2]], options: ["x:padding=5:6,stride=2"]),
    // Filters longer than the feature.
    Case(
      text: "ax,x,x->ax|x", shapes: [[2, 2], [5], [4]], options: ["x:feature=0,padding=full"]),
    // The feature is neither the first operand nor all of one step.
    Case(text: "ax,bx,abx->x|x", shapes: [[2, 2], [3, 3], [2, 3, 8]], options: ["x:stride=2"]),
    // Only the stride is left; the mode is summed after it.
    Case(text: "x->|x", shapes: [[7]], options: ["x:stride=3"]),
    Case(text: "ax,bx->ab|x", shapes: [[2, 7], [3, 3]], options: ["x:stride=2,padding=1:0"]),
    Case(text: "iix,ixy->yx|xy", shapes: [[3, 3, 4], [3, 2, 5]], options: ["y:stride=2"]),
    // Nothing, next to nothing, and much of it.
    Case(text: "->", shapes: [[]]),
    Case(text: ",,->", shapes: [[], [], []]),
    Case(text: "ij,jk->ik", shapes: [[2, 0], [0, 3]]),
    Case(text: "ij,jk->ik", shapes: [[0, 2], [2, 3]]),
    Case(text: "ijx,jx->ix|x", shapes: [[2, 0, 5], [0, 3]]),
    Case(text: "a,b,c,d->", shapes: [[2], [1], [3], [2]]),
    Case(text: "a,a,a,a,a,a->a", shapes: [[3], [3], [3], [3], [3], [3]]),
    Case(text: "...,...->...", shapes: [[1], [2, 1]]),
    Case(text: "a...,...b,...->b...a", shapes: [[2, 1, 3], [4, 1, 2], [3]]),
  ]

  @Test(arguments: cornerCases, Optimizer.allCases)
  func cornerCasesAgreeWithTheReference(_ corner: Case, optimizer: Optimizer) throws {
    let bound = try BoundExpression(
      corner.text, shapes: corner.shapes, rules: ConvRules(options: corner.options))
    try compare(
      bound, Float.self, optimizer: optimizer, checkpointing: .keep, data: .smallIntegers,
      tolerance: .exact, seed: 0x78, what: corner.testDescription)
    try compare(
      bound, Double.self, optimizer: optimizer, checkpointing: .recompute, data: .uniform,
      tolerance: .rounding, seed: 0x78, what: corner.testDescription)
  }

  private func compare<Element: TensorElement>(
    _ random: RandomExpression, _: Element.Type, data: TensorData, tolerance: Tolerance
  ) throws {
    let optimizers = Optimizer.allCases
    let optimizer = optimizers[Int(random.seed % UInt64(optimizers.count))]
    try compare(
      random.bound(), Element.self, optimizer: optimizer,
      checkpointing: random.seed & 4 == 0 ? .keep : .recompute, data: data, tolerance: tolerance,
      seed: random.seed, what: "\(optimizer) of \(random)")
  }

  private func compare<Element: TensorElement>(
    _ bound: BoundExpression, _: Element.Type, optimizer: Optimizer, checkpointing: Checkpointing,
    data: TensorData, tolerance: Tolerance, seed: UInt64, what: String
  ) throws {
    let count = bound.operands.count
    // Mostly all gradients; at times some, which must not depend on the others.
    let needed = (0..<count).map { seed & 24 != 0 || (seed >> (5 + $0)) & 1 == 0 }
    let options = PlanOptions(
      optimizer: optimizer, needsGradient: seed & 96 != 0 ? needed : nil, seed: seed)
    let plan = try Plan(bound, options: options)
    let operands: [Tensor<Element>] = data.tensors(bound.shapes, seed: seed)
    let outputGradient: Tensor<Element> = data.tensor(
      bound.outputShape, seed: seed, operand: count)

    let reference = ReferenceEvaluator(bound)
    let exact = operands.map { $0.converted(to: Double.self) }
    let expected = reference.evaluate(exact)
    let expectedGradients = needed.indices.map { operand in
      needed[operand]
        ? reference.gradient(
          ofOperand: operand, operands: exact, outputGradient: outputGradient.converted()) : nil
    }
    for context in Context.paths {
      let what = "\(what), \(context.path)"
      let contraction = try Contraction<Element>(
        plan, checkpointing: checkpointing, context: context)
      let result = try contraction(operands)
      let (recordedResult, record) = try contraction.recorded(operands)
      let gradients = try contraction.gradients(
        record, outputGradient: outputGradient, needed: needed)
      #expect(mismatch(result, expected, tolerance: tolerance) == nil, "\(what)")
      #expect(
        mismatch(recordedResult, result.converted(to: Double.self)) == nil, "recorded, \(what)")
      #expect(gradients.map { $0 != nil } == needed, "\(what)")
      for (operand, expected) in expectedGradients.enumerated() {
        guard let expected, let gradient = gradients[operand] else { continue }
        #expect(
          mismatch(gradient, expected, tolerance: tolerance) == nil,
          "gradient of operand \(operand), \(what)")
      }
    }
  }
}
