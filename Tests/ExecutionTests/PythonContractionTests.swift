import Execution
import Kernels
import Planning
import TestSupport
import Testing

/// `contract` itself against numpy and PyTorch, with no reference evaluator in between.
@Suite struct PythonContractionTests {
  @Test(PythonOracle.needs(.numpy))
  func randomExpressionsAgreeWithNumpy() throws {
    let withConvolutions = Array(RandomExpressions(seed: 31).prefix(500))
    let limits = RandomExpression.Limits(convolutionModes: 0...0, iterations: 50_000)
    let without = Array(RandomExpressions(seed: 32, limits: limits).prefix(500))
    let randoms = withConvolutions + without
    let cases = randoms.map { PythonOracle.Case($0, data: .smallIntegers) }
    for ((random, python), results) in zip(zip(randoms, cases), try PythonOracle.solve(cases)) {
      let single = python.operands.map { $0.converted(to: Float.self) }
      for context in Context.paths {
        let double = try contract(
          random.text, python.operands, rules: random.rules, context: context)
        let float = try contract(random.text, single, rules: random.rules, context: context)
        #expect(mismatch(double, results[0]) == nil, "\(random), \(context.path)")
        #expect(mismatch(float, results[0]) == nil, "\(random), \(context.path)")
      }
    }
  }

  @Test(PythonOracle.needs(.numpy))
  func oneDimensionalConvolutionsAgreeWithNumpyConvolve() throws {
    let cases = PythonCases.oneDimensional
    for (python, results) in zip(cases, try PythonOracle.solve(cases)) {
      let rules = try ConvRules(options: python.options)
      for context in Context.paths {
        let result = try contract(
          python.text, python.operands, rules: rules, context: context)
        #expect(
          mismatch(result, results[0], tolerance: .rounding) == nil,
          "\(python.options) \(python.operands.map(\.shape)), \(context.path)")
      }
    }
  }

  @Test(PythonOracle.needs(.torch))
  func twoDimensionalConvolutionsAgreeWithPyTorch() throws {
    let cases = PythonCases.twoDimensional
    for (python, results) in zip(cases, try PythonOracle.solve(cases)) {
      for context in Context.paths {
        try compare(python, results, Float.self, context)
        try compare(python, results, Double.self, context)
      }
    }
  }

  private func compare<Element: TensorElement>(
    _ python: PythonOracle.Case, _ results: [Tensor<Double>], _: Element.Type,
    _ context: Context
  ) throws {
    let operands = python.operands[..<2].map { $0.converted(to: Element.self) }
    let contraction = try Contraction<Element>(Plan(python.bound()), context: context)
    let (result, record) = try contraction.recorded(operands)
    let gradients = try contraction.gradients(
      record, outputGradient: python.operands[2].converted(), needed: [true, true])
    let what = "\(python.options) \(python.operands.map(\.shape)), \(context.path)"
    #expect(mismatch(result, results[0], tolerance: .rounding) == nil, "\(what)")
    for (operand, gradient) in gradients.enumerated() {
      #expect(
        mismatch(try #require(gradient), results[1 + operand], tolerance: .rounding) == nil,
        "gradient of operand \(operand), \(what)")
    }
  }
}
