import Convoy
import Foundation

/// The JSON of `convoy plan --json` for one process: the keys of `PlanReport`, and what it takes to run.
struct ProcessPlanReport: Encodable {
  /// What `contract` runs, which plans for time.
  struct Running: Encodable {
    let path: [[Int]]
    let macs: Count
    let estimatedSeconds: Double?
    let peakBytesPerRank: [Count]
    let hash: String
  }

  struct Estimates: Encodable {
    /// Of one thread, by the kernels' own estimates; none of a plan that no machine can run.
    let estimatedSeconds: Double?
    let running: Running
  }

  let plan: PlanReport<StepReport>
  let estimates: Estimates

  init(
    _ plan: Plan, _ needs: ProcessNeeds, running: Plan, _ runningNeeds: ProcessNeeds,
    includesPaperCost: Bool
  ) {
    self.plan = PlanReport(
      plan, needs: RankNeeds(peakBytes: needs.peakBytes, isExact: needs.isExact),
      steps: plan.steps.indices.map { StepReport($0, of: plan) }, hash: plan.hashText,
      includesPaperCost: includesPaperCost)
    estimates = Estimates(
      estimatedSeconds: needs.seconds,
      running: Running(
        path: running.path, macs: Count(running.macs), estimatedSeconds: runningNeeds.seconds,
        peakBytesPerRank: [Count(runningNeeds.peakBytes)], hash: running.hashText))
  }

  func encode(to encoder: any Encoder) throws {
    // Both write into one object.
    try plan.encode(to: encoder)
    try estimates.encode(to: encoder)
  }
}

/// The memory and the time that one process takes for a plan.
struct ProcessNeeds {
  let peakBytes: Double
  /// `false` for a plan that no machine can run: then the bytes are those of its tensors alone.
  let isExact: Bool
  /// Estimated; `nil` for a plan that no machine can run.
  let seconds: Double?

  /// - Parameter gradients: of these operands, in a run forward and back; `nil`: forward only.
  init<Element: TensorElement>(_ plan: Plan, _ type: Element.Type, gradients: [Bool]?) throws {
    guard plan.firstUnaddressableShape == nil && plan.firstStepOfTooManyTaps == nil else {
      (peakBytes, isExact) = (plan.peakElements * Double(MemoryLayout<Element>.stride), false)
      seconds = nil
      return
    }
    peakBytes = Double(try Contraction<Element>(plan).peakBytes(needed: gradients))
    isExact = true
    seconds = plan.estimatedSeconds(KernelCosts(), needsGradient: gradients)
  }

  var bytesText: String { (isExact ? "" : "at least ") + countText(peakBytes) }

  var timeText: String? { seconds.map(secondsText) }
}
