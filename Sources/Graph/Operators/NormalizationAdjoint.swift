extension Operators {
  /// Σh and Σh·x̂ in Double, which the gradients of a normalisation are made of; linear in the
  /// gradient.
  ///
  /// Inputs are x, its moment sums, the gradient g of the normalisation's output and, if the sums
  /// are weighted, the scale γ. Here h is g, or g·γ if weighted, and x̂ = (x − μ)/σ. The output is
  /// float64 [2, rest…], where rest are the axes that are not summed. Over the normalised axes the
  /// sums serve the gradient of x; over all axes without parameters they are the gradients of bias
  /// and scale.
  ///
  /// ```swift
  /// let normalization = Operators.Normalization(
  ///   over: [0], count: 8, epsilon: 1e-5, parameterAxes: [1])
  /// let sums = try builder.single(
  ///   Operators.NormalizationSums(normalization, over: [0], isWeighted: false), [x, moments, g])
  /// ```
  public struct NormalizationSums: Operator {
    public static let kind = "normalization-sums"

    public let normalization: Normalization
    /// What is summed over; ascending.
    public let axes: [Int]
    public let isWeighted: Bool

    public init(_ normalization: Normalization, over axes: [Int], isWeighted: Bool) {
      self.normalization = normalization
      self.axes = axes
      self.isWeighted = isWeighted
    }

    public var settings: String {
      "over \(list(axes))\(isWeighted ? " weighted" : "") of \(normalization.settings)"
    }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: isWeighted ? 4 : 3)
      let x = try normalization.checkNormalized(inputs)
      try inputs.check(2, type: x.type, shape: x.shape)
      if isWeighted {
        let parameterAxes = normalization.parameterAxes ?? []
        try inputs.check(3...3, like: x, along: parameterAxes)
      }
      try x.check(axes: axes)
      return [x.sums(over: axes)]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      let x = inputs[0]
      let scale: [Factor.Place] = isWeighted ? [(normalization.parameterAxes ?? []).firstIndex] : []
      return Factor.dimensions(
        x.shape, inputs: [{ $0 }, x.placeInSums(over: normalization.axes), { $0 }] + scale,
        outputs: [x.placeInSums(over: axes)])
    }
  }

  /// The gradient of a normalisation's input, both ways in which x acts counted (Ioffe and Szegedy,
  /// arXiv 1502.03167, section 3):
  ///
  ///     gx = (h − Σh/n − x̂·Σh·x̂/n)/σ   with h = g·γ
  ///
  /// Inputs are x, its moment sums, g, the gradient sums [2, rest…] over the normalised axes and,
  /// if the normalisation has parameters, γ. Sums that are not weighted are of g alone, and γ,
  /// which is then the same all over each of them, multiplies them here.
  ///
  /// ```swift
  /// let gx = try builder.single(
  ///   Operators.NormalizationAdjoint(normalization, sumsAreWeighted: false),
  ///   [x, moments, g, sums, scale])
  /// ```
  public struct NormalizationAdjoint: Operator {
    public static let kind = "normalization-adjoint"

    public let normalization: Normalization
    public let sumsAreWeighted: Bool

    public init(_ normalization: Normalization, sumsAreWeighted: Bool) {
      self.normalization = normalization
      self.sumsAreWeighted = sumsAreWeighted
    }

    public var settings: String {
      "\(sumsAreWeighted ? "weighted " : "")of \(normalization.settings)"
    }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: normalization.parameterAxes == nil ? 4 : 5)
      let x = try normalization.checkNormalized(inputs)
      try inputs.check(2, type: x.type, shape: x.shape)
      try inputs.check(3, type: .float64, shape: inputs[1].shape)
      if let axes = normalization.parameterAxes {
        try inputs.check(4...4, like: x, along: axes)
      }
      return [x]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      let x = inputs[0]
      let sums = x.placeInSums(over: normalization.axes)
      let scale: [Factor.Place] = normalization.parameterAxes.map { [$0.firstIndex] } ?? []
      return Factor.dimensions(
        x.shape, inputs: [{ $0 }, sums, { $0 }, sums] + scale, outputs: [{ $0 }])
    }
  }
}
