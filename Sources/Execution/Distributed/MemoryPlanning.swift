import Kernels
import Partitioning
import Planning

/// A distributed plan that keeps within a limit of memory, and how it is to be run.
///
/// ```swift
/// let fitted = try FittedPlan<Float>(bound, options: options, memory: 2 << 30)
/// let contraction = try DistributedContraction<Float>(
///   fitted.plan, communicator: communicator, overlap: fitted.overlap)
/// ```
public struct FittedPlan<Element: TensorElement>: Sendable {
  public let plan: DistributedPlan
  /// Whether there is room to start communication early.
  public let overlap: Bool
  /// The most bytes that any rank holds at once.
  public let peakBytes: Int

  /// Plans with the least cost for which no rank's peak exceeds `memory`.
  ///
  /// In this order, the first that fits: the best plan as it is; without early communication; the
  /// best plan whose steps hold less at once; and the same with some mode run through in 2, 4, 8, …
  /// slices, the cheapest of the modes that do for the least number of slices.
  ///
  /// - Parameter memory: bytes per rank; `nil`: no limit.
  /// - Throws: `ExecutionError.notEnoughMemoryPerRank` where nothing fits.
  public init(
    _ expression: BoundExpression, options: DistributionOptions, memory: Int?
  ) throws {
    var attempts = Attempts(expression: expression, options: options, memory: memory)
    let best = try DistributedPlan(expression, options: options)
    guard let memory else {
      self = try Self(best, overlap: true)
      return
    }
    if let fitted = try attempts.fitted(best) ?? attempts.unsliced() ?? attempts.sliced() {
      self = fitted
      return
    }
    let least = try attempts.least ?? Self(best, overlap: false)
    throw ExecutionError.notEnoughMemoryPerRank(
      expression: expression.text, needed: least.peakBytes, memory: memory,
      ranks: options.ranks, tensor: least.largestTensor,
      sufficientRanks: attempts.sufficientRanks())
  }

  private init(_ plan: DistributedPlan, overlap: Bool) throws(ExecutionError) {
    try Contraction<Element>.requireRunnable(plan.plan)
    self.plan = plan
    self.overlap = overlap
    let schedule = try RunSchedule(plan, overlap: overlap)
    peakBytes = (0..<plan.mesh.ranks).reduce(0) {
      max($0, schedule.peakBytes(rank: $1, elementBytes: MemoryLayout<Element>.stride))
    }
  }

  /// The tensor of which a rank holds most: what it is, and the shape of its box.
  private var largestTensor: String {
    let expression = plan.plan.expression
    var most = (count: -1, name: "")
    func consider(_ name: String, _ layout: Layout) {
      for rank in [0, plan.mesh.ranks - 1] {
        let box = layout.box(of: rank)
        if box.count > most.count {
          most = (box.count, "\(name), of which a rank holds \(box.shape)")
        }
      }
    }
    func operand(_ number: Int) -> String {
      "operand \(number) of shape \(expression.shapes[number])"
    }
    // What rests is there all the time, and where a step runs in slices it is the larger part.
    for (number, layout) in plan.inputs.enumerated() { consider(operand(number), layout) }
    for (index, (step, distribution)) in zip(plan.plan.steps, plan.steps).enumerated() {
      for (position, value) in step.operands.enumerated() {
        let name =
          value < expression.operands.count
          ? operand(value)
          : "the result of step \(value - expression.operands.count)"
        consider(name, distribution.operands[position])
      }
      let isLast = index == plan.steps.count - 1
      let name =
        "the result" + (isLast ? "" : " of step \(index)") + " of shape \(step.resultShape)"
      consider(name, distribution.computed)
      consider(name, isLast ? plan.output : distribution.result)
    }
    return most.name
  }

  /// The plans that are tried.
  private struct Attempts {
    let expression: BoundExpression
    let options: DistributionOptions
    let memory: Int?
    /// Searches that may still be made. Counted, not timed, so that all ranks stop at the same one.
    var budget = Self.searches
    /// The one with the smallest peak so far.
    var least: FittedPlan?

    static var searches: Int { 160 }

