extension Operators {
  /// The largest element of each window. Padding never wins.
  ///
  /// Input x; the output has x's axes, with `PoolWindow`'s extents along the windows'.
  ///
  /// ```swift
  /// let y = try builder.maxPool(
  ///   x, [2, 3].map { PoolWindow(axis: $0, extent: 3, stride: 2, padding: 1) })
  /// ```
  public struct MaxPool: Operator {
    public static let kind = "max-pool"

    /// In ascending order of axes.
    public let windows: [PoolWindow]

    public init(_ windows: [PoolWindow]) { self.windows = windows }

    public var settings: String { windows.text }

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
      return [
        try builder.single(
          MaxPoolAdjoint(windows), [node.inputs[0], node.outputs[0], gradient])
      ]
    }
  }

  /// The gradient of a max-pool's input: each output's gradient goes to the element that won, of
  /// equal ones to the first in row-major order of the window, as in PyTorch.
  ///
  /// Inputs are the pool's input x and output y, and the gradient of y; the output is like x.
  ///
  /// ```swift
  /// let gx = try builder.single(Operators.MaxPoolAdjoint(windows), [x, y, gy])
  /// ```
  public struct MaxPoolAdjoint: Operator {
    public static let kind = "max-pool-adjoint"

    /// The pool's.
    public let windows: [PoolWindow]

    public init(_ windows: [PoolWindow]) { self.windows = windows }

    public var settings: String { windows.text }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 3)
      let x = try inputs.floating(0)
      let pooled = try windows.pooled(x).map(\.extent)
      try inputs.check(1, type: x.type, shape: pooled)
      try inputs.check(2, type: x.type, shape: pooled)
      return [x]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      windows.factors(
        inputs[1].shape, inputsArePooled: [false, true, true], outputsArePooled: [false])
    }
  }
}

extension GraphBuilder {
  /// The largest element of each window.
  public mutating func maxPool(
    _ x: ValueID, _ windows: [PoolWindow], name: String? = nil
  ) throws(GraphError) -> ValueID {
    try single(Operators.MaxPool(windows), [x], name: name)
  }
}
