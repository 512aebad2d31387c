import Kernels
import Partitioning
import Planning

extension FittedPlan {
  /// A plan that is tried, and what is known of its peak.
  ///
  /// A plan in a thousand slices has many thousands of buffers on each rank, nearly all of them of a few
  /// sizes. So first a few ranks and slices are asked for theirs, which is a lower bound; all are where it matters.
  struct Candidate {
    private let plan: DistributedPlan
    private let overlap: Bool
    private let passes: [RunSchedule]
    /// The most bytes that any rank holds at once; as long as not all was asked for, at least so many.
    private(set) var peakBytes = 0
    private var isExact: Bool

    init(
      _ plan: DistributedPlan, overlap: Bool, gradients: [Bool]?, _ context: Context,
      _ effort: SearchEffort
    ) throws(ExecutionError) {
      try plan.plan.requireRunnable()
      self.plan = plan
      self.overlap = overlap
      passes = try RunSchedule.passes(
        plan, gradients: gradients, overlap: overlap, context: context)
      let ranks = Self.sample(plan.mesh.ranks)
      let slices = Self.sample(plan.mesh.sliceCount)
      isExact = ranks.count == plan.mesh.ranks && slices.count == plan.mesh.sliceCount
      peakBytes = peak(on: ranks.sorted(), slices: slices, effort)
      // Operations were made, and passed over, for the others, too.
      effort.count += passes.reduce(0) { $0 + $1.operations.count } / 8
    }

    /// The first, the last and the middle of them, each with its neighbor: pieces of an extent differ
    /// at its ends, and by one where they are not of one size.
    private static func sample(_ count: Int) -> Set<Int> {
      let places = [0, 1, count / 2 - 1, count / 2, count - 2, count - 1]
      return count <= 8 ? Set(0..<count) : Set(places)
    }

    private func peak(on ranks: some Sequence<Int>, slices: Set<Int>?, _ effort: SearchEffort)
      -> Int
    {
      ranks.reduce(0) { most, rank in
        passes.reduce(most) { most, pass in
          let peak = pass.peakBytes(
            rank: rank, elementBytes: MemoryLayout<Element>.stride, effort
          ) { slices?.contains($0) ?? true }
          return max(most, peak)
        }
      }
    }

    /// Asks every rank for every slice's buffers, so that the peak is exact.
    mutating func settle(_ effort: SearchEffort) {
      guard !isExact else { return }
      peakBytes = peak(on: 0..<plan.mesh.ranks, slices: nil, effort)
      isExact = true
    }

    /// The plan, to be run as it was tried.
    var fitted: FittedPlan { FittedPlan(plan: plan, overlap: overlap, peakBytes: peakBytes) }
  }
}
