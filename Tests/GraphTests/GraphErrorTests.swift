import Planning
import Testing

@testable import Graph

@Suite struct GraphErrorTests {
  private let x = Value(name: "x", type: .float32, axes: axes([8, 3]))
  private let y = Value(name: "y", type: .float64, axes: axes([8, 4]))

  private func misfit(_ misfit: GraphError.Misfit) -> String {
    let error = GraphError.misfit(misfit, node: "layer1.add", operator: "add", inputs: [x, y])
    let lines = "\(error)".split(separator: "\n")
    #expect(lines[1] == "  inputs: x float32 [8, 3], y float64 [8, 4]")
    return lines[0].dropFirst("node \"layer1.add\" (add): ".count) + " | " + lines[2...].joined()
  }

  @Test("every misfit says what is wrong and how to put it right")
  func misfits() {
    let texts: [(GraphError.Misfit, String)] = [
      (.inputCount(expected: 3, given: 2), "has 2 inputs, expected 3 | Fix: give it 3 inputs"),
      (
        .elementType(input: 1, expected: [.uint8, .int32]),
        "input 1 is of float64, expected uint8 or int32 | Fix: convert input 1 to uint8 or int32"
      ),
      (
        .shape(input: 1, expected: [8, 3]),
        "input 1 has shape [8, 4], expected [8, 3] | Fix: give input 1 the shape [8, 3]"
      ),
      (
        .shape(input: 2, expected: [8, 3]),
        "input 2 has shape nothing (it is missing), expected [8, 3] | "
          + "Fix: give input 2 the shape [8, 3]"
      ),
      (
        .outputType(.int32, expected: [.float32, .float64]),
        "its output is of int32, expected float32 or float64 | Fix: choose float32 or float64"
      ),
      (
        .parts(4, axis: 1, extent: 5),
        "4 equal parts do not make the extent 5 of axis 1 | "
          + "Fix: choose a number of parts that divides 5"
      ),
      (
        .dimensions(input: 0, expected: 4),
        "input 0 has 2 dimensions, expected at least 4 | "
          + "Fix: reshape input 0 to at least 4 dimensions"
      ),
      (
        .axisOutOfRange(2, dimensions: 2),
        "there is no axis 2 among 2 | Fix: choose an axis from 0 to 1"
      ),
      (
        .axisOutOfRange(0, dimensions: 0),
        "there is no axis 0 among 0 | Fix: give it an input with axes"
      ),
      (
        .axesNotAscending([1, 0]),
        "the axes [1, 0] are not ascending | Fix: name each axis once, in ascending order"
      ),
      (
        .notPermutation([0, 0], dimensions: 2),
        "[0, 0] is no permutation of 2 axes | Fix: name each axis from 0 to 1 once"
      ),
      (
        .setting(.labelSmoothing, 1, lowest: 0, below: 1),
        "label smoothing is 1, expected at least 0 and below 1 | "
          + "Fix: choose label smoothing at least 0 and below 1"
      ),
      (
        .setting(.top, 0, lowest: 1, below: nil),
        "top is 0, expected at least 1 | Fix: choose top at least 1"
      ),
      (
        .setting(.epsilon, -0.5, lowest: 0, below: .infinity),
        "epsilon is -0.5, expected finite and at least 0 | "
          + "Fix: choose epsilon finite and at least 0"
      ),
      (
        .setting(
          .scale, .infinity, lowest: -Double.greatestFiniteMagnitude, below: .infinity),
        "scale is inf, expected finite | Fix: choose scale finite"
      ),
      (
        .sumCount(expected: 4, given: 3),
        "its sums are said to be over 3 elements, expected 4 | Fix: give it the count 4"
      ),
      (
        .settingCount(.needed, expected: 2, given: 1),
        "has 1 entries for needed, expected 2 | Fix: give 2 entries for needed"
      ),
      (
        .window(PoolWindow(axis: 1, extent: 5), extent: 3),
        "the window 5 /5 over 1 does not fit the extent 3 of axis 1 | Fix: let the window and its "
          + "stride be at least 1, padding on each side smaller than the window, and the window no "
          + "longer than axis 1 with its padding"
      ),
      (
        .range(axis: 1, lower: 2, upper: 9, extent: 3),
        "the range 2..<9 does not fit the extent 3 of axis 1 | Fix: choose a range within 0..<3"
      ),
      (
        .elementCount(from: [2, 3], to: [5]),
        "a shape of [5] has not as many elements as [2, 3] | "
          + "Fix: choose extents whose product is 6"
      ),
    ]
    for (value, expected) in texts { #expect(misfit(value) == expected) }
  }

  @Test("an expression's own error is told in full")
  func expression() throws {
    let error = #expect(throws: ExpressionError.self) { try ConvEinsum("b3->b") }
    let misfit = GraphError.Misfit.expression(try #require(error))
    let text = "\(GraphError.misfit(misfit, node: "fc", operator: "contraction", inputs: [x]))"
    #expect(text.contains("found '3'"))
    #expect(text.hasSuffix("change the expression, its rules, or the shapes of its operands"))
  }

  @Test("every other error too")
  func errors() {
    let texts: [(GraphError, String)] = [
      (
        .noAdjoint(node: "n", operator: "count", inputs: [x]),
        """
        node "n" (count) has no adjoint, but a gradient is needed through it
          inputs: x float32 [8, 3]
        Fix: differentiate with respect to values that do not reach the loss through this node
        """
      ),
      (
        .gradient(node: "n", operator: "op", input: x, gradient: y),
        """
        node "n" (op): the gradient of x float32 [8, 3] is y float64 [8, 4]
        Fix: let the operator's adjoint give each gradient the type and shape of its input
        """
      ),
      (
        .gradientCount(node: "n", operator: "op", expected: 2, given: 1),
        """
        node "n" (op): 1 gradients of 2 inputs
        Fix: let the operator's adjoint give a gradient or nil for each input
        """
      ),
      (
        .outputCount(node: "n", operator: "op", expected: 1, given: 2),
        """
        node "n" (op): 2 outputs, expected 1
        Fix: add an operator of several outputs, or none, with `apply`
        """
      ),
      (
        .negativeExtent(x),
        "x float32 [8, 3] has a negative extent\nFix: give every axis an extent of at least 0"
      ),
      (
        .tooLarge(x),
        "x float32 [8, 3] has more bytes than there are addresses\nFix: choose smaller extents"
      ),
      (
        .duplicateName("a"),
        """
        the name "a" is taken
        Fix: give every node, source and result a name of its own, or leave a node's name out
        """
      ),
      (.emptyName, "a name is empty\nFix: give every source, node and result a name"),
      (
        .unknownValue(ValueID(7), count: 3),
        "there is no value 7 among 3\nFix: use values of the same builder or graph"
      ),
      (
        .unknownResult("a", known: ["b", "c"]),
        "there is no result \"a\"\nFix: choose one of \"b\", \"c\""
      ),
      (
        .unknownResult("a", known: []),
        "there is no result \"a\"\nFix: declare results; the graph has none"
      ),
      (
        .lossIsNoScalar(x),
        """
        cannot differentiate x float32 [8, 3]: it is no floating-point scalar
        Fix: sum it over its axes first
        """
      ),
      (
        .notDifferentiable(x),
        """
        there is no gradient with respect to x float32 [8, 3]
        Fix: ask for gradients of float32 or float64 values
        """
      ),
      (
        .effectOnNoState(x),
        """
        x float32 [8, 3] cannot become another value: it is no parameter and no state
        Fix: declare it with `parameter` or `state`
        """
      ),
      (
        .secondEffect(x),
        """
        x float32 [8, 3] becomes two values
        Fix: give every parameter and state one effect at most
        """
      ),
      (
        .effectMismatch(source: x, becomes: y),
        """
        x float32 [8, 3] cannot become y float64 [8, 4]
        Fix: let a source become a value of its own type and shape
        """
      ),
      (
        .disorder(value: "x", place: "n"),
        """
        the value "x" is out of order at "n"
        Fix: make every value once, by a source or a node, before it is read
        """
      ),
      (
        .outputs(node: "n", recorded: [x], expected: [y]),
        """
        the outputs of node "n" are recorded as x float32 [8, 3], but its operator gives y float64 \
        [8, 4]
        Fix: build the graph again
        """
      ),
    ]
    for (error, expected) in texts { #expect("\(error)" == expected) }
  }
}
