extension Operators {
  /// The sum over samples of the cross-entropy with given classes, in Double.
  ///
  /// Inputs are logits [samples…, classes] and labels, int32 [samples…] of classes; the output is a
  /// float64 scalar. With p = softmax(logits), K classes and label smoothing s (PyTorch's
  /// definition, before the mean over samples),
  ///
  ///     Σ over samples of −(1 − s)·log p[label] − s/K·Σ_c log p[c]
  ///
  /// It is a sum of one term per sample: the mean is this scaled by 1/samples.
  ///
  /// ```swift
  /// let loss = try builder.crossEntropy(logits, labels, labelSmoothing: 0.1)
  /// ```
  public struct CrossEntropy: Operator {
    public static let kind = "cross-entropy"

    /// s, in 0 ..< 1.
    public let labelSmoothing: Double

    public init(labelSmoothing: Double = 0) { self.labelSmoothing = labelSmoothing }

    public var settings: String { labelSmoothing == 0 ? "" : "smoothed \(decimal(labelSmoothing))" }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 2)
      try checkLabels(inputs)
      return [Value(name: "loss", type: .float64, axes: [])]
    }

    @discardableResult
    fileprivate func checkLabels(_ inputs: [Value]) throws(GraphError.Misfit) -> Value {
      try checkSetting(.labelSmoothing, labelSmoothing, below: 1)
      return try inputs.checkLabels()
    }

    /// The output is a partial sum along all samples.
    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.dimensions(
        inputs[1].shape, inputs: [{ $0 }, { $0 }], outputs: [{ _ in nil }])
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      guard let gradient = gradients[0] else { return [nil, nil] }
      let adjoint = CrossEntropyAdjoint(labelSmoothing: labelSmoothing)
      return [try builder.single(adjoint, node.inputs + [gradient]), nil]
    }
  }

  /// The gradient of a cross-entropy's logits: g·(p − (1 − s)·e[label] − s/K).
  ///
  /// Inputs are the logits, the labels and the gradient g of the sum, a float64 scalar.
  ///
  /// ```swift
  /// let gx = try builder.single(Operators.CrossEntropyAdjoint(), [logits, labels, g])
  /// ```
  public struct CrossEntropyAdjoint: Operator {
    public static let kind = "cross-entropy-adjoint"

    public let labelSmoothing: Double

    public init(labelSmoothing: Double = 0) { self.labelSmoothing = labelSmoothing }

    public var settings: String { CrossEntropy(labelSmoothing: labelSmoothing).settings }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 3)
      let logits = try CrossEntropy(labelSmoothing: labelSmoothing).checkLabels(inputs)
      try inputs.check(2, type: .float64, shape: [])
      return [logits]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.dimensions(
        inputs[1].shape, inputs: [{ $0 }, { $0 }, { _ in nil }], outputs: [{ $0 }])
    }
  }

  /// How many samples have their label among the `top` largest logits; of equal logits the lower
  /// class counts as larger.
  ///
  /// Inputs are logits [samples…, classes] and labels, int32 [samples…]; the output is a float64
  /// scalar. It has no adjoint.
  ///
  /// ```swift
  /// let correct = try builder.single(Operators.CorrectCount(top: 5), [logits, labels])
  /// ```
  public struct CorrectCount: Operator {
    public static let kind = "correct-count"

    /// At least 1.
    public let top: Int

    public init(top: Int = 1) { self.top = top }

    public var settings: String { "top \(top)" }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 2)
      try checkSetting(.top, Double(top), from: 1)
      try inputs.checkLabels()
      return [Value(name: "count", type: .float64, axes: [])]
    }

    /// The output is a partial sum along all samples.
    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.dimensions(
        inputs[1].shape, inputs: [{ $0 }, { $0 }], outputs: [{ _ in nil }])
    }
  }
}

extension [Value] {
  /// Logits of at least one class, and a label for each sample.
  @discardableResult
  fileprivate func checkLabels() throws(GraphError.Misfit) -> Value {
    let logits = try floating(0)
    guard let classes = logits.axes.last else { throw .dimensions(input: 0, expected: 1) }
    try checkSetting(.classes, Double(classes.extent), from: 1)
    try check(1, type: .int32, shape: logits.shape.dropLast())
    return logits
  }
}

extension GraphBuilder {
  /// The sum of the samples' cross-entropies.
  public mutating func crossEntropy(
    _ logits: ValueID, _ labels: ValueID, labelSmoothing: Double = 0, name: String? = nil
  ) throws(GraphError) -> ValueID {
    try single(
      Operators.CrossEntropy(labelSmoothing: labelSmoothing), [logits, labels], name: name)
  }
}
