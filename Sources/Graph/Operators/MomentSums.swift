extension Operators {
  /// Σx and Σx² over some axes, in Double: what a normalisation knows of its input.
  ///
  /// The output is float64 [2, rest…], where rest are the other axes in order. It is a sum of
  /// terms, one for each element, so ranks that hold parts of x have partial sums of it. It has no
  /// adjoint: that of `Normalization` counts what x does through its sums.
  ///
  /// ```swift
  /// let sums = try builder.single(Operators.MomentSums(over: [0, 2, 3]), [x])  // [2, channels]
  /// ```
  public struct MomentSums: Operator {
    public static let kind = "moment-sums"

    /// Ascending.
    public let axes: [Int]

    public init(over axes: [Int]) { self.axes = axes }

    public var settings: String { "over \(list(axes))" }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 1)
      let x = try inputs.floating(0)
      try x.check(axes: axes)
      return [x.sums(over: axes)]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.dimensions(
        inputs[0].shape, inputs: [{ $0 }], outputs: [inputs[0].placeInSums(over: axes)])
    }
  }
}

extension Value {
  /// Two sums over some axes for each index of the others.
  func sums(over axes: [Int]) -> Value {
    Value(
      name: "sums", type: .float64,
      axes: [Axis("moment", .other, 2)] + others(than: axes).map { self.axes[$0] })
  }

  /// Where a dimension that is not summed is in the sums.
  func placeInSums(over axes: [Int]) -> Factor.Place {
    let rest = others(than: axes)
    return { rest.firstIndex(of: $0).map { $0 + 1 } }
  }
}

extension Operators {
  /// The running mean and variance of batch normalisation after one more batch, by PyTorch's
  /// formulas.
  ///
  /// Inputs are the running mean and variance, of one type and shape [channels…], and the moment
  /// sums [2, channels…] of a batch; outputs are the new mean and variance, for use as effects.
  /// With n the elements that each sum is over, μ = Σx/n and m the momentum,
  ///
  ///     mean ← (1 − m)·mean + m·μ
  ///     variance ← (1 − m)·variance + m·(Σx²/n − μ²)·n/(n − 1)
  ///
  /// (of a single element the second factor is 1).
  ///
  /// ```swift
  /// let next = try builder.apply(
  ///   Operators.RunningMoments(momentum: 0.1, count: 8 * 32 * 32), to: [mean, variance, sums])
  /// ```
  public struct RunningMoments: Operator {
    public static let kind = "running-moments"

    /// In 0 ..< 1: the weight of the batch.
    public let momentum: Double
    /// n, at least 1.
    public let count: Int

    public init(momentum: Double, count: Int) {
      self.momentum = momentum
      self.count = count
    }

    public var settings: String { "momentum \(decimal(momentum)) of \(count)" }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 3)
      try checkSetting(.momentum, momentum, below: 1)
      try checkSetting(.count, Double(count), from: 1)
      let mean = try inputs.floating(0)
      try inputs.check(1, type: mean.type, shape: mean.shape)
      try inputs.check(2, type: .float64, shape: [2] + mean.shape)
      return [mean.named("mean"), inputs[1].named("variance")]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.dimensions(
        inputs[0].shape, inputs: [{ $0 }, { $0 }, { $0 + 1 }], outputs: [{ $0 }, { $0 }])
    }
  }
}
