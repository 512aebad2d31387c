import Partitioning

/// An expression with its order of evaluation and the distribution of every tensor over the ranks:
/// a value that every rank computes alike, without communication.
///
/// Values are numbered as in the plan: the operands, then the results of the steps. Each value
/// rests in one layout. A step redistributes its operands from those to the boxes that its grid
/// needs (gathers, halos), computes, and redistributes what it computed (partial sums are reduced)
/// to the layout in which its result rests.
///
/// With a slice axis in the mesh, the steps whose grid cuts a mode by it run once per slice. Steps
/// of which none of them depends run before, the others after; what they make of a mode that is no
/// longer there is added up over the slices before it is redistributed.
///
/// ```swift
/// let plan = try DistributedPlan(bound, options: DistributionOptions(ranks: 8))
/// plan.receivedElements(by: 3)  // what rank 3 receives from others
/// ```
public struct DistributedPlan: Hashable, Codable, Sendable {
  public let plan: Plan
  /// Ranks of the job.
  public let ranks: Int
  /// The ranks that work. Where they are fewer than those of the job, the others, which come after
  /// them, hold nothing and do nothing.
  public let mesh: Mesh
  /// Where the operands start.
  public let inputs: [Layout]
  /// In the order of the plan's steps.
  public let steps: [StepDistribution]
  /// Where the result ends.
  public let output: Layout
  /// The mode that the slice axis cuts.
  public let slicedMode: Int?
  /// What the search can say about this plan.
  public let search: SearchSummary

  public init(
    plan: Plan, ranks: Int? = nil, mesh: Mesh, inputs: [Layout], steps: [StepDistribution],
    output: Layout, slicedMode: Int? = nil, search: SearchSummary
  ) {
    self.plan = plan
    self.ranks = ranks ?? mesh.ranks
    self.mesh = mesh
    self.inputs = inputs
    self.steps = steps
    self.output = output
    self.slicedMode = slicedMode
    self.search = search
  }

  /// The layout that a value rests in.
  public func layout(of value: Int) -> Layout {
    value < inputs.count ? inputs[value] : steps[value - inputs.count].result
  }
}

/// The distribution of one step.
///
/// ```swift
/// for step in plan.steps { print(step.grid.cuts, step.result.partialAxes) }
/// ```
public struct StepDistribution: Hashable, Codable, Sendable {
  public let grid: StepGrid
  /// What each operand is needed in.
  public let operands: [Layout]
  /// What is computed.
  public let computed: Layout
  /// What the result rests in. It may be partial: the sum is then left to a later step.
  public let result: Layout

  public init(grid: StepGrid, operands: [Layout], computed: Layout, result: Layout) {
    self.grid = grid
    self.operands = operands
    self.computed = computed
    self.result = result
  }
}

/// How a plan was found.
///
/// ```swift
/// if plan.search.isExact { print("no order and no grid is better") }
/// ```
public struct SearchSummary: Hashable, Codable, Sendable {
  public let objective: Objective
  /// Whether all orders and all grids of the plan's space were searched.
  public let isExact: Bool
  /// The objective's value: multiply-adds, bytes or seconds of the busiest rank, step by step.
  public let cost: Double
  /// The sum of the steps' own lower bounds, as if each stood alone with its tensors once over the
  /// ranks. (A step whose operand rests as a partial sum or in copies may undercut its own.)
  public let lowerBound: Double

  public init(objective: Objective, isExact: Bool, cost: Double, lowerBound: Double) {
    self.objective = objective
    self.isExact = isExact
    self.cost = cost
    self.lowerBound = lowerBound
  }
}

/// What a search minimises: for every step the most that any rank does, summed over the steps.
public enum Objective: String, Hashable, Codable, Sendable, CaseIterable {
  case macs, bytes, time
}

extension DistributedPlan {
  /// One redistribution of a run.
  public struct Movement: Hashable, Sendable {
    public enum Purpose: Hashable, Sendable {
      /// Brings an operand of a step where it is needed.
      case operand(Int)
      /// Brings what a step computed where it rests.
      case result
      /// Brings the last step's result where the output ends.
      case output
    }

    public let step: Int
    public let purpose: Purpose
    public let redistribution: Redistribution
    /// How many times it runs: once per slice, or once.
    public let slices: Int
  }

  /// All redistributions of a forward run in which something may travel.
  public var movements: [Movement] {
    var movements: [Movement] = []
    for (index, (step, distribution)) in zip(plan.steps, steps).enumerated() {
      for (position, value) in step.operands.enumerated() {
        let needed = distribution.operands[position]
        movements.append(
          Movement(
            step: index, purpose: .operand(position),
            redistribution: Redistribution(from: layout(of: value), to: needed),
            slices: needed.isSliced ? mesh.sliceCount : 1))
      }
      movements.append(
        Movement(
          step: index, purpose: .result,
          redistribution: Redistribution(from: distribution.computed, to: distribution.result),
          slices: distribution.computed.isSliced ? mesh.sliceCount : 1))
    }
    if let last = steps.last, last.result != output {
      movements.append(
        Movement(
          step: steps.count - 1, purpose: .output,
          redistribution: Redistribution(from: last.result, to: output), slices: 1))
    }
    return movements.filter { !$0.redistribution.isIdentity }
  }

  /// Elements that a rank receives from others over a whole forward run, reductions included.
  public func receivedElements(by rank: Int) -> Int {
    guard rank < mesh.ranks else { return 0 }
    return movements.reduce(0) { sum, movement in
      (0..<movement.slices).reduce(sum) {
        $0 + movement.redistribution.received(by: rank, slice: $1)
      }
    }
  }
}
