import Execution
import Kernels
import Partitioning
import Planning

/// Chooses how ranks share the images, by what the contraction layers' plans take, forward and
/// backward, and by what a step needs of memory.
///
/// Samples alone are cut where there is one for every rank and memory is no issue: nothing else
/// moves as little. Otherwise every grid is considered that gives no rank an empty part of the batch,
/// and data parallelism beside them.
struct ShardingSearch {
  /// One way, and what the plans say of it.
  struct Candidate: Hashable {
    let sharding: Sharding
    /// Of the busiest rank, in the contractions. The sum of the gradients takes any of them as long.
    let seconds: Double
    /// About the most that a rank holds: parameters, their gradients and the optimizer's state, the
    /// images and what each layer makes of them, what the reverse pass needs, and one contraction
    /// at work. `nil` unless there is a limit.
    let bytes: Int?
  }

  let network: Network
  /// (batch, height, width, channels) of all ranks together.
  let images: [Int]
  let ranks: Int
  /// Bytes per rank.
  let memory: Int?
  /// Elements of the optimizer's state.
  let stateCount: Int
  /// The kernels whose workspace counts.
  var context = Context.process

  private static let elementBytes = MemoryLayout<Float>.stride

  /// The fastest that fits; of equals that with the most parts of the batch.
  ///
  /// - Throws: `TrainingError.notEnoughMemory` where none fits; what planning throws.
  func best() throws -> Candidate {
    let data = Sharding(batch: ranks, rows: 1)
    // Without a question there is nothing to plan.
    if ranks <= images[0] && memory == nil {
      return Candidate(sharding: data, seconds: 0, bytes: nil)
    }
    let first = try candidate(data)
    if ranks <= images[0] && fits(first) { return first }
    let others = try Sharding.all(ranks: ranks).filter {
      !$0.isDataParallel && $0.batch <= images[0]
    }
    .map(candidate)
    let fitting = ([first] + others).filter(fits)
    guard let best = fitting.min(by: { $0.seconds < $1.seconds }) else {
      let least = ([first] + others).compactMap(\.bytes).min() ?? 0
      throw TrainingError.notEnoughMemory(needed: least, memory: memory ?? 0, ranks: ranks)
    }
    return best
  }

  private func fits(_ candidate: Candidate) -> Bool {
    guard let memory, let bytes = candidate.bytes else { return true }
    return bytes <= memory
  }

  func candidate(_ sharding: Sharding) throws -> Candidate {
    // Where whole samples are cut, the busiest rank works alone on its part.
    var layout =
      sharding.isDataParallel
      ? Sharding(batch: 1, rows: 1).layout(
        of: [EvenPartition(extent: images[0], parts: ranks).largest] + images.dropFirst())
      : sharding.layout(of: images)
    var seconds = 0.0
    var memory = StepMemory(ranks: layout.mesh.ranks)
    memory.add(layout)
    for layer in network.layers {
      let output = try layer.outputLayout(layout)
      memory.add(output)
      if let convolution = layer as? FactorizedConvolution {
        let plan = try convolution.plan(for: layout)
        seconds += plan.search.cost
        if self.memory != nil {
          try memory.add(plan, convolution.checkpointing, context: context)
        }
      }
      layout = output
    }
    // Value, gradient and the buffer in which gradients are summed.
    let constant = 3 * network.parameterCount + stateCount
    return Candidate(
      sharding: sharding, seconds: seconds,
      bytes: self.memory.map { _ in Self.elementBytes * (constant + memory.most) })
  }
}

/// Elements that each rank holds during a step, beside the parameters.
private struct StepMemory {
  /// By rank: what stays from the forward pass for the reverse pass.
  private var kept: [Int]
  /// By rank, the most that one contraction needs beside that.
  private var working: [Int]

  init(ranks: Int) {
    kept = Array(repeating: 0, count: ranks)
    working = kept
  }

  var most: Int { zip(kept, working).map(+).max() ?? 0 }

  mutating func add(_ layout: Layout) {
    for rank in kept.indices { kept[rank] += layout.box(of: rank).count }
  }

  mutating func add(
    _ plan: DistributedPlan, _ checkpointing: Checkpointing, context: Context
  ) throws {
    let passes = try RunSchedule.passes(
      plan, gradients: plan.inputs.map { _ in true }, asTerms: true,
      checkpointing: checkpointing, context: context)
    for rank in kept.indices {
      let record = checkpointing == .keep ? passes[1].recordElements(rank: rank) : 0
      kept[rank] += record
      let peak = passes.reduce(0) { max($0, $1.peakBytes(rank: rank, elementBytes: 1)) }
      working[rank] = max(working[rank], peak - record)
    }
  }
}

extension EvenPartition {
  /// Indices of the largest part.
  fileprivate var largest: Int { (extent + parts - 1) / parts }
}
