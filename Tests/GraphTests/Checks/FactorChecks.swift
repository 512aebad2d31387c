import Partitioning
import Planning
import Testing

@testable import Graph

/// Checks what a node's factors say: every dimension is in one factor, and the work on the parts of
/// each, on nothing but what the factor gives them, makes the whole.
func checkFactors(of node: Node, in graph: Graph, values: [DoubleTensor]) throws {
  let factors = graph.factors(of: node)
  for (number, id) in (node.inputs + node.outputs).enumerated() {
    let dimensions = factors.compactMap { ($0.inputs + $0.outputs)[number]?.index }
    #expect(
      dimensions.sorted() == Array(graph[id].axes.indices),
      "each dimension of \(graph[id].name) is in one factor")
  }
  let inputs = node.inputs.map { values[$0.index] }
  let outputs = node.outputs.map { values[$0.index] }
  for factor in factors where factor.mayBeCut {
    for (dimension, tensor) in zip(factor.inputs + factor.outputs, inputs + outputs) {
      guard let dimension else { continue }
      let extent = dimension.window?.resultExtent ?? tensor.shape[dimension.index]
      #expect(extent == factor.extent)
    }
    guard factor.extent >= 2 else { continue }
    let parts = [0..<(factor.extent + 2) / 3, (factor.extent + 2) / 3..<factor.extent]
    let check = FactorCheck(
      operation: node.operation.base, factor: factor, inputs: inputs, outputs: outputs,
      types: node.inputs.map { graph[$0].type })
    try check.run(parts)
    // A part may be empty, though a window has no place then.
    let windows = (factor.inputs + factor.outputs).compactMap { $0?.window }
    if windows.isEmpty { try check.run([0..<0, 0..<factor.extent]) }
  }
}

/// One factor cut into parts.
private struct FactorCheck {
  let operation: any Operator
  let factor: Factor
  let inputs: [DoubleTensor]
  let outputs: [DoubleTensor]
  let types: [ElementType]

  func run(_ parts: [Range<Int>]) throws {
    guard let localized = operation as? any Localized else {
      return try assemble(parts) { _, _ in operation }
    }
    guard localized.local(factor, part: parts[0], inputs: inputs) != nil else {
      return try parts.forEach(checkReads)
    }
    try assemble(parts) { part, inputs in
      try #require(localized.local(factor, part: part, inputs: inputs))
    }
  }

  /// What must lie outside the elements: nothing wins against it, or adds to it.
  private var padding: Double {
    operation is Operators.MaxPool || operation is Operators.MaxPoolAdjoint ? -.infinity : 0
  }

  /// Evaluates the parts and puts them together or adds them up.
  private func assemble(
    _ parts: [Range<Int>], _ local: (Range<Int>, [DoubleTensor]) throws -> any Operator
  ) throws {
    var whole = outputs.map { DoubleTensor($0.shape) }
    for part in parts {
      let pieces = zip(inputs, factor.inputs).map { piece(of: $0, $1, part) }
      let results = try Interpreter.evaluate(local(part, inputs), pieces)
      for (number, result) in results.enumerated() {
        add(result, to: &whole[number], factor.outputs[number], part)
      }
    }
    for (number, output) in outputs.enumerated() {
      #expect(
        whole[number].difference(from: output) < 1e-12,
        "\(operation.text): output \(number) of parts \(parts) along \(factor)")
    }
  }

  /// What a part reads of an input; outside the input there is padding.
  private func piece(
    of tensor: DoubleTensor, _ dimension: Factor.Dimension?, _ part: Range<Int>
  ) -> DoubleTensor {
    guard let dimension else { return tensor }
    let reads = dimension.reads(part)
    let axis = dimension.index
    return DoubleTensor(tensor.shape.replacing(axis, with: reads.count)) { index in
      let place = dimension.place(reads.lowerBound + index[axis], extent: tensor.shape[axis])
      return place.map { tensor[index.replacing(axis, with: $0)] } ?? padding
    }
  }

  private func add(
    _ piece: DoubleTensor, to tensor: inout DoubleTensor, _ dimension: Factor.Dimension?,
    _ part: Range<Int>
  ) {
    guard let dimension else {
      tensor = tensor + piece
      return
    }
    let (axis, reads) = (dimension.index, dimension.reads(part))
    #expect(piece.shape[axis] == reads.count)
    for index in piece.indices {
      let place = dimension.place(reads.lowerBound + index[axis], extent: tensor.shape[axis])
      if let place { tensor[index.replacing(axis, with: place)] += piece[index] }
    }
  }

  /// For operators that no part can do alone, because they ask where in the whole it lies: what a
  /// part does not read, it does not notice.
  private func checkReads(_ part: Range<Int>) throws {
    var spoilt = inputs
    for (number, dimension) in factor.inputs.enumerated() {
      guard let dimension, types[number].isFloatingPoint else { continue }
      let (axis, reads) = (dimension.index, dimension.reads(part))
      for index in spoilt[number].indices where !reads.contains(index[axis]) {
        spoilt[number][index] = .nan
      }
    }
    let results = try Interpreter.evaluate(operation, spoilt)
    for (number, result) in results.enumerated() {
      let dimension = try #require(factor.outputs[number])
      let isEqual = result.indices.allSatisfy { index in
        // A term of a windowed output is not apart from the others here.
        dimension.window != nil || !part.contains(index[dimension.index])
          || result[index] == outputs[number][index]
      }
      #expect(isEqual, "\(operation.text): part \(part) along \(factor)")
    }
  }
}

