extension Operators {
  /// The mean of each window.
  ///
  /// The output has x's axes, with `PoolWindow`'s extents along the windows'. If `countsPadding`, a
  /// window is divided by its size (PyTorch's `count_include_pad`), otherwise by the number of
  /// inputs that it sees.
  ///
  /// ```swift
  /// let y = try builder.averagePool(x, [PoolWindow(axis: 2, extent: 2)])
  /// ```
  public struct AveragePool: Operator {
    public static let kind = "average-pool"

    /// In ascending order of axes.
    public let windows: [PoolWindow]
    public let countsPadding: Bool

    public init(_ windows: [PoolWindow], countsPadding: Bool = true) {
      self.windows = windows
      self.countsPadding = countsPadding
    }

    public var settings: String {
      windows.text + (countsPadding ? "" : " without padding")
    }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 1)
      let x = try inputs.floating(0)
      return [x.with(axes: try windows.pooled(x))]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      windows.factors(outputs[0].shape, inputsArePooled: [false], outputsArePooled: [true])
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      guard let gradient = gradients[0] else { return [nil] }
      let axes = builder[node.inputs[0]].axes
      return [try builder.single(AveragePoolAdjoint(self, axes: axes), [gradient])]
    }
  }

  /// The gradient of an average pool's input: each output's gradient, divided as the window was,
  /// goes to all inputs of the window.
  ///
  /// The input is the gradient of the pool's output; the output has the axes of the pool's input.
  ///
  /// ```swift
  /// let gx = try builder.single(Operators.AveragePoolAdjoint(pool, axes: builder[x].axes), [gy])
  /// ```
  public struct AveragePoolAdjoint: Operator {
    public static let kind = "average-pool-adjoint"

    public let pool: AveragePool
    /// The axes of the pool's input.
    public let axes: [Axis]

    public init(_ pool: AveragePool, axes: [Axis]) {
      self.pool = pool
      self.axes = axes
    }

    public var settings: String { "\(pool.settings) to \(Reshape(to: axes).settings)" }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 1)
      let gradient = try inputs.floating(0)
      try axes.checkExtents()
      let x = gradient.with(axes: axes)
      try inputs.check(0, type: x.type, shape: try pool.windows.pooled(x).map(\.extent))
      return [x]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      pool.windows.factors(
        inputs[0].shape, inputsArePooled: [true], outputsArePooled: [false])
    }
  }
}

extension GraphBuilder {
  /// The mean of each window.
  public mutating func averagePool(
    _ x: ValueID, _ windows: [PoolWindow], countsPadding: Bool = true, name: String? = nil
  ) throws(GraphError) -> ValueID {
    try single(Operators.AveragePool(windows, countsPadding: countsPadding), [x], name: name)
  }
}
