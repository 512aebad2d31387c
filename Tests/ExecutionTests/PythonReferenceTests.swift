import Execution
import Kernels
import Planning
import TestSupport
import Testing

/// The reference evaluator, which everything else is held against, is itself held against numpy and
/// PyTorch.
@Suite struct PythonReferenceTests {
  @Test(PythonOracle.needs(.numpy))
  func randomExpressionsAgreeWithNumpy() throws {
    let randoms = Array(RandomExpressions(seed: 3).prefix(1000))
    try compareWithNumpy(randoms)
  }

  @Test(PythonOracle.needs(.numpy))
  func expressionsWithoutConvolutionAgreeWithNumpy() throws {
    let limits = RandomExpression.Limits(convolutionModes: 0...0, iterations: 50_000)
    try compareWithNumpy(Array(RandomExpressions(seed: 5, limits: limits).prefix(500)))
  }

  @Test(PythonOracle.needs(.numpy))
  func oneDimensionalConvolutionsAgreeWithNumpyConvolve() throws {
    let cases = PythonCases.oneDimensional
    for (python, results) in zip(cases, try PythonOracle.solve(cases)) {
      let expression = try python.bound()
      let result = ReferenceEvaluator(expression).evaluate(python.operands)
      #expect(mismatch(result, results[0], tolerance: .rounding) == nil, "\(python.options)")
    }
  }

  @Test(PythonOracle.needs(.torch))
  func twoDimensionalConvolutionsAgreeWithPyTorch() throws {
    let cases = PythonCases.twoDimensional
    for (python, results) in zip(cases, try PythonOracle.solve(cases)) {
      let reference = ReferenceEvaluator(try python.bound())
      let operands = Array(python.operands[..<2])
      let result = reference.evaluate(operands)
      #expect(mismatch(result, results[0], tolerance: .rounding) == nil, "\(python.options)")
      for operand in 0..<2 {
        let gradient = reference.gradient(
          ofOperand: operand, operands: operands, outputGradient: python.operands[2])
        #expect(
          mismatch(gradient, results[1 + operand], tolerance: .rounding) == nil,
          "gradient of operand \(operand), \(python.options)")
      }
    }
  }

  private func compareWithNumpy(_ randoms: [RandomExpression]) throws {
    let cases = randoms.map { PythonOracle.Case($0, data: .smallIntegers) }
    for ((random, python), results) in zip(zip(randoms, cases), try PythonOracle.solve(cases)) {
      let result = ReferenceEvaluator(try random.bound()).evaluate(python.operands)
      #expect(mismatch(result, results[0]) == nil, "\(random)")
    }
  }
}
