import Execution
import Kernels
import Planning
import TestSupport
import Testing

/// What must hold whatever the order of evaluation, at sizes beyond the reference evaluator's.
@Suite struct RandomOrderTests {
  /// All optimizers' results are equal, bit by bit: sums of small integers are exact.
  @Test(arguments: Context.paths) func resultsDoNotDependOnTheOrder(context: Context) throws {
    let limits = RandomExpression.Limits(operands: 3...6, iterations: 100_000)
    for random in RandomExpressions(seed: 21, limits: limits).prefix(300) {
      let bound = try random.bound()
      let operands: [Tensor<Float>] = TensorData.smallIntegers.tensors(
        random.shapes, seed: random.seed)
      let naive = try result(bound, operands, .leftToRight, context).converted(to: Double.self)
      for optimizer in Optimizer.allCases where optimizer != .leftToRight {
        let found = try result(bound, operands, optimizer, context)
        #expect(mismatch(found, naive) == nil, "\(optimizer) of \(random)")
      }
    }
  }

  /// ⟨g, A x⟩ = ⟨Aᵀg, x⟩: the expression is linear in every operand, so that each operand's gradient
  /// gives the same inner product with that operand.
  @Test(arguments: Context.paths) func gradientsAreAdjoint(context: Context) throws {
    let limits = RandomExpression.Limits(iterations: 3_000_000, emptyExtents: false)
    for random in RandomExpressions(seed: 22, limits: limits).prefix(300) {
      let bound = try random.bound()
      let operands: [Tensor<Double>] = TensorData.uniform.tensors(
        random.shapes, seed: random.seed)
      let outputGradient: Tensor<Double> = TensorData.uniform.tensor(
        bound.outputShape, seed: random.seed, operand: operands.count)
      let contraction = try Contraction<Double>(Plan(bound), context: context)
      let (result, record) = try contraction.recorded(operands)
      let gradients = try contraction.gradients(
        record, outputGradient: outputGradient, needed: operands.map { _ in true })
      let product = outputGradient.innerProduct(result)
      for (operand, gradient) in gradients.enumerated() {
        let gradient = try #require(gradient)
        let adjoint = gradient.innerProduct(operands[operand])
        let scale = outputGradient.norm * result.norm + gradient.norm * operands[operand].norm
        #expect(abs(product - adjoint) <= 1e-12 * scale, "operand \(operand) of \(random)")
      }
    }
  }

  /// The inner product ties results to gradients, not to the truth; a few large expressions are
  /// compared with the reference evaluator too.
  @Test(arguments: Context.paths)
  func largeExpressionsAgreeWithTheReference(context: Context) throws {
    let limits = RandomExpression.Limits(
      operands: 2...6, convolutionModes: 1...2, iterations: 2_000_000, emptyExtents: false)
    let large = RandomExpressions(seed: 23, limits: limits).lazy.filter {
      ((try? $0.bound()).map { ReferenceEvaluator($0).iterations } ?? 0) > 200_000
    }
    for random in large.prefix(10) {
      let bound = try random.bound()
      let operands: [Tensor<Double>] = TensorData.uniform.tensors(
        random.shapes, seed: random.seed)
      let expected = ReferenceEvaluator(bound).evaluate(operands)
      let found: Tensor<Double> = try contract(
        random.text, operands, rules: random.rules, context: context)
      #expect(mismatch(found, expected, tolerance: .rounding) == nil, "\(random)")
    }
  }

  private func result(
    _ bound: BoundExpression, _ operands: [Tensor<Float>], _ optimizer: Optimizer,
    _ context: Context
  ) throws -> Tensor<Float> {
    try Contraction(Plan(bound, options: PlanOptions(optimizer: optimizer)), context: context)(
      operands)
  }
}
