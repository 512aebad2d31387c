extension Operators {
  /// Stochastic gradient descent with momentum, by PyTorch's formulas (`torch.optim.SGD`).
  ///
  /// Inputs are a parameter w, its gradient g and velocity v, all of one type and shape, and the
  /// learning rate η, a float64 scalar; outputs are the new parameter and velocity, for use as
  /// effects:
  ///
  ///     g ← g + decay·w
  ///     v ← momentum·v + g
  ///     w ← w − η·v          (Nesterov: w − η·(g + momentum·v))
  ///
  /// ```swift
  /// let next = try builder.apply(
  ///   Operators.MomentumUpdate(momentum: 0.9, weightDecay: 5e-4), to: [w, g, v, rate])
  /// try builder.effect(w, becomes: next[0])
  /// try builder.effect(v, becomes: next[1])
  /// ```
  public struct MomentumUpdate: Operator {
    public static let kind = "momentum-update"

    public let momentum: Double
    /// 0 for a parameter that does not decay.
    public let weightDecay: Double
    public let nesterov: Bool

    public init(momentum: Double, weightDecay: Double = 0, nesterov: Bool = false) {
      self.momentum = momentum
      self.weightDecay = weightDecay
      self.nesterov = nesterov
    }

    public var settings: String {
      "\(decimal(momentum)) decay \(decimal(weightDecay))" + (nesterov ? " nesterov" : "")
    }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 4)
      try checkSetting(.momentum, momentum, below: .infinity)
      try checkSetting(.weightDecay, weightDecay, below: .infinity)
      let parameter = try Array(inputs[..<3]).checkAlike()
      try inputs.check(3, type: .float64, shape: [])
      return [parameter.named("parameter"), inputs[2].named("velocity")]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.dimensions(
        inputs[0].shape, inputs: [{ $0 }, { $0 }, { $0 }, { _ in nil }],
        outputs: [{ $0 }, { $0 }])
    }
  }

  /// Adam (Kingma and Ba, arXiv 1412.6980, algorithm 1), by PyTorch's formulas
  /// (`torch.optim.Adam`), or with decoupled weight decay (Loshchilov and Hutter, arXiv 1711.05101;
  /// `torch.optim.AdamW`).
  ///
  /// Inputs are a parameter w, its gradient g, mean m and variance v, all of one type and shape,
  /// the learning rate η, a float64 scalar, and the number t ≥ 1 of this training step, an int64
  /// scalar; outputs are the new parameter, mean and variance, for use as effects:
  ///
  ///     g ← g + decay·w      (decoupled: w ← w − η·decay·w)
  ///     m ← β1·m + (1 − β1)·g,   v ← β2·v + (1 − β2)·g²
  ///     w ← w − η/(1 − β1^t) · m / (√v/√(1 − β2^t) + ε)
  ///
  /// ```swift
  /// let next = try builder.apply(
  ///   Operators.AdamUpdate(weightDecay: 0.01, isDecoupled: true), to: [w, g, m, v, rate, step])
  /// ```
  public struct AdamUpdate: Operator {
    public static let kind = "adam-update"

    public let beta1: Double
    public let beta2: Double
    public let epsilon: Double
    /// 0 for a parameter that does not decay.
    public let weightDecay: Double
    public let isDecoupled: Bool

    public init(
      beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8, weightDecay: Double = 0,
      isDecoupled: Bool = false
    ) {
      self.beta1 = beta1
      self.beta2 = beta2
      self.epsilon = epsilon
      self.weightDecay = weightDecay
      self.isDecoupled = isDecoupled
    }

    public var settings: String {
      "\(decimal(beta1)) \(decimal(beta2)) ε \(decimal(epsilon)) decay \(decimal(weightDecay))"
        + (isDecoupled ? " decoupled" : "")
    }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 6)
      try checkSetting(.beta, beta1, below: 1)
      try checkSetting(.beta, beta2, below: 1)
      try checkSetting(.epsilon, epsilon, below: .infinity)
      try checkSetting(.weightDecay, weightDecay, below: .infinity)
      let parameter = try Array(inputs[..<4]).checkAlike()
      try inputs.check(4, type: .float64, shape: [])
      try inputs.check(5, type: .int64, shape: [])
      return [
        parameter.named("parameter"), inputs[2].named("mean"), inputs[3].named("variance"),
      ]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.dimensions(
        inputs[0].shape,
        inputs: [{ $0 }, { $0 }, { $0 }, { $0 }, { _ in nil }, { _ in nil }],
        outputs: [{ $0 }, { $0 }, { $0 }])
    }
  }
}
