import Partitioning

/// A distributed plan explained: what every step does and costs, and what every rank receives, as
/// numbers, as a table (`description`) and as a drawing.
///
/// All ranks are looked at, so bytes are exact, whatever the number of ranks.
///
/// ```swift
/// let explanation = PlanExplanation(plan, machine: .standard, elementBytes: 4)
/// print(explanation)
/// explanation.steps[0].bytesIn
/// explanation.receivedBytes.max()
/// ```
public struct PlanExplanation: Hashable, Sendable {
  public let plan: DistributedPlan
  /// In the order of the plan's steps.
  public let steps: [StepExplanation]
  /// Bytes that each rank of the job receives from others in a forward run.
  public let receivedBytes: [Int]
  /// Numbers of the values of which something travels; ascending.
  let travelling: [Int]

  /// - Parameters:
  ///   - machine: turns work and traffic into seconds.
  ///   - elementBytes: bytes of one element, 4 or 8.
  public init(_ plan: DistributedPlan, machine: MachineModel, elementBytes: Int) {
    self.plan = plan
    let movements = plan.movements.map { ReceivedElements($0, mesh: plan.mesh) }
    var received = [Int](repeating: 0, count: plan.ranks)
    var travelling = Set<Int>()
    for movement in movements where movement.most > 0 {
      for (rank, elements) in movement.byRank.enumerated() {
        received[rank] += elements * elementBytes
      }
      let step = movement.movement.step
      switch movement.movement.purpose {
      case .operand(let position): travelling.insert(plan.plan.steps[step].operands[position])
      case .result, .output: travelling.insert(plan.inputs.count + step)
      }
    }
    receivedBytes = received
    self.travelling = travelling.sorted()
    let pool = LayoutPool(mesh: plan.mesh, ranksPerNode: machine.ranksPerNode)
    steps = plan.plan.steps.indices.map { step in
      StepExplanation(
        step, of: plan, movements: movements.filter { $0.movement.step == step }, pool: pool,
        machine: machine, elementBytes: elementBytes)
    }
  }
}

/// What every rank receives in one redistribution, over all slices.
struct ReceivedElements {
  let movement: DistributedPlan.Movement
  let byRank: [Int]
  /// Of the rank that receives most, slice by slice.
  let most: Int

  init(_ movement: DistributedPlan.Movement, mesh: Mesh) {
    self.movement = movement
    var byRank = [Int](repeating: 0, count: mesh.ranks)
    var most = 0
    for slice in 0..<movement.slices {
      var largest = 0
      for rank in byRank.indices {
        let elements = movement.redistribution.received(by: rank, slice: slice)
        byRank[rank] += elements
        largest = max(largest, elements)
      }
      most += largest
    }
    self.byRank = byRank
    self.most = most
  }
}

extension DistributedPlan {
  /// A plan as one rank carries it out alone.
  ///
  /// ```swift
  /// PlanExplanation(DistributedPlan(alone: plan), machine: .standard, elementBytes: 4).drawing
  /// ```
  public init(alone plan: Plan) {
    let mesh = Mesh(axes: [])
    let grid = StepGrid(mesh: mesh, cuts: [])
    self.init(
      plan: plan, mesh: mesh,
      inputs: plan.expression.shapes.map { .replicated($0, mesh: mesh) },
      steps: plan.steps.map { step in
        let modes = StepModes(step)
        let result = modes.result(on: grid)
        return StepDistribution(
          grid: grid, operands: step.operands.indices.map { modes.operand($0, on: grid) },
          computed: result, result: result)
      },
      output: .replicated(plan.expression.outputShape, mesh: mesh),
      search: SearchSummary(
        objective: .macs, isExact: plan.optimizer == Optimizer.optimal.rawValue, cost: plan.macs,
        lowerBound: plan.macs))
  }
}

extension DistributedPlan: CustomStringConvertible {
  /// The plan explained for the standard machine, in single precision.
  public var description: String {
    PlanExplanation(self, machine: .standard, elementBytes: 4).description
  }
}
