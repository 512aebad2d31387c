extension Operators {
  /// The sum of any number of values of one type and shape.
  ///
  /// ```swift
  /// let y = try builder.add([main, shortcut])
  /// ```
  public struct Add: Operator {
    public static let kind = "add"

    public init() {}

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      [try inputs.checkAlike()]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.elementwise(outputs[0].shape, inputs: inputs.count, outputs: 1)
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      needed.map { $0 ? gradients[0] : nil }
    }
  }

  /// The product of two values of one type and shape, element by element.
  ///
  /// ```swift
  /// let y = try builder.multiply(x, gate)
  /// ```
  public struct Multiply: Operator {
    public static let kind = "multiply"

    public init() {}

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 2)
      return [try inputs.checkAlike()]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.elementwise(outputs[0].shape, inputs: 2, outputs: 1)
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      guard let gradient = gradients[0] else { return [nil, nil] }
      return [
        needed[0] ? try builder.multiply(gradient, node.inputs[1]) : nil,
        needed[1] ? try builder.multiply(gradient, node.inputs[0]) : nil,
      ]
    }
  }

  /// A value times a constant.
  ///
  /// ```swift
  /// let mean = try builder.scale(loss, by: 1 / 128)
  /// ```
  public struct Scale: Operator {
    public static let kind = "scale"

    public let factor: Double

    public init(by factor: Double) { self.factor = factor }

    public var settings: String { "by \(decimal(factor))" }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 1)
      try checkFinite(factor)
      return [try inputs.floating(0)]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.elementwise(outputs[0].shape, inputs: 1, outputs: 1)
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      guard let gradient = gradients[0] else { return [nil] }
      return [try builder.scale(gradient, by: factor)]
    }
  }

  /// A value in another floating-point type.
  ///
  /// ```swift
  /// let single = try builder.convert(sums, to: .float32)
  /// ```
  public struct Convert: Operator {
    public static let kind = "convert"

    public let type: ElementType

    public init(to type: ElementType) { self.type = type }

    public var settings: String { "to \(type.rawValue)" }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 1)
      let input = try inputs.floating(0)
      guard type.isFloatingPoint else {
        throw .outputType(type, expected: ElementType.floatingPoint)
      }
      return [Value(name: input.name, type: type, axes: input.axes)]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.elementwise(outputs[0].shape, inputs: 1, outputs: 1)
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      guard let gradient = gradients[0] else { return [nil] }
      return [try builder.convert(gradient, to: builder[node.inputs[0]].type)]
    }
  }

  /// A value whose elements are all the same number; it has no inputs.
  ///
  /// ```swift
  /// let ones = try builder.fill(with: 1, like: loss)
  /// ```
  public struct Fill: Operator {
    public static let kind = "fill"

    public let number: Double
    public let type: ElementType
    public let axes: [Axis]

    public init(_ number: Double, type: ElementType, axes: [Axis]) {
      self.number = number
      self.type = type
      self.axes = axes
    }

    public var settings: String {
      "\(decimal(number)) \(type.rawValue) [\(axes.map(\.text).joined(separator: ","))]"
    }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 0)
      try checkFinite(number)
      try axes.checkExtents()
      return [Value(name: "number", type: type, axes: axes)]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.elementwise(outputs[0].shape, inputs: 0, outputs: 1)
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] { [] }
  }
}

extension GraphBuilder {
  /// The sum of values of one type and shape.
  public mutating func add(
    _ values: [ValueID], name: String? = nil
  ) throws(GraphError) -> ValueID {
    try single(Operators.Add(), values, name: name)
  }

  /// a·b, element by element.
  public mutating func multiply(
    _ a: ValueID, _ b: ValueID, name: String? = nil
  ) throws(GraphError) -> ValueID {
    try single(Operators.Multiply(), [a, b], name: name)
  }

  /// x times a constant.
  public mutating func scale(
    _ x: ValueID, by factor: Double, name: String? = nil
  ) throws(GraphError) -> ValueID {
    try single(Operators.Scale(by: factor), [x], name: name)
  }

  /// x in this type: x itself, if it is of it.
  public mutating func convert(
    _ x: ValueID, to type: ElementType, name: String? = nil
  ) throws(GraphError) -> ValueID {
    try check(x)
    return self[x].type == type ? x : try single(Operators.Convert(to: type), [x], name: name)
  }

  /// One number in every element of a value like `other`.
  public mutating func fill(
    with number: Double, like other: ValueID, name: String? = nil
  ) throws(GraphError) -> ValueID {
    try check(other)
    let value = self[other]
    return try single(Operators.Fill(number, type: value.type, axes: value.axes), [], name: name)
  }
}
