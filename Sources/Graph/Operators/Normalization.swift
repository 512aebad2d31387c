extension Operators {
  /// Subtracts means and divides by standard deviations: batch, layer and group normalisation,
  /// which differ in the axes only.
  ///
  /// Inputs are x, its own moment sums [2, rest…] over `axes`, and, if there are `parameterAxes`, a
  /// scale γ and a bias β of the extents of x along those. With n the elements that each sum is
  /// over,
  ///
  ///     μ = Σx/n,   σ² = max(Σx²/n − μ², 0) + ε,   y = (x − μ)/σ · γ + β
  ///
  /// The sums must be those of x itself: the adjoint counts both ways in which x acts on y, and
  /// gives the sums no gradient.
  ///
  /// ```swift
  /// // batch normalisation of [batch, channel, height, width]
  /// let y = try builder.normalize(
  ///   x, over: [0, 2, 3], parameters: (scale, bias, [1]))
  /// ```
  public struct Normalization: Operator {
    public static let kind = "normalization"

    /// What is normalised over; ascending.
    public let axes: [Int]
    /// n, of the whole x: a part of x is normalised by the same operator.
    public let count: Int
    public let epsilon: Double
    /// Where scale and bias live; ascending. `nil` if there are none.
    public let parameterAxes: [Int]?

    public init(over axes: [Int], count: Int, epsilon: Double, parameterAxes: [Int]? = nil) {
      self.axes = axes
      self.count = count
      self.epsilon = epsilon
      self.parameterAxes = parameterAxes
    }

    public var settings: String {
      "over \(list(axes)) of \(count) ε \(decimal(epsilon))"
        + (parameterAxes.map { " scaled along \(list($0))" } ?? "")
    }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: parameterAxes == nil ? 2 : 4)
      let x = try checkNormalized(inputs)
      if let parameterAxes {
        try inputs.check(2...3, like: x, along: parameterAxes)
      }
      return [x]
    }

    /// x and its sums.
    func checkNormalized(_ inputs: [Value]) throws(GraphError.Misfit) -> Value {
      let x = try inputs.floating(0)
      try x.check(axes: axes)
      try checkSetting(.epsilon, epsilon, below: .infinity)
      let expected = product(x.extents(axes))
      guard count == expected else { throw .sumCount(expected: expected, given: count) }
      try inputs.check(1, type: .float64, shape: x.sums(over: axes).shape)
      return x
    }

    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      let x = inputs[0]
      let parameters = parameterAxes.map { axes in
        [Factor.Place](repeating: axes.firstIndex, count: 2)
      }
      return Factor.dimensions(
        x.shape, inputs: [{ $0 }, x.placeInSums(over: axes)] + (parameters ?? []),
        outputs: [{ $0 }])
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      var result: [ValueID?] = node.inputs.map { _ in nil }
      guard let gradient = gradients[0] else { return result }
      let (x, sums) = (node.inputs[0], node.inputs[1])
      let others = builder[x].others(than: axes)
      // γ is one number for each sum if it lives beside the normalised axes, and can then multiply
      // sums that serve for its own gradient too.
      let isWeighted = parameterAxes.map { !$0.allSatisfy(others.contains) } ?? false
      let operands = [x, sums, gradient]
      var parameterSums: ValueID?
      if needed[0] {
        let sumsOverAxes = NormalizationSums(self, over: axes, isWeighted: isWeighted)
        let gradientSums = try builder.single(
          sumsOverAxes, operands + (isWeighted ? [node.inputs[2]] : []))
        if parameterAxes == others { parameterSums = gradientSums }
        let adjoint = NormalizationAdjoint(self, sumsAreWeighted: isWeighted)
        let scale = parameterAxes == nil ? [] : [node.inputs[2]]
        result[0] = try builder.single(adjoint, operands + [gradientSums] + scale)
      }
      guard let parameterAxes, needed[2] || needed[3] else { return result }
      let across = builder[x].others(than: parameterAxes)
      let totals: ValueID
      if let parameterSums {
        totals = parameterSums
      } else {
        let sumsAcross = NormalizationSums(self, over: across, isWeighted: false)
        totals = try builder.single(sumsAcross, operands)
      }
      for (input, moment) in [(2, 1), (3, 0)] where needed[input] {
        result[input] = try builder.moment(moment, of: totals, like: node.inputs[input])
      }
      return result
    }
  }
}

extension GraphBuilder {
  /// One of two sums, as a value like another.
  fileprivate mutating func moment(
    _ moment: Int, of sums: ValueID, like other: ValueID
  ) throws(GraphError) -> ValueID {
    let row = try slice(sums, axis: 0, moment..<(moment + 1))
    let flat = try reshape(row, to: self[other].axes)
    return try convert(flat, to: self[other].type)
  }
}
