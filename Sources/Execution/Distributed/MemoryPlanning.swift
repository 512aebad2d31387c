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
  /// The most bytes that any rank holds at once, in the passes that the options ask for: forward, or
  /// with gradients forward and back.
  public let peakBytes: Int

  /// Plans with the least cost for which no rank's peak exceeds `memory`.
  ///
  /// In this order, the first that fits: the best plan as it is, by the kernels' estimates; without early communication; the
  /// best plan whose steps hold less at once; the same with some mode run through in 2, 4, 8, …
  /// slices, the cheapest of the modes that do for the least number of slices; and the plan of the
  /// least peak that is found, whatever it costs. So what a refusal says is needed is enough.
  ///
  /// What operands and result alone make impossible, by where they are to be, is refused without a search for
  /// a plan that fits. Searches of long ones are made where a quick one has found that something fits, or as far as
  /// a refusal may take: its effort is counted, so that all ranks refuse alike.
  ///
  /// - Parameters:
  ///   - memory: bytes per rank; `nil`: no limit.
  ///   - context: the kernels that run it, and whose workspace counts.
  /// - Throws: `ExecutionError.notEnoughMemoryPerRank` where nothing fits.
  public init(
    _ expression: BoundExpression, options: DistributionOptions, memory: Int?,
    context: Context = .process
  ) throws {
    guard let memory else {
      let best = try DistributedPlan(
        expression, options: options, costs: KernelCosts(context))
      var candidate = try Candidate(
        best, overlap: true, gradients: options.needsGradient, context, SearchEffort())
      candidate.settle(SearchEffort())
      self = candidate.fitted
      return
    }
    let attempts = Attempts(expression, options: options, memory: memory, context: context)
    if let fitted = try attempts.fitted() {
      self = fitted
      return
    }
    let least = try attempts.leastPeak()
    if least.peakBytes <= memory {
      self = least
      return
    }
    throw ExecutionError.notEnoughMemoryPerRank(
      expression: expression.text, needed: least.peakBytes, memory: memory,
      ranks: options.ranks, tensor: least.largestTensor,
      sufficientRanks: attempts.sufficientRanks())
  }

  init(plan: DistributedPlan, overlap: Bool, peakBytes: Int) {
    self.plan = plan
    self.overlap = overlap
    self.peakBytes = peakBytes
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
}
