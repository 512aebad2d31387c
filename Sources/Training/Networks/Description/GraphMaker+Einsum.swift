import Graph
import Planning

extension GraphMaker {
  mutating func einsum(
    _ settings: EinsumSettings, _ x: ValueID, _ parts: inout LayerParts
  ) throws -> ValueID {
    let parsed = try parse(settings.expression, x, parts)
    let terms = parsed.operands.map(\.modes)
    guard terms.count == settings.parameters.count + 1 else {
      throw LayerError.operandCount(
        layer: parts.name, expression: settings.expression, operands: terms.count - 1,
        parameters: settings.parameters.count)
    }
    let known = Set(terms.joined().map(\.name))
    for mode in settings.roles.keys.sorted() where !known.contains(mode) {
      throw LayerError.unknownMode(
        layer: parts.name, mode: mode, expression: settings.expression)
    }
    var axes: [Mode: Axis] = [:]
    for (mode, axis) in zip(terms[0], builder[x].axes) { axes[mode] = axis }
    var operands = [x]
    for (declared, modes) in zip(settings.parameters, terms.dropFirst()) {
      for extent in declared.shape {
        try checkRange(extent, "the shape of \(declared.name)", 1...1 << 24, parts)
      }
      let shape = declared.shape.enumerated().map { index, extent in
        // What does not fit the expression, it says itself.
        let mode = modes.indices.contains(index) ? modes[index] : Mode("\(index)")
        let axis = Axis(mode.name, settings.roles[mode.name] ?? .channel, extent)
        return axes[mode]?.with(extent: extent) ?? axis
      }
      operands.append(
        try parameter(
          declared.name, shape, declared.initialization ?? .constant(0), decays: declared.decays,
          of: &parts))
    }
    parts.expression = settings.expression
    parts.contraction = builder.nodeCount
    let output = try builder.contraction(
      settings.expression, operands, rules: settings.rules, name: parts.name)
    let result = builder[output].axes
    guard result.count >= 2, result.first?.role == .batch, result.last?.role == .channel else {
      throw LayerError.resultAxes(
        layer: parts.name, expression: settings.expression, roles: result.map(\.role.rawValue))
    }
    try initialize(settings, operands)
    return output
  }

  private func parse(
    _ expression: String, _ x: ValueID, _ parts: LayerParts
  ) throws -> ConvEinsum {
    do throws(ExpressionError) {
      return try ConvEinsum(expression)
    } catch {
      throw GraphError.misfit(
        .expression(error), node: parts.name, operator: Operators.Contraction.kind,
        inputs: [builder[x]])
    }
  }

  /// Normal numbers, such that the output has the variance of the input, for what nothing else is
  /// said of.
  private mutating func initialize(_ settings: EinsumSettings, _ operands: [ValueID]) throws {
    let bound = try BoundExpression(
      settings.expression, shapes: operands.map { builder[$0].shape }, rules: settings.rules)
    let parameters = operands.dropFirst()
    guard !parameters.isEmpty else { return }
    let deviations = evenStandardDeviations(
      elements: parameters.map { Double(builder[$0].count) }, sumLength: bound.sumLength, gain: 1)
    for (index, parameter) in parameters.enumerated()
    where settings.parameters[index].initialization == nil {
      initialize(parameter, .normal(standardDeviation: deviations[index]))
    }
  }
}

extension BoundExpression {
  /// How many products an element of the result is a sum of.
  fileprivate var sumLength: Double {
    modes.indices.reduce(1) { length, mode in
      let taps = modes[mode].convolution?.filters.reduce(1.0) { $0 * Double($1.extent) }
      let summed = output.contains(mode) ? 1 : Double(outputExtent(mode))
      return length * (taps ?? 1) * summed
    }
  }
}
