extension Operators {
  /// Zeroes elements at random and scales the others by 1/(1 − rate) (Srivastava and others, JMLR
  /// 2014).
  ///
  /// Inputs x and a key, int64 [2]: the seed of the run and the number of the training step. What
  /// is zeroed is a function of the key, the stream and the element's index in the whole tensor, so
  /// that it depends neither on ranks nor on recomputing, and the gradient is the same operator.
  /// With Philox 4x32-10 (Salmon and others, SC 2011) under the key (seed mod 2³², seed ≫ 32),
  /// element e has word e mod 4 of the block at the counter
  ///
  ///     (⌊e/4⌋ mod 2³², ⌊e/4⌋ ≫ 32, step mod 2³², 5·2²⁴ + stream)
  ///
  /// and is kept if the word is at least ⌊rate·2³²⌋. The 5 sets masks apart from all else that is
  /// drawn from the seed, whose streams have other leading bytes.
  ///
  /// ```swift
  /// let y = try builder.dropout(x, rate: 0.1, stream: 3, key: key)
  /// ```
  public struct Dropout: Operator {
    public static let kind = "dropout"

    /// In 0 ..< 1.
    public let rate: Double
    /// In 0 ..< 2²⁴; each dropout of a network has its own.
    public let stream: Int

    public init(rate: Double, stream: Int) {
      self.rate = rate
      self.stream = stream
    }

    public var settings: String { "\(decimal(rate)) stream \(stream)" }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 2)
      try checkSetting(.rate, rate, below: 1)
      try checkSetting(.stream, Double(stream), below: 0x1p24)
      try inputs.check(1, type: .int64, shape: [2])
      return [try inputs.floating(0)]
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      Factor.dimensions(outputs[0].shape, inputs: [{ $0 }, { _ in nil }], outputs: [{ $0 }])
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      guard let gradient = gradients[0] else { return [nil, nil] }
      return [try builder.single(self, [gradient, node.inputs[1]]), nil]
    }
  }
}

extension GraphBuilder {
  /// Dropout under the key [seed, step].
  public mutating func dropout(
    _ x: ValueID, rate: Double, stream: Int, key: ValueID, name: String? = nil
  ) throws(GraphError) -> ValueID {
    try single(Operators.Dropout(rate: rate, stream: stream), [x, key], name: name)
  }
}
