extension Operators {
  /// The sum over some axes, times a constant: a mean is a sum with the factor 1/count.
  ///
  /// The output has the other axes or, if axes are kept, extent 1 along those that are summed.
  ///
  /// ```swift
  /// let pooled = try builder.mean(x, over: [2, 3])  // [8, 16, 4, 4] to [8, 16]
  /// ```
  public struct Sum: Operator {
    public static let kind = "sum"

    /// Ascending.
    public let axes: [Int]
    public let keepsAxes: Bool
    public let scale: Double

    public init(over axes: [Int], keepsAxes: Bool = false, scale: Double = 1) {
      self.axes = axes
      self.keepsAxes = keepsAxes
      self.scale = scale
    }

    public var settings: String {
      "over \(list(axes))" + (keepsAxes ? " kept" : "") + (scale == 1 ? "" : " ×\(decimal(scale))")
    }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 1)
      let x = try inputs.floating(0)
      try x.check(axes: axes)
      try checkFinite(scale)
      let result = x.axes.indices.compactMap { axis -> Axis? in
        guard axes.contains(axis) else { return x.axes[axis] }
        return keepsAxes ? x.axes[axis].with(extent: 1) : nil
      }
      return [x.with(axes: result)]
    }

    /// The output is a partial sum along the axes that are summed.
    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.dimensions(
        inputs[0].shape, inputs: [{ $0 }],
        outputs: [inputs[0].place(besides: axes, areKept: keepsAxes)])
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      guard let gradient = gradients[0] else { return [nil] }
      let input = builder[node.inputs[0]]
      let spread = Spread(
        axes: axes, along: axes.map { input.axes[$0] }, areKept: keepsAxes, scale: scale)
      return [try builder.single(spread, [gradient])]
    }
  }

  /// Repeats a value along new axes, times a constant; the adjoint of a sum.
  ///
  /// The output has `along[i]` as its axis `axes[i]`, and the input's axes in the other places. If
  /// axes are kept, the input has them too, with extent 1.
  ///
  /// ```swift
  /// // [8, 16] to [8, 16, 4]
  /// let y = try builder.single(
  ///   Operators.Spread(axes: [2], along: [Axis("time", .time, 4)]), [x])
  /// ```
  public struct Spread: Operator {
    public static let kind = "spread"

    /// Places in the output, ascending.
    public let axes: [Int]
    public let along: [Axis]
    public let areKept: Bool
    public let scale: Double

    public init(axes: [Int], along: [Axis], areKept: Bool = false, scale: Double = 1) {
      self.axes = axes
      self.along = along
      self.areKept = areKept
      self.scale = scale
    }

    public var settings: String {
      let spread = zip(axes, along).map { "\($0):\($1.text)" }
      return spread.joined(separator: ",") + (areKept ? " kept" : "")
        + (scale == 1 ? "" : " ×\(decimal(scale))")
    }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 1)
      let x = try inputs.floating(0)
      guard axes.count == along.count else {
        throw .settingCount(.axes, expected: axes.count, given: along.count)
      }
      try along.checkExtents()
      try checkFinite(scale)
      let count = x.axes.count + (areKept ? 0 : axes.count)
      try checkAscending(axes, dimensions: count)
      if areKept {
        let expected = x.shape.indices.map { axes.contains($0) ? 1 : x.shape[$0] }
        try inputs.check(0, type: x.type, shape: expected)
      }
      var rest = areKept ? x.others(than: axes).map { x.axes[$0] }[...] : x.axes[...]
      let result = (0..<count).compactMap { place in
        axes.firstIndex(of: place).map { along[$0] } ?? rest.popFirst()
      }
      return [x.with(axes: result)]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.dimensions(
        outputs[0].shape, inputs: [outputs[0].place(besides: axes, areKept: areKept)],
        outputs: [{ $0 }])
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      guard let gradient = gradients[0] else { return [nil] }
      return [try builder.single(Sum(over: axes, keepsAxes: areKept, scale: scale), [gradient])]
    }
  }
}

extension Value {
  /// Where a dimension is once these axes are summed: nowhere, if it is one of them.
  fileprivate func place(besides axes: [Int], areKept: Bool) -> Factor.Place {
    let rest = others(than: axes)
    return { areKept ? (rest.contains($0) ? $0 : nil) : rest.firstIndex(of: $0) }
  }
}

extension GraphBuilder {
  /// The sum over axes: x itself, if there are none.
  public mutating func sum(
    _ x: ValueID, over axes: [Int], keepsAxes: Bool = false, name: String? = nil
  ) throws(GraphError) -> ValueID {
    try check(x)
    return axes.isEmpty
      ? x : try single(Operators.Sum(over: axes, keepsAxes: keepsAxes), [x], name: name)
  }

  /// The mean over axes; of no elements it is 0.
  public mutating func mean(
    _ x: ValueID, over axes: [Int], keepsAxes: Bool = false, name: String? = nil
  ) throws(GraphError) -> ValueID {
    try check(x)
    let known = axes.filter { self[x].axes.indices.contains($0) }
    let count = product(self[x].extents(known))
    let sum = Operators.Sum(over: axes, keepsAxes: keepsAxes, scale: 1 / Double(max(count, 1)))
    return try single(sum, [x], name: name ?? freeName("mean"))
  }
}
