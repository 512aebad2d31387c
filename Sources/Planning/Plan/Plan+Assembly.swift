/// What a plan is made for.
///
/// ```swift
/// let options = PlanOptions(optimizer: .optimal, needsGradient: [false, true, true])
/// let plan = try Plan(bound, options: options)
/// ```
public struct PlanOptions: Hashable, Sendable {
  public var optimizer: Optimizer
  /// Which operands need a gradient: the order is then chosen for forward and reverse pass together.
  /// `nil`: forward only.
  public var needsGradient: [Bool]?
  /// For the randomised searches.
  public var seed: UInt64
  /// How often the plan will be run.
  public var runs: Runs

  public enum Runs: Hashable, Sendable {
    /// A search for the fastest order is worth no more than the run.
    case once
    /// The fastest order is worth any search.
    case often
  }

  public init(
    optimizer: Optimizer = .auto, needsGradient: [Bool]? = nil, seed: UInt64 = 0,
    runs: Runs = .once
  ) {
    self.optimizer = optimizer
    self.needsGradient = needsGradient
    self.seed = seed
    self.runs = runs
  }
}

extension Plan {
  /// Chooses the order of contraction and lays out every step: the order of fewest multiply-adds; with
  /// a cost model the one that runs fastest by it, where the optimizer is left free, and a search for it
  /// is worth its time.
  ///
  /// ```swift
  /// let plan = try Plan(bound, options: PlanOptions(runs: .often), costs: KernelCosts())
  /// ```
  ///
  /// - Throws: `OrderError`, e.g. where `optimal` is asked of more operands than it can search.
  public init(
    _ expression: BoundExpression, options: PlanOptions = PlanOptions(),
    costs: (any StepCostModel)? = nil
  ) throws(OrderError) {
    let order = try findOrder(
      of: expression, optimizer: options.optimizer, needsGradient: options.needsGradient,
      seed: options.seed)
    let plan = Plan(expression, order: order, needsGradient: options.needsGradient)
    self = if let costs { try plan.fastest(options, costs) } else { plan }
  }

  /// Lays out the steps of a given order.
  public init(
    _ expression: BoundExpression, order: ContractionOrder, needsGradient: [Bool]? = nil
  ) {
    self.init(
      expression, order: order, needsGradient: needsGradient,
      optimizer: order.optimizer.rawValue)
  }

  /// - Parameters:
  ///   - optimizer: the name of what found the order.
  ///   - arrangements: of the result of every pair; those not given are `.appended`.
  init(
    _ expression: BoundExpression, order: ContractionOrder, needsGradient: [Bool]?,
    optimizer: String, arrangements: [PlanAssembly.Arrangement] = []
  ) {
    let cost = order.cost(of: expression, needsGradient: needsGradient)
    let naive = ContractionTree.leftToRight(leafCount: expression.operands.count)
      .order(foundBy: .leftToRight)
    let naiveCost = naive.cost(of: expression, needsGradient: needsGradient)
    var assembly = PlanAssembly(expression)
    // `numbers[v]` is the plan's number of value v of the order, which knows no preparations.
    var numbers = expression.operands.indices.map { assembly.prepare(operand: $0) }
    for (index, (pair, stepCost)) in zip(order.pairs, cost.steps).enumerated() {
      numbers.append(
        assembly.contract(
          numbers[pair.first], numbers[pair.second], macs: stepCost.macs,
          arrangement: index < arrangements.count ? arrangements[index] : .appended,
          isLast: numbers.count == 2 * expression.operands.count - 2))
    }
    assembly.finish()
    self.init(
      expression: expression, optimizer: optimizer, path: order.linearPath,
      steps: assembly.steps, macs: cost.macs, trainingMacs: cost.trainingMacs,
      leftToRightMacs: naiveCost.macs, paperMacs: cost.paperMacs,
      largestIntermediate: cost.largestIntermediate)
  }
}

