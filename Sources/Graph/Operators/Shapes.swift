extension Operators {
  /// Swaps axes: axis i of the output is axis `permutation[i]` of the input.
  ///
  /// ```swift
  /// let y = try builder.transpose(x, [0, 2, 1])
  /// ```
  public struct Transpose: Operator {
    public static let kind = "transpose"

    public let permutation: [Int]

    public init(_ permutation: [Int]) { self.permutation = permutation }

    public var settings: String { list(permutation) }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 1)
      let x = inputs[0]
      guard permutation.sorted() == Array(x.axes.indices) else {
        throw .notPermutation(permutation, dimensions: x.axes.count)
      }
      return [x.with(axes: permutation.map { x.axes[$0] })]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.dimensions(
        inputs[0].shape, inputs: [{ $0 }], outputs: [permutation.firstIndex])
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      guard let gradient = gradients[0] else { return [nil] }
      let inverse = permutation.indices.sorted { permutation[$0] < permutation[$1] }
      return [try builder.transpose(gradient, inverse)]
    }
  }

  /// Puts values one after the other along an axis; along all others they have equal extents.
  ///
  /// ```swift
  /// let y = try builder.concatenate([a, b], axis: 1)
  /// ```
  public struct Concatenate: Operator {
    public static let kind = "concatenate"

    public let axis: Int

    public init(axis: Int) { self.axis = axis }

    public var settings: String { "along \(axis)" }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      guard let first = inputs.first else { throw .inputCount(expected: 1, given: 0) }
      try first.check(axis: axis)
      for (number, input) in inputs.enumerated() {
        var expected = first.shape
        if input.axes.indices.contains(axis) { expected[axis] = input.shape[axis] }
        try inputs.check(number, type: first.type, shape: expected)
      }
      let extent = inputs.reduce(0) { $0 + Double($1.shape[axis]) }
      try checkSetting(.extent, extent, below: largestExtent)
      var axes = first.axes
      axes[axis] = axes[axis].with(extent: inputs.reduce(0) { $0 + $1.shape[axis] })
      return [first.with(axes: axes)]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.dimensions(
        outputs[0].shape, inputs: Array(repeating: { $0 }, count: inputs.count),
        outputs: [{ $0 }], whole: [axis])
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      guard let gradient = gradients[0] else { return needed.map { _ in nil } }
      var result: [ValueID?] = []
      var start = 0
      for (input, isNeeded) in zip(node.inputs, needed) {
        let end = start + builder[input].shape[axis]
        result.append(
          isNeeded ? try builder.slice(gradient, axis: axis, start..<end) : nil)
        start = end
      }
      return result
    }
  }

  /// The elements `lower ..< upper` along an axis.
  ///
  /// ```swift
  /// let y = try builder.slice(x, axis: 1, 0..<16)
  /// ```
  public struct Slice: Operator {
    public static let kind = "slice"

    public let axis: Int
    public let lower: Int
    public let upper: Int

    public init(axis: Int, _ range: Range<Int>) {
      self.axis = axis
      lower = range.lowerBound
      upper = range.upperBound
    }

    public var settings: String { "\(lower)..<\(upper) along \(axis)" }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 1)
      let x = inputs[0]
      try x.check(axis: axis)
      guard 0 <= lower, lower <= upper, upper <= x.shape[axis] else {
        throw .range(axis: axis, lower: lower, upper: upper, extent: x.shape[axis])
      }
      var axes = x.axes
      axes[axis] = axes[axis].with(extent: upper - lower)
      return [x.with(axes: axes)]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.dimensions(
        outputs[0].shape, inputs: [{ $0 }], outputs: [{ $0 }], whole: [axis])
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      guard let gradient = gradients[0] else { return [nil] }
      let extent = builder[node.inputs[0]].shape[axis]
      return [try builder.pad(gradient, axis: axis, low: lower, high: extent - upper)]
    }
  }

  /// Zeros before and after along an axis.
  ///
  /// ```swift
  /// let y = try builder.pad(x, axis: 2, low: 1, high: 1)
  /// ```
  public struct Pad: Operator {
    public static let kind = "pad"

    public let axis: Int
    public let low: Int
    public let high: Int

    public init(axis: Int, low: Int, high: Int) {
      self.axis = axis
      self.low = low
      self.high = high
    }

    public var settings: String { "\(low):\(high) along \(axis)" }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 1)
      let x = inputs[0]
      try x.check(axis: axis)
      try x.axes.checkExtents()
      try checkSetting(.padding, Double(low), below: largestExtent)
      try checkSetting(.padding, Double(high), below: largestExtent)
      var axes = x.axes
      axes[axis] = axes[axis].with(extent: low + axes[axis].extent + high)
      return [x.with(axes: axes)]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.dimensions(
        inputs[0].shape, inputs: [{ $0 }], outputs: [{ $0 }], whole: [axis])
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      guard let gradient = gradients[0] else { return [nil] }
      let extent = builder[node.inputs[0]].shape[axis]
      return [try builder.slice(gradient, axis: axis, low..<(low + extent))]
    }
  }
}

extension GraphBuilder {
  /// x with its axes in another order.
  public mutating func transpose(
    _ x: ValueID, _ permutation: [Int], name: String? = nil
  ) throws(GraphError) -> ValueID {
    try single(Operators.Transpose(permutation), [x], name: name)
  }

  /// Values one after the other along an axis.
  public mutating func concatenate(
    _ values: [ValueID], axis: Int, name: String? = nil
  ) throws(GraphError) -> ValueID {
    try single(Operators.Concatenate(axis: axis), values, name: name)
  }

  /// A range of an axis.
  public mutating func slice(
    _ x: ValueID, axis: Int, _ range: Range<Int>, name: String? = nil
  ) throws(GraphError) -> ValueID {
    try single(Operators.Slice(axis: axis, range), [x], name: name)
  }

  /// Equal parts of an axis, in order.
  ///
  /// - Throws: `GraphError.misfit`, if `parts` is less than 1 or the extent no multiple of it.
  public mutating func split(
    _ x: ValueID, axis: Int, parts: Int, name: String? = nil
  ) throws(GraphError) -> [ValueID] {
    try check(x)
    let extent: Int
    do throws(GraphError.Misfit) {
      try self[x].check(axis: axis)
      extent = self[x].axes[axis].extent
      guard parts >= 1, extent.isMultiple(of: parts) else {
        throw .parts(parts, axis: axis, extent: extent)
      }
    } catch {
      throw .misfit(error, node: name ?? "split", operator: Operators.Slice.kind, inputs: [self[x]])
    }
    let length = extent / parts
    return try (0..<parts).map { part throws(GraphError) in
      let range = (part * length)..<((part + 1) * length)
      return try slice(x, axis: axis, range, name: name.map { "\($0).\(part)" })
    }
  }

  /// Zeros before and after along an axis.
  public mutating func pad(
    _ x: ValueID, axis: Int, low: Int, high: Int, name: String? = nil
  ) throws(GraphError) -> ValueID {
    try single(Operators.Pad(axis: axis, low: low, high: high), [x], name: name)
  }
}
