import Kernels
import Partitioning
import Planning
import Synchronization

/// Everything that a distributed run does, in order: one list of operations, the same for all ranks,
/// of which only the sizes differ. The executor carries it out, and the predictions of memory and
/// traffic are read off it, so that the two cannot disagree.
///
/// Making one needs no communicator and no memory to speak of: a laptop does it for 4,096 ranks.
///
/// ```swift
/// let schedule = try RunSchedule(plan)
/// schedule.peakBytes(rank: 0, elementBytes: 4)
/// schedule.receivedBytes(rank: 0, elementBytes: 4)
/// ```
public struct RunSchedule: Sendable {
  public enum Pass: Hashable, Sendable {
    case forward
    /// Forward, keeping what the reverse pass needs.
    case recorded
    /// Of these operands the gradients are computed; `asTerms`: where ranks hold copies, not the sum
    /// but each rank's term of it. `recomputing`: from the operands alone, by going forward once more.
    case reverse(needed: [Bool], asTerms: Bool = false, recomputing: Bool = false)
  }

  /// What a buffer is for, and with that its size on every rank.
  enum Content: Hashable, Sendable {
    case box(Layout, slice: Int)
    /// Messages of a movement, one after the other.
    case outgoing(movement: Int, slice: Int)
    case incoming(movement: Int, slice: Int)
    /// Of a kernel.
    case workspace(Kernel)

    /// The slice that it belongs to; 0 for what belongs to all.
    var slice: Int {
      switch self {
      case .box(_, let slice), .outgoing(_, let slice), .incoming(_, let slice): slice
      case .workspace(let kernel): kernel.slice
      }
    }
  }

  /// A redistribution.
  struct Movement: Sendable {
    let redistribution: Redistribution
    /// What it is for, in a few words.
    let name: String
    let step: Int

    /// What travels lies in one run of memory per piece, so that it is sent from where it is.
    var isSentInPlace: Bool { redistribution.isContiguous }

    var isReceivedInPlace: Bool { isSentInPlace && redistribution.isCopy }

    /// Whether elements of the target may get no contribution, or several: it must start as zero.
    /// Slices do not count: all of them together cover what one leaves out.
    var needsZeros: Bool {
      let ranks = redistribution.source.mesh.axes.indices
      let cutting = redistribution.source.cuts.flatMap(\.axes).filter { ranks.contains($0) }
      return !redistribution.isCopy
        || !Set(cutting).isDisjoint(with: redistribution.target.partialAxes)
    }
  }

  /// One run of a movement, at one slice.
  struct Transfer: Sendable {
    let movement: Int
    let slice: Int
    let source: Int
    let target: Int
    /// `nil` where messages are sent, or received, in place.
    let outgoing: Int?
    let incoming: Int?
  }

  /// A step's nest, or an adjoint's, at one slice.
  struct Kernel: Hashable, Sendable {
    let step: Int
    let slice: Int
    let role: ContractionNest.Role
  }

  struct Work: Sendable {
    let kernel: Kernel
    /// In the order of `Role.sources`; `nil` is the scalar 1.
    let sources: [Int?]
    let destination: Int
    let workspace: Int
    /// Whether it adds to what is there.
    let adding: Bool
  }

  enum Operation: Sendable {
    case allocate(Int)
    case release(Int)
    case clear(Int)
    case start(Int)
    case finish(Int)
    case run(Work)
    /// Adds a buffer to another of its size.
    case add(Int, to: Int)
    /// Copies a buffer on the ranks at coordinate 0 of these axes, and is 0 on the others.
    case keepFirstCopy(of: Int, in: Int, axes: [Int])
  }

  public let plan: DistributedPlan
  public let pass: Pass
  public let overlap: Bool
  /// The first `givenCount` belong to the caller.
  let buffers: [Content]
  let givenCount: Int
  let movements: [Movement]
  let transfers: [Transfer]
  let operations: [Operation]
  /// The result, or a gradient per operand.
  let results: [Int?]
  /// By step and position, the buffers of operands that stay for the reverse pass (`keeping`).
  let kept: [[Int?]]
  let kernels: KernelCache

