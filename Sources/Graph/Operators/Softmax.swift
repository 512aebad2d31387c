extension Operators {
  /// y = eˣ/Σeˣ along an axis, over the elements that a mask leaves.
  ///
  /// Inputs are x and, if there are `maskAxes`, a mask, uint8 of the extents of x along those: an
  /// element takes part where it is not 0. The others are 0, and so is a row that is masked
  /// altogether.
  ///
  /// ```swift
  /// // scores [batch, head, query, key]; mask [query, key]
  /// let weights = try builder.softmax(scores, axis: 3, mask: (mask, [2, 3]))
  /// ```
  public struct Softmax: Operator {
    public static let kind = "softmax"

    public let axis: Int
    /// Where the mask lives; ascending. `nil` if there is none.
    public let maskAxes: [Int]?

    public init(axis: Int, maskAxes: [Int]? = nil) {
      self.axis = axis
      self.maskAxes = maskAxes
    }

    public var settings: String {
      "along \(axis)" + (maskAxes.map { " masked along \(list($0))" } ?? "")
    }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: maskAxes == nil ? 1 : 2)
      let x = try inputs.floating(0)
      try x.check(axis: axis)
      if let maskAxes {
        try x.check(axes: maskAxes)
        try inputs.check(1, type: .uint8, shape: x.extents(maskAxes))
      }
      return [x]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      let mask: [Factor.Place] = maskAxes.map { [$0.firstIndex] } ?? []
      return Factor.dimensions(
        outputs[0].shape, inputs: [{ $0 }] + mask, outputs: [{ $0 }], whole: [axis])
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      guard let gradient = gradients[0] else { return needed.map { _ in nil } }
      let result = try builder.single(SoftmaxAdjoint(axis: axis), [node.outputs[0], gradient])
      return needed.indices.map { $0 == 0 ? result : nil }
    }
  }

  /// The gradient of a softmax's input: y·(g − Σg·y). Masked elements have y = 0, and so gradient
  /// 0.
  ///
  /// Inputs are the softmax's output y and its gradient g.
  ///
  /// ```swift
  /// let gx = try builder.single(Operators.SoftmaxAdjoint(axis: 1), [y, gy])
  /// ```
  public struct SoftmaxAdjoint: Operator {
    public static let kind = "softmax-adjoint"

    public let axis: Int

    public init(axis: Int) { self.axis = axis }

    public var settings: String { "along \(axis)" }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 2)
      let y = try inputs.checkAlike()
      try y.check(axis: axis)
      return [y]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.dimensions(
        outputs[0].shape, inputs: [{ $0 }, { $0 }], outputs: [{ $0 }], whole: [axis])
    }
  }

  /// y = x − log Σeˣ along an axis.
  ///
  /// ```swift
  /// let y = try builder.logSoftmax(x, axis: 1)
  /// ```
  public struct LogSoftmax: Operator {
    public static let kind = "log-softmax"

    public let axis: Int

    public init(axis: Int) { self.axis = axis }

    public var settings: String { "along \(axis)" }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 1)
      let x = try inputs.floating(0)
      try x.check(axis: axis)
      return [x]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.dimensions(outputs[0].shape, inputs: [{ $0 }], outputs: [{ $0 }], whole: [axis])
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      guard let gradient = gradients[0] else { return [nil] }
      return [try builder.single(LogSoftmaxAdjoint(axis: axis), [node.outputs[0], gradient])]
    }
  }

  /// The gradient of a log-softmax's input: g − e^y·Σg.
  ///
  /// Inputs are the log-softmax's output y and its gradient g.
  ///
  /// ```swift
  /// let gx = try builder.single(Operators.LogSoftmaxAdjoint(axis: 1), [y, gy])
  /// ```
  public struct LogSoftmaxAdjoint: Operator {
    public static let kind = "log-softmax-adjoint"

    public let axis: Int

    public init(axis: Int) { self.axis = axis }

    public var settings: String { "along \(axis)" }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try SoftmaxAdjoint(axis: axis).outputs(inputs)
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      SoftmaxAdjoint(axis: axis).factors(inputs: inputs, outputs: outputs)
    }
  }
}

extension GraphBuilder {
  /// Softmax along an axis, over what a mask leaves.
  ///
  /// - Parameters:
  ///   - mask: Of type uint8, of the extents of x along the mask's `axes`, ascending.
  public mutating func softmax(
    _ x: ValueID, axis: Int, mask: (value: ValueID, axes: [Int])? = nil, name: String? = nil
  ) throws(GraphError) -> ValueID {
    try single(
      Operators.Softmax(axis: axis, maskAxes: mask?.axes), [x] + (mask.map { [$0.value] } ?? []),
      name: name)
  }

  /// The logarithm of the softmax along an axis.
  public mutating func logSoftmax(
    _ x: ValueID, axis: Int, name: String? = nil
  ) throws(GraphError) -> ValueID {
    try single(Operators.LogSoftmax(axis: axis), [x], name: name)
  }
}
