/// An order in which the operands of an expression are contracted, two at a time.
///
/// ```swift
/// let order = try findOrder(of: expression, optimizer: .optimal)  // of three matrices
/// order.pairs       // [(1, 2), (0, 3)]: operand 1 with 2 makes value 3, then operand 0 with it
/// order.linearPath  // [[1, 2], [0, 1]]
/// ```
public struct ContractionOrder: Hashable, Sendable {
  /// Two values that are contracted with one another, by number, the smaller first.
  public struct Pair: Hashable, Sendable {
    public let first: Int
    public let second: Int

    init(_ a: Int, _ b: Int) {
      first = min(a, b)
      second = max(a, b)
    }
  }

  /// Number n of operands, at least 1.
  public let operandCount: Int
  /// The n − 1 steps. Values are numbered: the operands 0 ..< n, then the results n, n + 1, ….
  public let pairs: [Pair]
  /// The one that found it, never `auto`.
  public let optimizer: Optimizer

  /// opt_einsum's linear form: at each step the sorted positions of the two values that are taken
  /// out of the list of values, the result being appended to it. One operand: `[[0]]`.
  public var linearPath: [[Int]] {
    guard operandCount > 1 else { return [[0]] }
    var list = Array(0..<operandCount)
    return pairs.indices.map { step in
      let pair = pairs[step]
      let positions = list.indices.filter { list[$0] == pair.first || list[$0] == pair.second }
      list.removeAll { $0 == pair.first || $0 == pair.second }
      list.append(operandCount + step)
      return positions
    }
  }
}

extension ContractionOrder {
  /// The order of a plan.
  ///
  /// ```swift
  /// let order = ContractionOrder(of: try Plan(bound, costs: kernels))
  /// ```
  public init(of plan: Plan) {
    let count = plan.expression.operands.count
    var list = Array(0..<count)
    var pairs: [Pair] = []
    for positions in plan.path where positions.count == 2 {
      pairs.append(Pair(list[positions[0]], list[positions[1]]))
      list =
        list.indices.filter { !positions.contains($0) }.map { list[$0] } + [count + pairs.count - 1]
    }
    self.init(
      operandCount: count, pairs: pairs, optimizer: Optimizer(rawValue: plan.optimizer) ?? .optimal)
  }
}

/// What an order of contraction costs (design, section 2, *Cost*). Counts are exact below 2⁵³ and
/// stop at the largest finite number.
///
/// ```swift
/// let cost = order.cost(of: expression)
/// cost.macs                       // multiply-adds of all steps
/// cost.steps.map(\.elements)      // elements of each step's result
/// ```
public struct OrderCost: Hashable, Sendable {
  public struct Step: Hashable, Sendable {
    /// Multiply-adds: the product of the extents of the step's distinct modes, a convolution mode
    /// of both operands counting n_out·K or K₁·K₂.
    public let macs: Double
    /// `macs` × (1 + one for each operand that needs a gradient).
    public let trainingMacs: Double
    /// As arXiv 2401.03384 counts: a convolution mode of both operands counts the product of both
    /// input extents.
    public let paperMacs: Double
    /// Elements of the result.
    public let elements: Double
  }

  /// By step; none for a single operand.
  public let steps: [Step]
  public let macs: Double
  public let trainingMacs: Double
  public let paperMacs: Double
  /// Elements of the largest result of a step, the output included.
  public let largestIntermediate: Double
}

extension ContractionOrder {
  /// What this order costs on `expression`, which must have `operandCount` operands.
  ///
  /// - Parameter needsGradient: Which operands need a gradient, for `trainingMacs`; `nil` means all
  ///   of them. A result needs one if any operand in it does.
  public func cost(of expression: BoundExpression, needsGradient: [Bool]? = nil) -> OrderCost {
    let mask = needsGradient ?? expression.operands.map { _ in true }
    let network = NetworkModes(expression, needsGradient: mask)
    let values = self.values(in: network)
    let steps = pairs.indices.map { step in
      let a = values[pairs[step].first]
      let b = values[pairs[step].second]
      return OrderCost.Step(
        macs: network.macs(a, b), trainingMacs: network.weightedMacs(a, b),
        paperMacs: network.paperMacs(a, b),
        elements: network.elements(values[operandCount + step]))
    }
    let output = expression.outputShape.reduce(1) { saturatingProduct($0, $1) }
    return OrderCost(
      steps: steps, macs: saturatingSum(steps.map(\.macs)),
      trainingMacs: saturatingSum(steps.map(\.trainingMacs)),
      paperMacs: saturatingSum(steps.map(\.paperMacs)),
      largestIntermediate: steps.reduce(output) { max($0, $1.elements) })
  }

  /// The geometry of every value: the operands, then the results of the steps.
  func values(in network: NetworkModes) -> [ValueGeometry] {
    precondition(network.leaves.count == operandCount, "order of another expression")
    var values = network.leaves
    for pair in pairs { values.append(network.join(values[pair.first], values[pair.second])) }
    return values
  }
}

private func saturatingSum(_ terms: [Double]) -> Double {
  min(terms.reduce(0, +), .greatestFiniteMagnitude)
}