  /// - Parameters:
  ///   - overlap: whether what is needed next travels while a step is computed. Without, a
  ///   run needs less memory.
  ///   - context: the kernels that run it, and whose workspace counts.
  /// - Throws: `ExecutionError.slicedResult` where a slice would need what another one computes.
  public init(
    _ plan: DistributedPlan, pass: Pass = .forward, overlap: Bool = true,
    context: Context = .process
  ) throws(ExecutionError) {
    try self.init(plan, pass: pass, overlap: overlap, kernels: KernelCache(context))
  }

  /// - Parameter kernels: which other passes of the plan may share.
  init(
    _ plan: DistributedPlan, pass: Pass, overlap: Bool, kernels: KernelCache
  ) throws(ExecutionError) {
    self.plan = plan
    self.pass = pass
    self.overlap = overlap
    self.kernels = kernels
    let built: ScheduleBuilder
    switch pass {
    case .forward, .recorded:
      try Self.requireRunnable(slices: plan)
      var forward = ForwardScheduler(
        plan, overlap: overlap, purpose: pass == .recorded ? .recording : .result)
      built = forward.build()
    case .reverse(let needed, let asTerms, let recomputing):
      try Self.requireRunnable(slices: plan)
      var reverse = ReverseScheduler(
        plan, needed: needed, asTerms: asTerms, recomputing: recomputing, overlap: overlap)
      built = reverse.build()
    }
    buffers = built.buffers
    givenCount = built.givenCount
    movements = built.movements
    transfers = built.transfers
    operations = built.operations
    results = built.results
    kept = built.kept
  }

  /// The schedules of a whole run: one; or, with gradients, forward and back.
  ///
  /// - Parameter gradients: of these operands; `nil`, or none: forward only. The others as of `init`.
  /// - Throws: as `init`.
  public static func passes(
    _ plan: DistributedPlan, gradients: [Bool]?, asTerms: Bool = false, overlap: Bool = true,
    checkpointing: Checkpointing = .keep, context: Context = .process
  ) throws(ExecutionError) -> [RunSchedule] {
    let kernels = KernelCache(context)
    guard let needed = gradients, needed.contains(true) else {
      return [try RunSchedule(plan, pass: .forward, overlap: overlap, kernels: kernels)]
    }
    let reverse = Pass.reverse(
      needed: needed, asTerms: asTerms, recomputing: checkpointing == .recompute)
    return [
      try RunSchedule(plan, pass: checkpointing.forward, overlap: overlap, kernels: kernels),
      try RunSchedule(plan, pass: reverse, overlap: overlap, kernels: kernels),
    ]
  }

  private static func requireRunnable(slices plan: DistributedPlan) throws(ExecutionError) {
    func isBad(_ step: Step, _ distribution: StepDistribution) -> Bool {
      zip(step.operands, distribution.operands).contains { value, needed in
        let rest = plan.layout(of: value)
        return rest.isSliced && !Redistribution(from: rest, to: needed).staysInSlice
      }
    }
    let bad = zip(plan.plan.steps, plan.steps).first { isBad($0, $1) }?.0
    let last = plan.steps.last.map { $0.result.isSliced } ?? false ? plan.plan.steps.last : nil
    if let step = bad ?? last {
      throw .slicedResult(
        expression: plan.plan.expression.text, step: plan.plan.contractionText(step))
    }
  }
}

extension Redistribution {
  /// Whether what the target needs at a slice, the source has at that slice.
  fileprivate var staysInSlice: Bool {
    zip(source.cuts, target.cuts).allSatisfy { from, to in
      let slices = source.mesh.sliceAxes
      return from.axes.filter { slices.contains($0) } == to.axes.filter { slices.contains($0) }
        && (!from.axes.contains { slices.contains($0) } || from.window == to.window)
    }
  }
}

extension RunSchedule {
  public var context: Context { kernels.context }

