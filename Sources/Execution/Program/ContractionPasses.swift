import Graph
import Kernels
import Partitioning
import Planning
import Synchronization

/// The plans of a graph's contractions, and their passes made ready for a rank: planned once each, however
/// often a layer stands in a network, and shared by the programs for several batches.
///
/// ```swift
/// let passes = ContractionPasses(context: .process)
/// let training = try Program(graph, distribution, rank: 0, passes: passes)
/// let evaluation = try Program(other, distribution, rank: 0, passes: passes)
/// ```
public final class ContractionPasses: Sendable {
  /// An expression as a node has it.
  struct Subject: Hashable {
    let expression: String
    let rules: ConvRules
    /// Of the operands, for one rank alone or of all ranks together.
    let shapes: [[Int]]
    /// Which operands get gradients; `nil`: the expression is only gone through forward.
    let needed: [Bool]?
    let type: ElementType
    /// Where the ranks hold operands and result; `nil`: a rank, or a tile, is alone.
    let layouts: Layouts?
  }

  struct Layouts: Hashable {
    let operands: [Layout]
    let result: Layout
  }

  private struct Key: Hashable {
    let subject: Subject
    let pass: RunSchedule.Pass
    let rank: Int
  }

  public let context: Context
  let checkpointing: Checkpointing
  private let kernels: KernelCache
  private let plans = Mutex<[Subject: DistributedPlan]>([:])
  private let programs = Mutex<[Key: RankProgram]>([:])
  private let times = Mutex<[Subject: (forward: Double, reverse: Double)]>([:])

  /// - Parameter checkpointing: whether contractions keep their intermediates for the reverse pass.
  public init(context: Context = .process, checkpointing: Checkpointing = .keep) {
    self.context = context
    self.checkpointing = checkpointing
    kernels = KernelCache(context)
    BLAS.useOneThread()
  }

  /// The plan of a subject, chosen for the kernels' times.
  func plan(_ subject: Subject) throws -> DistributedPlan {
    try plans.withLock { plans in
      if let plan = plans[subject] { return plan }
      let plan = try newPlan(subject)
      plans[subject] = plan
      return plan
    }
  }

  private func newPlan(_ subject: Subject) throws -> DistributedPlan {
    let bound = try BoundExpression(
      subject.expression, shapes: subject.shapes, rules: subject.rules)
    guard let layouts = subject.layouts else {
      let plan = try Plan(
        bound, options: PlanOptions(needsGradient: subject.needed, runs: .often),
        costs: KernelCosts(context))
      try plan.requireRunnable()
      return DistributedPlan(alone: plan)
    }
    let mesh = layouts.result.mesh
    var options = DistributionOptions(
      ranks: mesh.ranks, mesh: mesh, elementBytes: subject.type.bytes,
      needsGradient: subject.needed, gradientsAsTerms: true)
    options.inputs = layouts.operands.map { .axes($0.cuts.map(\.axes)) }
    options.output = .axes(layouts.result.cuts.map(\.axes))
    let plan = try DistributedPlan(bound, options: options)
    try plan.plan.requireRunnable()
    return plan
  }

  /// A pass of a subject's plan, for a rank of the layouts' mesh; 0 where a rank is alone.
  func program(_ subject: Subject, _ pass: RunSchedule.Pass, rank: Int) throws -> RankProgram {
    let plan = try plan(subject)
    return try programs.withLock { programs in
      let key = Key(subject: subject, pass: pass, rank: rank)
      if let program = programs[key] { return program }
      let schedule = try RunSchedule(plan, pass: pass, overlap: true, kernels: kernels)
      let program = RankProgram(schedule, rank: rank, elementBytes: subject.type.bytes)
      programs[key] = program
      return program
    }
  }

  /// The pass forward, which keeps what the reverse pass needs if there is to be one.
  func forward(_ subject: Subject) -> RunSchedule.Pass {
    subject.needed == nil ? .forward : checkpointing.forward
  }

  /// The pass back; without a record it computes all from the operands.
  func reverse(_ subject: Subject, hasRecord: Bool) -> RunSchedule.Pass {
    .reverse(
      needed: subject.needed ?? [], asTerms: true,
      recomputing: !hasRecord || checkpointing == .recompute)
  }

  /// Rough seconds of a pass on one thread.
  func seconds(_ subject: Subject, isReverse: Bool) throws -> Double {
    let plan = try plan(subject)
    let times = times.withLock { times in
      if let known = times[subject] { return known }
      let new = newTimes(subject, plan)
      times[subject] = new
      return new
    }
    return isReverse ? times.reverse : times.forward
  }

  private func newTimes(
    _ subject: Subject, _ plan: DistributedPlan
  ) -> (forward: Double, reverse: Double) {
    // A plan for several ranks has one cost for both ways; back is about twice as far.
    guard subject.layouts == nil else { return (plan.search.cost / 3, plan.search.cost * 2 / 3) }
    let costs = KernelCosts(context)
    let forward = plan.plan.estimatedSeconds(costs)
    guard subject.needed != nil else { return (forward, 0) }
    return (forward, plan.plan.estimatedSeconds(costs, needsGradient: subject.needed) - forward)
  }
}
