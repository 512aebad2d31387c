extension GraphError: CustomStringConvertible {
  /// What is wrong with what, and how to put it right.
  public var description: String {
    switch self {
    case .misfit(let misfit, let node, let text, let inputs):
      """
      node "\(node)" (\(text)): \(misfit.problem(inputs))
        inputs: \(Self.list(inputs))
      Fix: \(misfit.fix)
      """
    case .noAdjoint(let node, let text, let inputs):
      """
      node "\(node)" (\(text)) has no adjoint, but a gradient is needed through it
        inputs: \(Self.list(inputs))
      Fix: differentiate with respect to values that do not reach the loss through this node
      """
    case .gradient(let node, let text, let input, let gradient):
      """
      node "\(node)" (\(text)): the gradient of \(input.summary) is \(gradient.summary)
      Fix: let the operator's adjoint give each gradient the type and shape of its input
      """
    case .gradientCount(let node, let text, let expected, let given):
      """
      node "\(node)" (\(text)): \(given) gradients of \(expected) inputs
      Fix: let the operator's adjoint give a gradient or nil for each input
      """
    case .outputCount(let node, let text, let expected, let given):
      """
      node "\(node)" (\(text)): \(given) outputs, expected \(expected)
      Fix: add an operator of several outputs, or none, with `apply`
      """
    case .tooLarge(let value):
      "\(value.summary) has more bytes than there are addresses\nFix: choose smaller extents"
    case .negativeExtent(let value):
      "\(value.summary) has a negative extent\nFix: give every axis an extent of at least 0"
    case .duplicateName(let name):
      """
      the name "\(name)" is taken
      Fix: give every node, source and result a name of its own, or leave a node's name out
      """
    case .emptyName: "a name is empty\nFix: give every source, node and result a name"
    case .unknownValue(let id, let count):
      """
      there is no value \(id.index) among \(count)
      Fix: use values of the same builder or graph
      """
    case .unknownResult(let name, let known):
      """
      there is no result "\(name)"
      Fix: \(Self.choice(known))
      """
    case .lossIsNoScalar(let value):
      """
      cannot differentiate \(value.summary): it is no floating-point scalar
      Fix: sum it over its axes first
      """
    case .notDifferentiable(let value):
      """
      there is no gradient with respect to \(value.summary)
      Fix: ask for gradients of float32 or float64 values
      """
    case .effectOnNoState(let value):
      """
      \(value.summary) cannot become another value: it is no parameter and no state
      Fix: declare it with `parameter` or `state`
      """
    case .secondEffect(let value):
      "\(value.summary) becomes two values\nFix: give every parameter and state one effect at most"
    case .effectMismatch(let source, let becomes):
      """
      \(source.summary) cannot become \(becomes.summary)
      Fix: let a source become a value of its own type and shape
      """
    case .disorder(let value, let place):
      """
      the value "\(value)" is out of order at "\(place)"
      Fix: make every value once, by a source or a node, before it is read
      """
    case .outputs(let node, let recorded, let expected):
      """
      the outputs of node "\(node)" are recorded as \(Self.list(recorded)), but its operator gives \
      \(Self.list(expected))
      Fix: build the graph again
      """
    }
  }

  private static func list(_ values: [Value]) -> String {
    values.isEmpty ? "none" : values.map(\.summary).joined(separator: ", ")
  }

  private static func choice(_ results: [String]) -> String {
    guard !results.isEmpty else { return "declare results; the graph has none" }
    return "choose one of " + results.map { "\"\($0)\"" }.joined(separator: ", ")
  }
}

extension Value {
  /// Name, type and shape.
  var summary: String { "\(name) \(type.rawValue) \(shape)" }
}

