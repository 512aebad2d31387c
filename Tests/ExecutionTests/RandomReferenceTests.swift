import Execution
import Kernels
import Planning
import TestSupport
import Testing

/// The reference evaluator against values worked out by hand and against itself differentiated.
@Suite struct RandomReferenceTests {
  struct Example: Sendable, CustomTestStringConvertible {
    let text: String
    var options: [String] = []
    let operands: [[Double]]
    let result: [Double]

    var testDescription: String { ([text] + options).joined(separator: " ") }
  }

  /// Vectors; what is expected is written out from the formula of design.md, section 2.
  static let examples = [
    // 1 10 100 against 1 2: neighbours one apart.
    Example(text: "x,x->x|x", operands: [[1, 10, 100], [1, 2]], result: [1, 12, 120]),
    Example(
      text: "x,x->x|x", options: ["x:kind=correlation"], operands: [[1, 10, 100], [1, 2]],
      result: [21, 210, 100]),
    Example(
      text: "x,x->x|x", options: ["x:padding=full"], operands: [[1, 10, 100], [1, 2]],
      result: [1, 12, 120, 200]),
    Example(
      text: "x,x->x|x", options: ["x:padding=full,kind=correlation"],
      operands: [[1, 10, 100], [1, 2]], result: [2, 21, 210, 100]),
    Example(
      text: "x,x->x|x", options: ["x:padding=valid"], operands: [[1, 10, 100], [1, 2]],
      result: [12, 120]),
    Example(
      text: "x,x->x|x", options: ["x:padding=2:0,kind=correlation"],
      operands: [[1, 10, 100], [1, 2]], result: [0, 2, 21, 210]),
    // Circular, anchored at index 0: y[0] = x[0]·1 + x[−1]·2 and x[0]·1 + x[1]·2.
    Example(
      text: "x,x->x|x", options: ["x:boundary=circular"], operands: [[1, 10, 100], [1, 2]],
      result: [201, 12, 120]),
    Example(
      text: "x,x->x|x", options: ["x:boundary=circular,kind=correlation"],
      operands: [[1, 10, 100], [1, 2]], result: [21, 210, 102]),
    Example(
      text: "x,x->x|x", options: ["x:boundary=circular,stride=2"],
      operands: [[1, 10, 100], [1, 2]], result: [201, 120]),
    // A filter that outreaches the circle: index 3 is index 0 again.
    Example(
      text: "x,x->x|x", options: ["x:boundary=circular,kind=correlation,dilation=3"],
      operands: [[1, 10, 100], [1, 2]], result: [3, 30, 300]),
    // Stride 2 and dilation 2 with room on both sides: y[i] = x[2i − 1] + 2·x[2i + 1].
    Example(
      text: "x,x->x|x", options: ["x:kind=correlation,stride=2,dilation=2,padding=1:1"],
      operands: [[1, 10, 100, 1000], [1, 2]], result: [20, 2010]),
    // Two filters reach together as far as their convolution (1, 5, 6).
    Example(
      text: "x,x,x->x|x", options: ["x:padding=full"], operands: [[1, 10, 100], [1, 2], [1, 3]],
      result: [1, 15, 156, 560, 600]),
    // Absent from the output: everything meets everything.
    Example(
      text: "x,x->|x", options: ["x:padding=full"], operands: [[1, 10, 100], [1, 2]],
      result: [333]),
    // Alone on its mode: E = 0, so that only stride and padding are left.
    Example(
      text: "x->x|x", options: ["x:stride=2,padding=1:2"], operands: [[1, 10, 100]],
      result: [0, 10, 0]),
    Example(text: "x->x|x", options: ["x:stride=2"], operands: [[1, 10, 100]], result: [1, 100]),
    Example(
      text: "x->x|x", options: ["x:boundary=circular,padding=1:1"], operands: [[1, 10, 100]],
      result: [100, 1, 10, 100, 1]),
    // The shorter operand as the feature: y[i] = Σ x[i + k − 1]·w[k], i < 2 (lo = ⌊E/2⌋).
    Example(
      text: "x,x->x|x", options: ["x:feature=1,kind=correlation"],
      operands: [[1, 10, 100], [1, 2]], result: [210, 21]),
    Example(text: "i,i->", operands: [[1, 2, 3], [4, 5, 6]], result: [32]),
    Example(text: "i,i,i->i", operands: [[1, 2], [3, 4], [5, 6]], result: [15, 48]),
    Example(text: "i,j->j", operands: [[1, 2], [3, 4, 5]], result: [9, 12, 15]),
  ]

  @Test(arguments: examples)
  func examplesAreAsWorkedOutByHand(_ example: Example) throws {
    let operands = example.operands.map { Tensor(shape: [$0.count], elements: $0) }
    let bound = try BoundExpression(
      example.text, shapes: operands.map(\.shape), rules: ConvRules(options: example.options))
    let result = ReferenceEvaluator(bound).evaluate(operands)
    #expect(result.elements == example.result)
  }

  @Test func diagonalsScalarsAndBroadcastsAreAsWorkedOutByHand() throws {
    let square = Tensor(shape: [2, 2], elements: [1, 2, 3, 4])
    func evaluate(_ text: String, _ operands: [Tensor<Double>]) throws -> Tensor<Double> {
      let bound = try BoundExpression(text, shapes: operands.map(\.shape))
      return ReferenceEvaluator(bound).evaluate(operands)
    }
    #expect(try evaluate("ii->i", [square]).elements == [1, 4])
    #expect(try evaluate("ii->", [square]).elements == [5])
    #expect(try evaluate(",ij->ji", [Tensor(10), square]).elements == [10, 30, 20, 40])
    let row = Tensor(shape: [1, 2], elements: [10, 100])
    #expect(try evaluate("...,...->...", [square, row]).elements == [10, 200, 30, 400])
    let empty = Tensor<Double>(shape: [2, 0])
    #expect(try evaluate("ij->i", [empty]).elements == [0, 0])
  }

  /// The expression is linear in each operand, so that a difference of any width is its derivative
  /// exactly, but for rounding: with integers there is none.
  @Test func gradientsAreDifferencesOfResults() throws {
    for random in RandomExpressions(seed: 8, limits: .init(iterations: 500)).prefix(200) {
      let bound = try random.bound()
      let reference = ReferenceEvaluator(bound)
      let operands: [Tensor<Double>] = TensorData.smallIntegers.tensors(
        random.shapes, seed: random.seed)
      let outputGradient: Tensor<Double> = TensorData.smallIntegers.tensor(
        bound.outputShape, seed: random.seed, operand: operands.count)
      let objective = outputGradient.innerProduct(reference.evaluate(operands))
      for operand in operands.indices {
        let gradient = reference.gradient(
          ofOperand: operand, operands: operands, outputGradient: outputGradient)
        var differences: [Double] = []
        for element in 0..<operands[operand].count {
          var moved = operands
          moved[operand].withMutableElements { $0[element] += 1 }
          differences.append(
            outputGradient.innerProduct(reference.evaluate(moved)) - objective)
        }
        let expected = Tensor(shape: random.shapes[operand], elements: differences)
        #expect(mismatch(gradient, expected) == nil, "operand \(operand) of \(random)")
      }
    }
  }

  @Test func iterationsCountTheNest() throws {
    let bound = try BoundExpression(
      "bshw,tshw->bthw|hw", shapes: [[2, 3, 8, 9], [5, 3, 3, 2]],
      rules: ConvRules(options: ["h:padding=valid"]))
    #expect(ReferenceEvaluator(bound).iterations == 2 * 3 * 5 * (6 * 3) * (9 * 2))
  }
}
