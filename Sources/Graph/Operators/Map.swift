extension Operators {
  /// A function of one variable, applied to every element.
  ///
  /// ```swift
  /// let y = try builder.map(.gelu, x)
  /// ```
  public struct Map: Operator {
    /// A function of one variable and its derivative.
    ///
    /// ```swift
    /// Operators.Map.Function.relu.adjointReadsOutput  // true
    /// ```
    public enum Function: String, Hashable, Codable, Sendable, CaseIterable {
      /// max(x, 0), with derivative 0 at 0.
      case relu
      /// x·Φ(x) with Φ(x) = (1 + erf(x/√2))/2 (Hendrycks and Gimpel, arXiv 1606.08415; PyTorch's
      /// default).
      case gelu
      /// x·σ(x).
      case silu
      /// σ(x) = 1/(1 + e⁻ˣ).
      case sigmoid
      case tanh

      /// Whether the derivative is known from the function's value alone: y > 0 of relu, y(1 − y)
      /// of sigmoid, 1 − y² of tanh. Otherwise it is found from the argument.
      public var adjointReadsOutput: Bool {
        switch self {
        case .relu, .sigmoid, .tanh: true
        case .gelu, .silu: false
        }
      }
    }

    public static let kind = "map"

    public let function: Function

    public init(_ function: Function) { self.function = function }

    public var settings: String { function.rawValue }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 1)
      return [try inputs.floating(0)]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.elementwise(outputs[0].shape, inputs: 1, outputs: 1)
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      guard let gradient = gradients[0] else { return [nil] }
      let read = function.adjointReadsOutput ? node.outputs[0] : node.inputs[0]
      return [try builder.single(MapAdjoint(function), [read, gradient])]
    }
  }

  /// The gradient of a map's argument: g·f′.
  ///
  /// Inputs, all of one shape: the map's output, or its input (`Map.Function.adjointReadsOutput`),
  /// and the gradient g of the output.
  ///
  /// ```swift
  /// let gx = try builder.single(Operators.MapAdjoint(.relu), [y, gy])
  /// ```
  public struct MapAdjoint: Operator {
    public static let kind = "map-adjoint"

    public let function: Map.Function

    public init(_ function: Map.Function) { self.function = function }

    public var settings: String { function.rawValue }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 2)
      return [try inputs.checkAlike()]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.elementwise(outputs[0].shape, inputs: 2, outputs: 1)
    }
  }
}

extension GraphBuilder {
  /// A function of every element.
  public mutating func map(
    _ function: Operators.Map.Function, _ x: ValueID, name: String? = nil
  ) throws(GraphError) -> ValueID {
    try single(Operators.Map(function), [x], name: name ?? freeName(function.rawValue))
  }

  /// max(x, 0).
  public mutating func relu(_ x: ValueID, name: String? = nil) throws(GraphError) -> ValueID {
    try map(.relu, x, name: name)
  }

  /// x·Φ(x).
  public mutating func gelu(_ x: ValueID, name: String? = nil) throws(GraphError) -> ValueID {
    try map(.gelu, x, name: name)
  }

  /// x·σ(x).
  public mutating func silu(_ x: ValueID, name: String? = nil) throws(GraphError) -> ValueID {
    try map(.silu, x, name: name)
  }

  /// 1/(1 + e⁻ˣ).
  public mutating func sigmoid(_ x: ValueID, name: String? = nil) throws(GraphError) -> ValueID {
    try map(.sigmoid, x, name: name)
  }

  public mutating func tanh(_ x: ValueID, name: String? = nil) throws(GraphError) -> ValueID {
    try map(.tanh, x, name: name)
  }

  /// a·σ(b), where a and b are the halves of x along an axis of even extent (gated linear units;
  /// Dauphin and others, arXiv 1612.08083).
  ///
  /// - Throws: `GraphError.misfit`, if the extent is odd.
  public mutating func glu(
    _ x: ValueID, axis: Int, name: String? = nil
  ) throws(GraphError) -> ValueID {
    try scope(name ?? freeName("glu")) { (builder) throws(GraphError) in
      let halves = try builder.split(x, axis: axis, parts: 2)
      let gate = try builder.sigmoid(halves[1])
      return try builder.multiply(halves[0], gate)
    }
  }
}