extension GraphError.Misfit {
  fileprivate func problem(_ inputs: [Value]) -> String {
    switch self {
    case .inputCount(let expected, let given): "has \(given) inputs, expected \(expected)"
    case .elementType(let input, let expected):
      """
      input \(input) is of \(Self.text(inputs, input, \.type.rawValue)), \
      expected \(Self.types(expected))
      """
    case .outputType(let type, let expected):
      "its output is of \(type.rawValue), expected \(Self.types(expected))"
    case .shape(let input, let expected):
      "input \(input) has shape \(Self.text(inputs, input, \.shape)), expected \(expected)"
    case .dimensions(let input, let expected):
      """
      input \(input) has \(Self.text(inputs, input, \.axes.count)) dimensions, \
      expected at least \(expected)
      """
    case .axisOutOfRange(let axis, let dimensions):
      "there is no axis \(axis) among \(dimensions)"
    case .axesNotAscending(let axes): "the axes \(axes) are not ascending"
    case .notPermutation(let axes, let dimensions):
      "\(axes) is no permutation of \(dimensions) axes"
    case .setting(let setting, let value, let lowest, let below):
      "\(setting.rawValue) is \(Self.text(value)), expected \(Self.bounds(lowest, below))"
    case .settingCount(let setting, let expected, let given):
      "has \(given) entries for \(setting.rawValue), expected \(expected)"
    case .window(let window, let extent):
      "the window \([window].text) does not fit the extent \(extent) of axis \(window.axis)"
    case .range(let axis, let lower, let upper, let extent):
      "the range \(lower)..<\(upper) does not fit the extent \(extent) of axis \(axis)"
    case .parts(let parts, let axis, let extent):
      "\(parts) equal parts do not make the extent \(extent) of axis \(axis)"
    case .elementCount(let from, let to):
      "a shape of \(to) has not as many elements as \(from)"
    case .sumCount(let expected, let given):
      "its sums are said to be over \(given) elements, expected \(expected)"
    case .expression(let error): "\(error)"
    }
  }

  fileprivate var fix: String {
    switch self {
    case .inputCount(let expected, _): "give it \(expected) inputs"
    case .elementType(let input, let expected):
      "convert input \(input) to \(Self.types(expected))"
    case .outputType(_, let expected): "choose \(Self.types(expected))"
    case .shape(let input, let expected): "give input \(input) the shape \(expected)"
    case .dimensions(let input, let expected):
      "reshape input \(input) to at least \(expected) dimensions"
    case .axisOutOfRange(_, let dimensions):
      dimensions == 0 ? "give it an input with axes" : "choose an axis from 0 to \(dimensions - 1)"
    case .axesNotAscending: "name each axis once, in ascending order"
    case .notPermutation(_, let dimensions): "name each axis from 0 to \(dimensions - 1) once"
    case .setting(let setting, _, let lowest, let below):
      "choose \(setting.rawValue) \(Self.bounds(lowest, below))"
    case .settingCount(let setting, let expected, _):
      "give \(expected) entries for \(setting.rawValue)"
    case .window(let window, _):
      """
      let the window and its stride be at least 1, padding on each side smaller than the window, \
      and the window no longer than axis \(window.axis) with its padding
      """
    case .range(_, _, _, let extent): "choose a range within 0..<\(extent)"
    case .parts(_, _, let extent): "choose a number of parts that divides \(extent)"
    case .elementCount(let from, _): "choose extents whose product is \(product(from))"
    case .sumCount(let expected, _): "give it the count \(expected)"
    case .expression: "change the expression, its rules, or the shapes of its operands"
    }
  }

  /// What an input is; an operator of one's own may name one that is not there.
  private static func text<Property>(
    _ inputs: [Value], _ input: Int, _ property: (Value) -> Property
  ) -> String {
    inputs.indices.contains(input) ? "\(property(inputs[input]))" : "nothing (it is missing)"
  }

  private static func types(_ types: [ElementType]) -> String {
    types.map(\.rawValue).joined(separator: " or ")
  }

  private static func bounds(_ lowest: Double, _ below: Double?) -> String {
    if lowest == -Double.greatestFiniteMagnitude { return "finite" }
    guard let below else { return "at least \(text(lowest))" }
    return below == .infinity
      ? "finite and at least \(text(lowest))" : "at least \(text(lowest)) and below \(text(below))"
  }

  /// Whole numbers without a decimal point.
  private static func text(_ number: Double) -> String {
    Int(exactly: number).map(String.init) ?? "\(number)"
  }
}
