import Partitioning

/// What a distributed plan is made for.
///
/// ```swift
/// var options = DistributionOptions(ranks: 64, objective: .bytes)
/// options.inputs = [.cut(dimension: 0), .replicated]   // samples sharded, weights everywhere
/// let plan = try DistributedPlan(bound, options: options)
/// ```
public struct DistributionOptions: Hashable, Sendable {
  /// Where an operand starts, or the result ends.
  public enum Placement: Hashable, Sendable {
    /// Once over all ranks, cut as suits the plan best.
    case free
    /// A copy on every rank.
    case replicated
    /// Once over all ranks, one dimension cut.
    case cut(dimension: Int)
    /// Per dimension, the axes of `mesh` that cut it. Along those that cut none there are copies.
    case axes([[Int]])
  }

  /// The most ranks that can be planned for: all of them are looked at.
  public static var mostRanks: Int { 65_536 }

  /// From 1 to `mostRanks`.
  public var ranks: Int
  /// The only mesh to plan on, of as many ranks; `nil`: whichever serves best.
  public var mesh: Mesh?
  public var objective: Objective
  public var machine: MachineModel
  /// `auto` chooses the order together with the distribution; any other optimizer fixes it.
  public var optimizer: Optimizer
  /// The only order to consider, as of a plan by the cost of its steps; `nil`: what `optimizer` says.
  public var order: ContractionOrder?
  /// Bytes of one element: 4 or 8.
  public var elementBytes: Int
  /// Which operands need a gradient: then the reverse pass is planned for as well. `nil`: none.
  public var needsGradient: [Bool]?
  /// Where operands are replicated, whether the sum of their gradients over the ranks is left to the
  /// caller, so that it is not part of the plan's cost.
  public var gradientsAsTerms: Bool
  /// By operand; `nil`: all free.
  public var inputs: [Placement]?
  public var output: Placement
  /// For the randomised searches.
  public var seed: UInt64
  /// A mode to run through in sequence, and in how many slices.
  public var slices: Slices?
  /// Elements that one step may hold of its operands and its result on one rank: grids that need
  /// more are left out.
  public var stepElementLimit: Double

  /// A mode, by number, that is cut in time.
  public struct Slices: Hashable, Sendable {
    public let mode: Int
    public let count: Int

    public init(mode: Int, count: Int) {
      self.mode = mode
      self.count = count
    }
  }

  public init(
    ranks: Int, mesh: Mesh? = nil, objective: Objective = .time, machine: MachineModel = .standard,
    optimizer: Optimizer = .auto, order: ContractionOrder? = nil, elementBytes: Int = 4,
    needsGradient: [Bool]? = nil, gradientsAsTerms: Bool = false,
    inputs: [Placement]? = nil, output: Placement = .free, seed: UInt64 = 0,
    slices: Slices? = nil, stepElementLimit: Double = .infinity
  ) {
    self.ranks = ranks
    self.mesh = mesh
    self.objective = objective
    self.machine = machine
    self.optimizer = optimizer
    self.order = order
    self.elementBytes = elementBytes
    self.needsGradient = needsGradient
    self.gradientsAsTerms = gradientsAsTerms
    self.inputs = inputs
    self.output = output
    self.seed = seed
    self.slices = slices
    self.stepElementLimit = stepElementLimit
  }
}