/// Turns pairs of values into steps: which modes survive, in which order they are stored, and how
/// the indices of convolution modes are related.
struct PlanAssembly {
  /// One tensor on the way from the operands to the result.
  struct Value: Sendable {
    let modes: [Int?]
    let shape: [Int]
    /// Of every mode, how many of the expression's operands that carry it are in this value.
    let carriers: [Int: Int]
    /// The convolution modes whose feature is in this value.
    let features: Set<Int>

    func extent(_ mode: Int) -> Int { modes.firstIndex(of: mode).map { shape[$0] } ?? 1 }
  }

  /// Where a result's modes stand that its larger operand does not have.
  enum Arrangement: Sendable, CaseIterable {
    /// After the others: contiguous, *channels last*.
    case appended
    /// Where the first mode stood that is summed: spatial modes that were contiguous stay so.
    case replacing
  }

  let expression: BoundExpression
  let outputModes: Set<Int>
  /// Of every mode, how many operands carry it.
  let carriers: [Int]
  /// Stores every result's modes in ascending order, whatever the order of contraction: then equal
  /// sets of operands give equal values. For searches; plans store them as `contract` says.
  let isCanonical: Bool
  var values: [Value]
  var steps: [Step] = []

  init(_ expression: BoundExpression, isCanonical: Bool = false) {
    self.expression = expression
    self.isCanonical = isCanonical
    outputModes = Set(expression.output)
    var carriers = [Int](repeating: 0, count: expression.modes.count)
    for operand in expression.operands {
      for mode in Set(operand.compactMap { $0 }) { carriers[mode] += 1 }
    }
    self.carriers = carriers
    values = expression.operands.enumerated().map { operand, modes in
      let distinct = Set(modes.compactMap { $0 })
      return Value(
        modes: modes, shape: expression.shapes[operand],
        carriers: Dictionary(uniqueKeysWithValues: distinct.map { ($0, 1) }),
        features: distinct.filter {
          expression.modes[$0].convolution?.feature == operand
        })
    }
  }

  /// Whether a mode of which `count` carriers have been joined is still needed.
  private func survives(_ mode: Int, count: Int) -> Bool {
    outputModes.contains(mode) || count < carriers[mode]
  }

  /// Sums modes that nothing else has and applies the padding and stride of convolution modes
  /// without filters, where an operand has any; returns the number of the value to go on with.
  ///
  /// A diagonal and a broadcast dimension need no preparation: the kernel reads them in place.
  mutating func prepare(operand: Int) -> Int {
    let value = values[operand]
    let distinct = value.modes.compactMap { $0 }
    let hasPrivate = distinct.contains { !survives($0, count: 1) }
    let convolutions = convolutionsWithoutFilters(of: operand)
    guard hasPrivate || !convolutions.isEmpty else { return operand }
    return append(
      operands: [operand], resultModes: distinct.uniqued().filter { survives($0, count: 1) },
      convolutions: convolutions, macs: 0)
  }

  private func convolutionsWithoutFilters(of operand: Int) -> [StepConvolution] {
    values[operand].features.sorted().compactMap { mode in
      guard let geometry = expression.modes[mode].convolution, geometry.filters.isEmpty else {
        return nil
      }
      let isIdentity =
        geometry.stride == 1 && geometry.low == 0 && geometry.high == 0
      return isIdentity
        ? nil
        : StepConvolution(
          mode: mode, feature: 0, stride: geometry.stride, tap: 0, offset: -geometry.low,
          circular: geometry.boundary == .circular, resultExtent: geometry.outputExtent)
    }
  }

