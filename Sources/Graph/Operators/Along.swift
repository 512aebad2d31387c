extension Operators {
  /// Adds a vector, or a small tensor, along some axes of a value: a bias, or embeddings of
  /// positions.
  ///
  /// Inputs x of any shape and b of the extents of x along `axes`: `y[i] = x[i] + b[i at axes]`.
  ///
  /// ```swift
  /// let y = try builder.add(bias, to: x, along: [1])
  /// ```
  public struct AddAlong: Operator {
    public static let kind = "add-along"

    /// Ascending.
    public let axes: [Int]

    public init(axes: [Int]) { self.axes = axes }

    public var settings: String { list(axes) }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      [try inputs.checkAlong(axes)]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.dimensions(
        outputs[0].shape, inputs: [{ $0 }, axes.firstIndex], outputs: [{ $0 }])
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      guard let gradient = gradients[0] else { return [nil, nil] }
      let others = builder[gradient].others(than: axes)
      return [
        needed[0] ? gradient : nil, needed[1] ? try builder.sum(gradient, over: others) : nil,
      ]
    }
  }

  /// Multiplies a value by a vector, or a small tensor, along some of its axes.
  ///
  /// Inputs x of any shape and s of the extents of x along `axes`: `y[i] = x[i]·s[i at axes]`.
  ///
  /// ```swift
  /// let y = try builder.scale(x, by: gate, along: [1])
  /// ```
  public struct ScaleAlong: Operator {
    public static let kind = "scale-along"

    /// Ascending.
    public let axes: [Int]

    public init(axes: [Int]) { self.axes = axes }

    public var settings: String { list(axes) }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      [try inputs.checkAlong(axes)]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.dimensions(
        outputs[0].shape, inputs: [{ $0 }, axes.firstIndex], outputs: [{ $0 }])
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      guard let gradient = gradients[0] else { return [nil, nil] }
      var result: [ValueID?] = [nil, nil]
      if needed[0] { result[0] = try builder.scale(gradient, by: node.inputs[1], along: axes) }
      if needed[1] {
        let products = try builder.multiply(gradient, node.inputs[0])
        result[1] = try builder.sum(products, over: builder[gradient].others(than: axes))
      }
      return result
    }
  }
}

extension [Value] {
  /// x and a value of its type, of its extents along some axes.
  fileprivate func checkAlong(_ axes: [Int]) throws(GraphError.Misfit) -> Value {
    try check(count: 2)
    let x = try floating(0)
    try check(1...1, like: x, along: axes)
    return x
  }
}

extension GraphBuilder {
  /// x + b along axes of x.
  public mutating func add(
    _ b: ValueID, to x: ValueID, along axes: [Int], name: String? = nil
  ) throws(GraphError) -> ValueID {
    try single(Operators.AddAlong(axes: axes), [x, b], name: name)
  }

  /// x·s along axes of x.
  public mutating func scale(
    _ x: ValueID, by s: ValueID, along axes: [Int], name: String? = nil
  ) throws(GraphError) -> ValueID {
    try single(Operators.ScaleAlong(axes: axes), [x, s], name: name)
  }
}
