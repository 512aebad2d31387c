import Convoy

/// The JSON of `convoy plan --ranks P --json`: the keys of `PlanReport`, and how work and tensors are
/// distributed.
struct DistributedPlanReport: Encodable {
  struct Step: Encodable {
    let step: StepReport
    let distribution: StepDistribution

    func encode(to encoder: any Encoder) throws {
      // Both write into one object.
      try step.encode(to: encoder)
      try distribution.encode(to: encoder)
    }
  }

  struct StepDistribution: Encodable {
    /// Parts per mode.
    let grid: String
    /// In which the operands are needed, and in which the result rests.
    let operandLayouts: [String]
    let layout: String
    let macsOfBusiestRank: Count
    let bytesIn: Count
    let bytesOut: Count
    /// Predicted.
    let seconds: Double
    let lowerBoundBytes: Double
    let slices: Int
  }

  struct Slices: Encodable {
    let mode: String
    let count: Int
  }

  struct Distribution: Encodable {
    /// Axes of the ranks that work.
    let mesh: [Int]
    let objective: String
    /// What the search made least, in the unit of the objective: macs, bytes or seconds.
    let objectiveCost: Double
    /// Whether no order and no grid is better.
    let exact: Bool
    /// The sum of the steps' own bounds, in the same unit.
    let lowerBound: Double
    let summary: String?
    /// Of a plan that runs through a mode in sequence.
    let slices: Slices?
    /// Where the operands start, and the result ends.
    let inputLayouts: [String]
    let outputLayout: String
  }

  let plan: PlanReport<Step>
  let distribution: Distribution

  func encode(to encoder: any Encoder) throws {
    try plan.encode(to: encoder)
    try distribution.encode(to: encoder)
  }

  init(_ explanation: PlanExplanation, needs: RankNeeds, includesPaperCost: Bool) {
    let plan = explanation.plan
    let order = plan.plan
    self.plan = PlanReport(
      order, needs: needs,
      steps: explanation.steps.enumerated().map { index, step in
        Step(step: StepReport(index, of: order), distribution: StepDistribution(step))
      },
      hash: plan.hashText, includesPaperCost: includesPaperCost)
    distribution = Distribution(
      mesh: plan.mesh.axes, objective: plan.search.objective.rawValue,
      objectiveCost: plan.search.cost, exact: plan.search.isExact,
      lowerBound: plan.search.lowerBound, summary: explanation.summary,
      slices: plan.slicedMode.map {
        Slices(mode: order.expression.modes[$0].mode.description, count: plan.mesh.sliceCount)
      },
      inputLayouts: zip(plan.inputs, order.expression.operands).map {
        plan.layoutText($0, modes: $1)
      },
      outputLayout: plan.layoutText(plan.output, modes: order.expression.output))
  }
}

extension DistributedPlanReport.StepDistribution {
  fileprivate init(_ step: StepExplanation) {
    self.init(
      grid: step.grid, operandLayouts: step.operands, layout: step.result,
      macsOfBusiestRank: Count(step.macs), bytesIn: Count(step.bytesIn),
      bytesOut: Count(step.bytesOut), seconds: step.seconds,
      lowerBoundBytes: step.lowerBoundBytes, slices: step.slices)
  }
}

/// What each rank of a plan receives and holds, in bytes.
struct RankNeeds {
  let receivedBytes: [Int]
  let peakBytes: [Double]
  /// Whether the peaks count everything that a run allocates.
  let isExact: Bool

  /// Of one rank alone.
  init(peakBytes: Double, isExact: Bool) {
    receivedBytes = [0]
    self.peakBytes = [peakBytes]
    self.isExact = isExact
  }

  /// - Parameter gradients: of these operands, in a run forward and back; `nil`: forward only.
  /// - Throws: `ExecutionError.slicedResult`.
  init(
    _ explanation: PlanExplanation, overlap: Bool, elementBytes: Int, gradients: [Bool]?
  ) throws {
    let plan = explanation.plan
    guard plan.plan.firstUnaddressableShape == nil && plan.plan.firstStepOfTooManyTaps == nil else {
      receivedBytes = explanation.receivedBytes
      let largest = explanation.steps.reduce(0) { max($0, $1.tensorBytes) }
      peakBytes = receivedBytes.indices.map { $0 < plan.mesh.ranks ? largest : 0 }
      isExact = false
      return
    }
    let schedules = try RunSchedule.passes(plan, gradients: gradients, overlap: overlap)
    receivedBytes = (0..<plan.ranks).map { rank in
      schedules.reduce(0) { $0 + $1.receivedBytes(rank: rank, elementBytes: elementBytes) }
    }
    peakBytes = (0..<plan.ranks).map { rank in
      schedules.reduce(0) {
        max($0, Double($1.peakBytes(rank: rank, elementBytes: elementBytes)))
      }
    }
    isExact = true
  }
}
