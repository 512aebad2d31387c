import Partitioning

/// A group of dimensions, at most one of each input and output of a node, that run over the same
/// indices and can therefore be cut together (the *factors* of Shardy's sharding rules for
/// StableHLO; what modes are for an expression).
///
/// Cut the indices 0 ..< `extent` into parts. The part a ..< b of the node's work
///
/// - reads of each input that has a dimension here the indices a ..< b of it or, under a window,
///   those which the window reads for a ..< b; and all of every other input;
/// - gives of each output that has a dimension here the indices a ..< b; under a window a term of
///   those which the window reads (terms of parts that overlap are added up, and what no part
///   reaches is 0);
/// - gives of every other output a term: the sum over all parts is the output.
///
/// Worked examples:
///
///     bs,ts->bt      inputs [8, 3], [16, 3], output [8, 16]
///       b: extent 8,  inputs 0, nil    output 0     the weights are read whole
///       s: extent 3,  inputs 1, 1      output nil   each part gives a term of a sum
///       t: extent 16, inputs nil, 0    output 1
///
///     max-pool 3 /2 with padding 1 of [8, 32] over axis 1, output [8, 16]
///       0: extent 8,  input 0          output 0
///       1: extent 16, input 1 with the window stride 2, from −1 to 1; output 1:
///          results 4 ..< 8 read 7 ..< 16
///
///     reshape [8, 12] to [8, 3, 4]
///       0: extent 8,  input 0          output 0
///       1: extent 3,  input 1 with the window stride 4, from 0 to 3; output 1
///       2: extent 4,                   output 2, which may not be cut
///
/// ```swift
/// for factor in graph.factors(of: node) where factor.mayBeCut && factor.outputs[0] == nil {
///   print("partial sums along", factor.inputs)
/// }
/// ```
public struct Factor: Hashable, Codable, Sendable {
  /// A dimension of an input or output.
  ///
  /// ```swift
  /// let rows = Factor.Dimension(0)
  /// rows.window  // nil: a part reads its own rows
  /// ```
  public struct Dimension: Hashable, Codable, Sendable, ExpressibleByIntegerLiteral {
    public let index: Int
    /// What of the dimension belongs to a part, if not the part's own indices.
    public let window: Window?

    public init(_ index: Int, window: Window? = nil) {
      self.index = index
      self.window = window
    }

    public init(integerLiteral index: Int) { self.init(index) }
  }

  public let extent: Int
  /// By input.
  public let inputs: [Dimension?]
  /// By output.
  public let outputs: [Dimension?]
  public let mayBeCut: Bool

  public init(extent: Int, inputs: [Dimension?], outputs: [Dimension?], mayBeCut: Bool = true) {
    self.extent = extent
    self.inputs = inputs
    self.outputs = outputs
    self.mayBeCut = mayBeCut
  }
}

extension Factor {
  /// Where a dimension of an operator's main value is in another of its inputs or outputs.
  typealias Place = (Int) -> Int?

  /// Inputs and outputs all of one shape, of which elements at equal indices belong together.
  public static func elementwise(_ shape: [Int], inputs: Int, outputs: Int) -> [Factor] {
    dimensions(
      shape, inputs: Array(repeating: { $0 }, count: inputs),
      outputs: Array(repeating: { $0 }, count: outputs))
  }

  /// One factor for each dimension of `shape` that is not `whole`.
  static func dimensions(
    _ shape: [Int], inputs: [Place], outputs: [Place], whole: [Int] = []
  ) -> [Factor] {
    shape.indices.filter { !whole.contains($0) }.map { dimension in
      Factor(
        extent: shape[dimension],
        inputs: inputs.map { place in place(dimension).map { Dimension($0) } },
        outputs: outputs.map { place in place(dimension).map { Dimension($0) } })
    }
  }

  /// Factors that may not be cut for all dimensions that are in none of `factors`.
  static func whole(besides factors: [Factor], inputs: [Value], outputs: [Value]) -> [Factor] {
    var result: [Factor] = []
    let none = [Dimension?](repeating: nil, count: inputs.count + outputs.count)
    for (number, value) in (inputs + outputs).enumerated() {
      let used = Set(factors.compactMap { ($0.inputs + $0.outputs)[number]?.index })
      for (dimension, axis) in value.axes.enumerated() where !used.contains(dimension) {
        var places = none
        places[number] = Dimension(dimension)
        result.append(
          Factor(
            extent: axis.extent, inputs: Array(places[..<inputs.count]),
            outputs: Array(places[inputs.count...]), mayBeCut: false))
      }
    }
    return result
  }
}