extension Factor.Dimension {
  /// The indices that belong to a part, some of them outside the dimension.
  fileprivate func reads(_ part: Range<Int>) -> Range<Int> {
    guard let window else { return part }
    return window.stride * part.lowerBound
      + window.low..<window.stride * (part.upperBound - 1) + window.high + 1
  }

  /// Where in the dimension an index is, if it is.
  fileprivate func place(_ index: Int, extent: Int) -> Int? {
    if window?.circular == true { return ((index % extent) + extent) % extent }
    return (0..<extent).contains(index) ? index : nil
  }
}

/// An operator that is another one for a part.
private protocol Localized {
  /// The operator for a part; `nil` if there is none.
  func local(_ factor: Factor, part: Range<Int>, inputs: [DoubleTensor]) -> (any Operator)?
}

extension [Axis] {
  /// The axes of a part's output.
  fileprivate func local(_ dimension: Factor.Dimension?, _ part: Range<Int>) -> [Axis] {
    guard let dimension else { return self }
    var axes = self
    axes[dimension.index] = axes[dimension.index].with(extent: dimension.reads(part).count)
    return axes
  }
}

extension Operators.Fill: Localized {
  fileprivate func local(
    _ factor: Factor, part: Range<Int>, inputs: [DoubleTensor]
  ) -> (any Operator)? {
    Operators.Fill(number, type: type, axes: axes.local(factor.outputs[0], part))
  }
}

extension Operators.Reshape: Localized {
  fileprivate func local(
    _ factor: Factor, part: Range<Int>, inputs: [DoubleTensor]
  ) -> (any Operator)? {
    Operators.Reshape(to: axes.local(factor.outputs[0], part))
  }
}

extension Operators.Spread: Localized {
  fileprivate func local(
    _ factor: Factor, part: Range<Int>, inputs: [DoubleTensor]
  ) -> (any Operator)? {
    let along = zip(axes, along).map { place, axis in
      place == factor.outputs[0]?.index ? axis.with(extent: part.count) : axis
    }
    return Operators.Spread(axes: axes, along: along, areKept: areKept, scale: scale)
  }
}

extension Operators.Dropout: Localized {
  /// Masks depend on the index in the whole tensor.
  fileprivate func local(
    _ factor: Factor, part: Range<Int>, inputs: [DoubleTensor]
  ) -> (any Operator)? { nil }
}

extension [PoolWindow] {
  /// A part has its padding as elements.
  fileprivate func withoutPadding(_ dimension: Factor.Dimension?) -> [PoolWindow] {
    map { window in
      dimension?.index == window.axis
        ? PoolWindow(axis: window.axis, extent: window.extent, stride: window.stride) : window
    }
  }
}

extension Operators.MaxPool: Localized {
  fileprivate func local(
    _ factor: Factor, part: Range<Int>, inputs: [DoubleTensor]
  ) -> (any Operator)? {
    Operators.MaxPool(windows.withoutPadding(factor.inputs[0]))
  }
}

extension Operators.MaxPoolAdjoint: Localized {
  fileprivate func local(
    _ factor: Factor, part: Range<Int>, inputs: [DoubleTensor]
  ) -> (any Operator)? {
    Operators.MaxPoolAdjoint(windows.withoutPadding(factor.inputs[0]))
  }
}

extension Operators.AveragePool: Localized {
  fileprivate func local(
    _ factor: Factor, part: Range<Int>, inputs: [DoubleTensor]
  ) -> (any Operator)? {
    guard countsPadding else { return nil }
    return Operators.AveragePool(windows.withoutPadding(factor.inputs[0]))
  }
}

extension Operators.AveragePoolAdjoint: Localized {
  fileprivate func local(
    _ factor: Factor, part: Range<Int>, inputs: [DoubleTensor]
  ) -> (any Operator)? {
    guard pool.countsPadding else { return nil }
    return Operators.AveragePoolAdjoint(
      Operators.AveragePool(pool.windows.withoutPadding(factor.outputs[0])),
      axes: axes.local(factor.outputs[0], part))
  }
}

extension ConvRules {
  /// Rules under which a part's feature, with padding and what is wrapped around as elements, gives
  /// the part's outputs.
  fileprivate func local(
    _ expression: String, _ factor: Factor, operands: [DoubleTensor]
  ) throws -> ConvRules {
    let feature = factor.inputs.firstIndex { $0?.window != nil }
    guard let feature, let dimension = factor.inputs[feature] else { return self }
    let bound = try BoundExpression(expression, shapes: operands.map(\.shape), rules: self)
    let mode = try #require(bound.operands[feature][dimension.index])
    let name = bound.modes[mode].mode
    var rules = self
    rules.byMode[name.name] = ConvRule(
      stride: self[name].stride, dilation: self[name].dilation, padding: .valid,
      kind: self[name].kind, boundary: .zero, feature: feature)
    return rules
  }
}

extension Operators.Contraction: Localized {
  fileprivate func local(
    _ factor: Factor, part: Range<Int>, inputs: [DoubleTensor]
  ) -> (any Operator)? {
    (try? rules.local(expression, factor, operands: inputs)).map {
      Operators.Contraction(expression, rules: $0)
    }
  }
}

extension Operators.ContractionAdjoint: Localized {
  fileprivate func local(
    _ factor: Factor, part: Range<Int>, inputs: [DoubleTensor]
  ) -> (any Operator)? {
    (try? rules.local(expression, factor, operands: inputs.dropLast())).map {
      Operators.ContractionAdjoint(expression, rules: $0, needed: needed)
    }
  }
}
