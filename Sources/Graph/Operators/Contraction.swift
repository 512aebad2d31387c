import Partitioning
import Planning

extension Operators {
  /// Any conv_einsum expression of values: convolutions of every kind, linear maps, attention's
  /// products, tensor networks. The only operator that compressed weights need: the tensors that a
  /// weight is made of are operands like all others.
  ///
  /// Inputs are the expression's operands, all of one floating-point type; the output has the shape
  /// of its result, `BoundExpression.outputShape`. An output axis takes its name and role from the
  /// first dimension that carries its mode, of a convolution mode from the feature's.
  ///
  /// ```swift
  /// let rules = ConvRules(all: ConvRule(kind: .correlation))
  /// let y = try builder.contraction("bshw,tshw->bthw|hw", [images, weight], rules: rules)
  /// ```
  public struct Contraction: Operator {
    public static let kind = "contraction"

    public let expression: String
    public let rules: ConvRules

    public init(_ expression: String, rules: ConvRules = ConvRules()) {
      self.expression = expression
      self.rules = rules
    }

    public var settings: String { Self.text(expression, rules) }

    static func text(_ expression: String, _ rules: ConvRules) -> String {
      ([expression] + rules.options).joined(separator: " ")
    }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      let bound = try Self.bind(expression, rules, inputs)
      let axes = bound.output.map { mode in
        let carrier = bound.carrier(of: mode)
        let axis = carrier.map { inputs[$0.operand].axes[$0.dimension] }
        return (axis ?? Axis(bound.modes[mode].mode.name, .other, 1))
          .with(extent: bound.outputExtent(mode))
      }
      return [Value(name: "product", type: inputs[0].type, axes: axes)]
    }

    static func bind(
      _ expression: String, _ rules: ConvRules, _ inputs: [Value]
    ) throws(GraphError.Misfit) -> BoundExpression {
      for input in inputs.indices { try inputs.value(input, of: [try inputs.floating(0).type]) }
      do {
        return try BoundExpression(expression, shapes: inputs.map(\.shape), rules: rules)
      } catch {
        throw .expression(error)
      }
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      guard let bound = try? Self.bind(expression, rules, inputs) else { return [] }
      return bound.factors.map { factor in
        Factor(
          extent: factor.extent, inputs: factor.operands,
          outputs: [factor.output.map { Factor.Dimension($0) }])
      }
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      guard let gradient = gradients[0] else { return needed.map { _ in nil } }
      var outputs = try builder.apply(
        ContractionAdjoint(expression, rules: rules, needed: needed),
        to: node.inputs + [gradient])[...]
      return needed.map { $0 ? outputs.popFirst() : nil }
    }
  }

  /// The gradients of a contraction's operands, all in one node, whose plan shares intermediates.
  ///
  /// Inputs are the operands and the gradient of the result; outputs are the gradients of the
  /// operands that are needed, of the operands' shapes. With g the gradient, the gradient of x_j is
  /// the expression's nest of loops with the roles of x_j and the result exchanged:
  /// `Σ g[i] · Π_{l≠j} x_l[…]`, added up at the index of x_j.
  ///
  /// ```swift
  /// // [gx, gw] of y = x·wᵀ
  /// let gradients = try builder.apply(
  ///   Operators.ContractionAdjoint("bs,ts->bt", needed: [true, true]), to: [x, w, gy])
  /// ```
  public struct ContractionAdjoint: Operator {
    public static let kind = "contraction-adjoint"

    public let expression: String
    public let rules: ConvRules
    /// By operand.
    public let needed: [Bool]

    public init(_ expression: String, rules: ConvRules = ConvRules(), needed: [Bool]) {
      self.expression = expression
      self.rules = rules
      self.needed = needed
    }

    public var settings: String {
      "\(Contraction.text(expression, rules)) of \(list(neededOperands))"
    }

    /// In the gradient of the result.
    public func isLinear(in input: Int) -> Bool { input == needed.count }

    /// The operands whose gradients are the outputs, in order.
    public var neededOperands: [Int] { needed.indices.filter { needed[$0] } }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      guard !inputs.isEmpty else { throw .inputCount(expected: needed.count + 1, given: 0) }
      let operands = Array(inputs.dropLast())
      guard needed.count == operands.count else {
        throw .settingCount(.needed, expected: operands.count, given: needed.count)
      }
      let bound = try Contraction.bind(expression, rules, operands)
      try inputs.check(operands.count, type: inputs[0].type, shape: bound.outputShape)
      return neededOperands.map { operands[$0].named("operand\($0)") }
    }

    /// As the contraction's. What an operand reads through a window its gradient is a term of.
    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      guard let bound = try? Contraction.bind(expression, rules, inputs.dropLast()) else {
        return []
      }
      return bound.factors.map { factor in
        Factor(
          extent: factor.extent,
          inputs: factor.operands + [factor.output.map { Factor.Dimension($0) }],
          outputs: neededOperands.map { factor.operands[$0] })
      }
    }
  }
}

extension BoundExpression {
  /// What may be cut: of a mode the dimensions that carry it; of a convolution mode its outputs,
  /// for which the feature is read through a window. Taps of filters stay whole, and so does a mode
  /// that stands twice in one operand.
  fileprivate var factors: [(extent: Int, operands: [Factor.Dimension?], output: Int?)] {
    modes.indices.compactMap { mode in
      let places = operands.map { modes in modes.indices.filter { modes[$0] == mode } }
      guard places.allSatisfy({ $0.count <= 1 }) else { return nil }
      let output = output.firstIndex(of: mode)
      guard let geometry = modes[mode].convolution else {
        return (modes[mode].extent, places.map { $0.first.map { Factor.Dimension($0) } }, output)
      }
      // Output i reads the feature from i·s − low to i·s − low + E, whatever the kind.
      let window = Window(
        resultExtent: geometry.outputExtent, stride: geometry.stride, low: -geometry.low,
        high: geometry.reach - geometry.low, circular: geometry.boundary == .circular)
      let operands = places.enumerated().map { operand, places in
        places.first.flatMap {
          operand == geometry.feature ? Factor.Dimension($0, window: window) : nil
        }
      }
      return (geometry.outputExtent, operands, output)
    }
  }

  /// The first dimension that carries a mode, of a convolution mode the feature's.
  fileprivate func carrier(of mode: Int) -> (operand: Int, dimension: Int)? {
    let feature = modes[mode].convolution?.feature
    for operand in operands.indices where feature == nil || operand == feature {
      if let dimension = operands[operand].firstIndex(of: mode) { return (operand, dimension) }
    }
    return nil
  }
}

extension GraphBuilder {
  /// A conv_einsum expression of values.
  public mutating func contraction(
    _ expression: String, _ operands: [ValueID], rules: ConvRules = ConvRules(),
    name: String? = nil
  ) throws(GraphError) -> ValueID {
    try single(Operators.Contraction(expression, rules: rules), operands, name: name)
  }
}
