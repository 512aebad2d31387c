extension Operators {
  /// Normalises by a mean and a variance that are given: batch normalisation in evaluation.
  ///
  /// Inputs are x and mean, variance, scale γ and bias β, all of the extents of x along `axes`:
  /// `y = (x − mean)/√(variance + ε)·γ + β`. Mean and variance are taken as constants: gradients
  /// through them do not exist.
  ///
  /// ```swift
  /// let y = try builder.single(
  ///   Operators.FixedNormalization(along: [1], epsilon: 1e-5), [x, mean, variance, scale, bias])
  /// ```
  public struct FixedNormalization: Operator {
    public static let kind = "fixed-normalization"

    /// Where mean, variance, scale and bias live; ascending.
    public let axes: [Int]
    public let epsilon: Double

    public init(along axes: [Int], epsilon: Double) {
      self.axes = axes
      self.epsilon = epsilon
    }

    public var settings: String { "along \(list(axes)) ε \(decimal(epsilon))" }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 5)
      let x = try inputs.floating(0)
      try checkSetting(.epsilon, epsilon, below: .infinity)
      try inputs.check(1...4, like: x, along: axes)
      return [x]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      let parameters = [Factor.Place](repeating: axes.firstIndex, count: 4)
      return Factor.dimensions(
        outputs[0].shape, inputs: [{ $0 }] + parameters, outputs: [{ $0 }])
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      guard !needed[1], !needed[2] else { throw noAdjoint(of: node, in: builder) }
      var result: [ValueID?] = [nil, nil, nil, nil, nil]
      guard let gradient = gradients[0] else { return result }
      let (x, mean, variance, scale) = (
        node.inputs[0], node.inputs[1], node.inputs[2], node.inputs[3]
      )
      let others = builder[x].others(than: axes)
      if needed[0] {
        // y is linear in x but for the mean and the bias.
        let zero = try builder.fill(with: 0, like: mean)
        result[0] = try builder.single(self, [gradient, zero, variance, scale, zero])
      }
      if needed[3] {
        let one = try builder.fill(with: 1, like: scale)
        let zero = try builder.fill(with: 0, like: mean)
        let normalized = try builder.single(self, [x, mean, variance, one, zero])
        let products = try builder.multiply(gradient, normalized)
        result[3] = try builder.sum(products, over: others)
      }
      if needed[4] { result[4] = try builder.sum(gradient, over: others) }
      return result
    }
  }
}
