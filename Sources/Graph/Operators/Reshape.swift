import Partitioning

extension Operators {
  /// The same elements in row-major order under other axes.
  ///
  /// ```swift
  /// // [8, 12] to [8, 3, 4]
  /// let y = try builder.reshape(
  ///   x, to: [batch, Axis("group", .channel, 3), Axis("channel", .channel, 4)])
  /// ```
  public struct Reshape: Operator {
    public static let kind = "reshape"

    public let axes: [Axis]

    public init(to axes: [Axis]) { self.axes = axes }

    public var settings: String { axes.map(\.text).joined(separator: ",") }

    public func outputs(_ inputs: [Value]) throws(GraphError.Misfit) -> [Value] {
      try inputs.check(count: 1)
      let result = inputs[0].with(axes: axes)
      try axes.checkExtents()
      guard result.count == inputs[0].count else {
        throw .elementCount(from: inputs[0].shape, to: result.shape)
      }
      return [result]
    }

    /// Dimensions fall into the shortest runs of equal numbers of elements; of each run the first
    /// dimension of one side may be cut with blocks of the first of the other: of 12 = 3·4 the
    /// blocks 0 ..< 4, 4 ..< 8 and 8 ..< 12 go with 0, 1 and 2.
    public func factors(inputs: [Value], outputs: [Value]) -> [Factor] {
      let (from, to) = (inputs[0].shape, outputs[0].shape)
      var factors: [Factor] = []
      var (input, output) = (0, 0)
      while input < from.count, output < to.count {
        // An extent of 1 matches nothing else: it must not lead a run.
        if from[input] == 1, to[output] != 1 {
          input += 1
          continue
        }
        if to[output] == 1, from[input] != 1 {
          output += 1
          continue
        }
        if let factor = Self.leadingFactor(from[input], input, to[output], output) {
          factors.append(factor)
        }
        guard inputs[0].count > 0 || from[input] == to[output] else { break }
        var (inputCount, outputCount) = (from[input], to[output])
        (input, output) = (input + 1, output + 1)
        while inputCount != outputCount {
          if inputCount < outputCount, input < from.count {
            inputCount *= from[input]
            input += 1
          } else if output < to.count {
            outputCount *= to[output]
            output += 1
          } else {
            return factors
          }
        }
      }
      return factors
    }

    /// The factor of the dimensions that lead a run, if blocks of one go with the indices of the
    /// other.
    private static func leadingFactor(_ from: Int, _ input: Int, _ to: Int, _ output: Int)
      -> Factor?
    {
      func blocks(_ extent: Int, of length: Int) -> Window {
        Window(resultExtent: extent, stride: length, low: 0, high: length - 1, circular: false)
      }
      if from == to {
        return Factor(extent: from, inputs: [.init(input)], outputs: [.init(output)])
      }
      guard from > 0, to > 0 else { return nil }
      if from.isMultiple(of: to) {
        let dimension = Factor.Dimension(input, window: blocks(to, of: from / to))
        return Factor(extent: to, inputs: [dimension], outputs: [.init(output)])
      }
      guard to.isMultiple(of: from) else { return nil }
      let dimension = Factor.Dimension(output, window: blocks(from, of: to / from))
      return Factor(extent: from, inputs: [.init(input)], outputs: [dimension])
    }

    public func adjoint(
      of node: Node, gradients: [ValueID?], needed: [Bool], in builder: inout GraphBuilder
    ) throws(GraphError) -> [ValueID?] {
      guard let gradient = gradients[0] else { return [nil] }
      return [try builder.reshape(gradient, to: builder[node.inputs[0]].axes)]
    }
  }
}

extension GraphBuilder {
  /// The same elements under other axes.
  public mutating func reshape(
    _ x: ValueID, to axes: [Axis], name: String? = nil
  ) throws(GraphError) -> ValueID {
    try single(Operators.Reshape(to: axes), [x], name: name)
  }

  /// Axes `first ... last` made one, with the first one's name and role.
  public mutating func flatten(
    _ x: ValueID, _ axes: ClosedRange<Int>, name: String? = nil
  ) throws(GraphError) -> ValueID {
    try check(x)
    let old = self[x].axes
    guard old.indices.contains(axes.lowerBound), old.indices.contains(axes.upperBound) else {
      let missing = old.indices.contains(axes.lowerBound) ? axes.upperBound : axes.lowerBound
      throw .misfit(
        .axisOutOfRange(missing, dimensions: old.count), node: name ?? "flatten",
        operator: Operators.Reshape.kind, inputs: [self[x]])
    }
    let merged = old[axes.lowerBound].with(extent: product(old[axes].map(\.extent)))
    let result = old[..<axes.lowerBound] + [merged] + old[(axes.upperBound + 1)...]
    return try reshape(x, to: Array(result), name: name ?? freeName("flatten"))
  }
}
