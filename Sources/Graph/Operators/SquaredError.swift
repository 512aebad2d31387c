extension Operators {
  /// Σ(x − t)² in Double: the mean squared error is this scaled by 1/count.
  ///
  /// Inputs x and t of one type and shape; the output is a float64 scalar.
  ///
  /// ```swift
  /// let loss = try builder.squaredError(x, target)
  /// ```
  public struct SquaredError: Operator {
    public static let kind = "squared-error"

    public init() {}

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 2)
      _ = try inputs.checkAlike()
      return [Value(name: "loss", type: .float64, axes: [])]
    }

    /// The output is a partial sum along all dimensions.
    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.dimensions(
        inputs[0].shape, inputs: [{ $0 }, { $0 }], outputs: [{ _ in nil }])
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      guard let gradient = gradients[0] else { return [nil, nil] }
      let first = try builder.single(SquaredErrorAdjoint(), node.inputs + [gradient])
      return [needed[0] ? first : nil, needed[1] ? try builder.scale(first, by: -1) : nil]
    }
  }

  /// The gradient of a squared error's first input: 2·g·(x − t).
  ///
  /// Inputs are x, t and the gradient g of the sum, a float64 scalar.
  ///
  /// ```swift
  /// let gx = try builder.single(Operators.SquaredErrorAdjoint(), [x, target, g])
  /// ```
  public struct SquaredErrorAdjoint: Operator {
    public static let kind = "squared-error-adjoint"

    public init() {}

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 3)
      let x = try Array(inputs.prefix(2)).checkAlike()
      try inputs.check(2, type: .float64, shape: [])
      return [x]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.dimensions(
        inputs[0].shape, inputs: [{ $0 }, { $0 }, { _ in nil }], outputs: [{ $0 }])
    }
  }
}

extension GraphBuilder {
  /// The sum of squared differences.
  public mutating func squaredError(
    _ x: ValueID, _ target: ValueID, name: String? = nil
  ) throws(GraphError) -> ValueID {
    try single(Operators.SquaredError(), [x, target], name: name)
  }
}