  /// Whether a rank is left over: the plan works with fewer than there are.
  func isIdle(_ rank: Int) -> Bool { rank >= plan.mesh.ranks }

  /// What a rank does. One that is left over makes empty results, or of a scalar a zero.
  func operations(of rank: Int) -> [Operation] {
    isIdle(rank)
      ? results.compactMap { $0 }.flatMap { [.allocate($0), .clear($0)] } : operations
  }

  /// The nest of a kernel on one rank, lowered.
  func lowered(_ kernel: Kernel, rank: Int) -> LoweredNest {
    let part = StepPart(
      plan.plan.steps[kernel.step], plan.steps[kernel.step], rank: rank, slice: kernel.slice)
    return kernels.kernel(ContractionNest(part), writing: kernel.role)
  }

  /// Elements of a buffer.
  func elements(of content: Content, rank: Int) -> Int {
    switch content {
    case .box(let layout, let slice): layout.box(of: rank, slice: slice).count
    case .outgoing(let movement, let slice):
      movements[movement].redistribution.sent(by: rank, slice: slice)
    case .incoming(let movement, let slice):
      movements[movement].redistribution.received(by: rank, slice: slice)
    case .workspace(let kernel): lowered(kernel, rank: rank).workspaceCount
    }
  }

  /// The most bytes that live at once on a rank: its boxes of the operands, of intermediates and of
  /// the result, communication buffers and the kernels' workspace, as a `MemoryMeter` counts them.
  ///
  /// In the reverse pass also what the forward pass kept and the gradient that is handed in.
  public func peakBytes(rank: Int, elementBytes: Int) -> Int {
    peakBytes(rank: rank, elementBytes: elementBytes, SearchEffort()) { _ in true }
  }

  /// The most bytes that live at once if of what belongs to one slice only some slices' is counted: a
  /// lower bound, and quicker to find.
  func peakBytes(
    rank: Int, elementBytes: Int, _ effort: SearchEffort, counting isCounted: (_ slice: Int) -> Bool
  ) -> Int {
    var live = givenElements(rank: rank)
    var peak = live
    // Asked for once each: a kernel's workspace takes its lowering to know.
    var sizes = [Int](repeating: 0, count: buffers.count)
    for operation in operations(of: rank) {
      switch operation {
      case .allocate(let buffer):
        guard isCounted(buffers[buffer].slice) else { continue }
        effort.count += 1
        sizes[buffer] = elements(of: buffers[buffer], rank: rank)
        live += sizes[buffer]
        peak = max(peak, live)
      case .release(let buffer):
        live -= sizes[buffer]
      case .clear, .start, .finish, .run, .add, .keepFirstCopy:
        break
      }
    }
    return peak * elementBytes
  }

  /// Bytes that a rank receives from others.
  public func receivedBytes(rank: Int, elementBytes: Int) -> Int {
    guard !isIdle(rank) else { return 0 }
    return transfers.reduce(0) {
      $0
        + movements[$1.movement].redistribution.received(by: rank, slice: $1.slice) * elementBytes
    }
  }

  /// The layouts of the caller's buffers.
  var given: [Layout] {
    buffers.prefix(givenCount).compactMap { content in
      if case .box(let layout, _) = content { layout } else { nil }
    }
  }

  /// What lives before the first operation.
  private func givenElements(rank: Int) -> Int {
    func count(_ layout: Layout) -> Int { layout.box(of: rank).count }
    let total = plan.inputs.reduce(0) { $0 + count($1) }
    guard case .reverse(_, _, let recomputing) = pass else { return total }
    return total + count(plan.output) + (recomputing ? 0 : recordElements(rank: rank))
  }

  /// Elements that a recorded run keeps for the reverse pass beside the operands.
  public func recordElements(rank: Int) -> Int {
    guard !isIdle(rank) else { return 0 }
    return plan.kept().reduce(0) {
      $0 + ($1.isTheCallers ? 0 : $1.layout.box(of: rank).count)
    }
  }
}