  /// Adds the step that joins two values; returns the number of its result.
  ///
  /// The result's modes stand as in the larger operand, for a large tensor then streams through the step
  /// in its own order; the smaller's own stand as arranged.
  mutating func contract(
    _ a: Int, _ b: Int, macs: Double, arrangement: Arrangement = .appended, isLast: Bool
  ) -> Int {
    let (first, second) = (values[a], values[b])
    let joined = first.carriers.merging(second.carriers, uniquingKeysWith: +)
    let size = { (value: Value) in value.shape.reduce(1.0) { $0 * Double($1) } }
    let byOrder = size(first) >= size(second) ? [first, second] : [second, first]
    let larger = byOrder[0].modes.compactMap { $0 }.uniqued()
    let own = byOrder[1].modes.compactMap { $0 }.uniqued().filter { !larger.contains($0) }
    let summed =
      arrangement == .replacing
      ? larger.firstIndex { !survives($0, count: joined[$0] ?? 0) } : nil
    let place = summed ?? larger.count
    let surviving = (larger[..<place] + own + larger[place...]).filter {
      survives($0, count: joined[$0] ?? 0)
    }
    return append(
      operands: [a, b],
      resultModes: isLast ? expression.output : isCanonical ? surviving.sorted() : surviving,
      convolutions: convolutions(a, b), macs: macs)
  }

  private func convolutions(_ a: Int, _ b: Int) -> [StepConvolution] {
    let shared = values[a].carriers.keys.filter { values[b].carriers[$0] != nil }.sorted()
    return shared.compactMap { mode in
      guard let geometry = expression.modes[mode].convolution else { return nil }
      guard values[a].features.contains(mode) || values[b].features.contains(mode) else {
        return StepConvolution(
          mode: mode, feature: nil, stride: 1, tap: 1, offset: 0, circular: false,
          resultExtent: values[a].extent(mode) + values[b].extent(mode) - 1)
      }
      let position = values[a].features.contains(mode) ? 0 : 1
      let (feature, filter) = position == 0 ? (values[a], values[b]) : (values[b], values[a])
      let isRaw = feature.carriers[mode] == 1
      let isLast =
        (feature.carriers[mode] ?? 0) + (filter.carriers[mode] ?? 0) == carriers[mode]
      let reach = geometry.dilation * (filter.extent(mode) - 1)
      let isConvolution = geometry.kind == .convolution
      // Padding comes with the first filter: from then on the feature is virtually padded.
      let padded = feature.extent(mode) + (isRaw ? geometry.low + geometry.high : 0)
      return StepConvolution(
        mode: mode, feature: position, stride: isLast ? geometry.stride : 1,
        tap: isConvolution ? -geometry.dilation : geometry.dilation,
        offset: (isConvolution ? reach : 0) - (isRaw ? geometry.low : 0),
        circular: isRaw && geometry.boundary == .circular,
        resultExtent: isLast ? geometry.outputExtent : padded - reach)
    }
  }

  private mutating func append(
    operands: [Int], resultModes: [Int], convolutions: [StepConvolution], macs: Double
  ) -> Int {
    let inputs = operands.map { values[$0] }
    let shape = resultModes.map { mode in
      convolutions.first { $0.mode == mode }?.resultExtent
        ?? inputs.lazy.filter { $0.carriers[mode] != nil }.map { $0.extent(mode) }.first ?? 1
    }
    steps.append(
      Step(
        operands: operands, operandModes: inputs.map(\.modes), operandShapes: inputs.map(\.shape),
        resultModes: resultModes, resultShape: shape, convolutions: convolutions, macs: macs))
    values.append(
      Value(
        modes: resultModes, shape: shape,
        carriers: inputs.dropFirst().reduce(inputs[0].carriers) {
          $0.merging($1.carriers, uniquingKeysWith: +)
        },
        features: inputs.reduce(into: []) { $0.formUnion($1.features) }))
    return values.count - 1
  }

  /// Makes sure that the last step yields the output's modes in the output's order: a single operand
  /// may have needed no preparation, or one that left another order.
  mutating func finish() {
    guard expression.operands.count == 1 else { return }
    let convolutions = convolutionsWithoutFilters(of: 0)
    steps.removeAll()
    values.removeSubrange(1...)
    _ = append(
      operands: [0], resultModes: expression.output, convolutions: convolutions, macs: 0)
  }
}

extension Array where Element: Hashable {
  /// Each element once, in order of first appearance.
  fileprivate func uniqued() -> [Element] {
    var seen = Set<Element>()
    return filter { seen.insert($0).inserted }
  }
}