    /// What every rank holds of the operands in any case, in elements.
    private var operandShare: Double {
      expression.shapes.reduce(0) { $0 + $1.reduce(1) { $0 * Double($1) } }
        / Double(options.ranks)
    }

    /// What a search counts: many operands on many ranks take longer to plan for.
    private var weight: Int {
      1 + options.ranks / 16 * max(0, expression.operands.count - 2) + options.ranks / 128
    }

    private var limit: Double {
      Double(memory ?? .max) / Double(MemoryLayout<Element>.stride)
    }

    /// A plan as it is, if it fits with or without early communication.
    mutating func fitted(_ plan: DistributedPlan) throws(ExecutionError) -> FittedPlan? {
      for overlap in [true, false] {
        let attempt = try FittedPlan(plan, overlap: overlap)
        if attempt.peakBytes < least?.peakBytes ?? .max { least = attempt }
        if let memory, attempt.peakBytes <= memory { return attempt }
      }
      return nil
    }

    /// Plans whose steps hold less and less at once.
    mutating func unsliced() throws(ExecutionError) -> FittedPlan? { try limited(options) }

    private mutating func limited(
      _ options: DistributionOptions
    ) throws(ExecutionError) -> FittedPlan? {
      var options = options
      // A step's own tensors must fit in any case; whatever else lives then, or is packed for
      // sending, is not known before, so the bound is tightened until it works or nothing is left.
      for share in options.slices == nil ? [1.0, 0.75, 0.55, 0.4] : [1.0, 0.6] {
        options.stepElementLimit = limit * share
        budget -= weight
        guard budget >= 0, let plan = try? DistributedPlan(expression, options: options) else {
          return nil
        }
        if let fitted = try fitted(plan) { return fitted }
      }
      return nil
    }

    mutating func sliced() throws(ExecutionError) -> FittedPlan? {
      // No slicing helps where the operands alone are too much.
      guard operandShare <= limit else { return nil }
      var count = 2
      let modes = expression.modes.indices.filter { mode in
        expression.modes[mode].convolution == nil && expression.modes[mode].extent > 1
          && expression.operands.allSatisfy { $0.filter { $0 == mode }.count <= 1 }
      }
      let longest = modes.map { expression.modes[$0].extent }.max() ?? 0
      while count <= longest && budget > 0 {
        var best: FittedPlan?
        for mode in modes where expression.modes[mode].extent >= count {
          var options = options
          options.slices = .init(mode: mode, count: count)
          // A mode that no slice can do without is left alone.
          guard let fitted = (try? limited(options)) ?? nil else { continue }
          if best.map({ fitted.plan.search.cost < $0.plan.search.cost }) ?? true { best = fitted }
        }
        if let best { return best }
        count *= 2
      }
      return nil
    }

    /// The smallest number of ranks for which something fits, sought up to 65,536, or as far as the
    /// budget goes.
    func sufficientRanks() -> Int? {
      guard let memory else { return nil }
      var budget = Self.searches
      func fits(_ ranks: Int) -> Bool {
        guard budget > 0 else { return false }
        var options = options
        options.ranks = ranks
        var attempts = Attempts(
          expression: expression, options: options, memory: memory, budget: budget - 1)
        guard let plan = try? DistributedPlan(expression, options: options) else { return false }
        let fitted = try? attempts.fitted(plan) ?? attempts.unsliced() ?? attempts.sliced()
        budget = attempts.budget
        return fitted != nil
      }
      let output = expression.outputShape.reduce(1) { $0 * Double($1) }
      // Operands and result share the memory in any case.
      let floor = (operandShare * Double(options.ranks) + output) / limit
      var ranks = max(options.ranks + 1, floor < 65_536 ? Int(floor.rounded(.up)) : 65_537)
      var tooFew = ranks - 1
      // In steps that grow, and then one by one through the last of them.
      while ranks <= 65_536 && budget > 0 {
        if fits(ranks) { return (tooFew + 1..<ranks).first(where: fits) ?? ranks }
        tooFew = ranks
        ranks += max(1, ranks / 8)
      }
      return nil
    }
  }
}
