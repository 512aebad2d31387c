import Collectives
import Kernels
import Planning
import Synchronization

/// A distributed plan made ready for one rank: its kernels lowered, its messages worked out. Made
/// once by every rank of a communicator, run many times by all of them together.
///
/// A rank holds boxes: of operand i the box `plan.inputs[i].box(of: rank)`, of the result
/// `plan.output.box(of: rank)`, each a dense tensor.
///
/// ```swift
/// let product = try DistributedContraction<Float>(plan, communicator: communicator)
/// let c = try product([myBoxOfA, myBoxOfB])
/// product.timeline.seconds(.communication, of: 0)
/// let (d, record) = try product.recorded([myBoxOfA, myBoxOfB])
/// let gradients = try product.gradients(record, outputGradient: d, needed: [true, false])
/// ```
public final class DistributedContraction<Element: TensorElement>: Sendable {
  public typealias Record = ContractionRecord<Element>

  public let plan: DistributedPlan
  private let passes: PassPrograms<Element>
  let communicator: any Communicator
  private let meter: MemoryMeter?
  /// Ranks at work on this machine.
  private let sharing: Int
  private let limitBytes: Int
  private let state = Mutex(State())

  private struct State {
    /// Of which all ranks know that they fit.
    var prepared: Set<RunSchedule.Pass> = []
    /// Of the last run.
    var timeline = ProgramTimeline()
    /// Operations so far, by which collective steps are numbered.
    var operationCount = 0
  }

  /// Every rank makes this call; they compare their plans before anything else is sent.
  ///
  /// - Parameters:
  ///   - overlap: see `RunSchedule`.
  ///   - context: the kernels that run it; equal on all ranks.
  ///   - meter: counts the bytes of every buffer that a run allocates.
  ///   - limitBytes: the most that a pass may need on this rank, which is checked before it starts: by
  ///     default the machine's memory, divided by the ranks at work that share it.
  /// - Throws: `ExecutionError` if the communicator has another size than the plan, or the plan
  ///   cannot be run; `CollectiveError.differentValues` if the ranks' plans differ.
  public convenience init(
    _ plan: DistributedPlan, communicator: any Communicator, overlap: Bool = true,
    checkpointing: Checkpointing = .keep, context: Context = .process,
    meter: MemoryMeter? = nil, limitBytes: Int? = nil
  ) throws {
    try self.init(
      plan, communicator: communicator, overlap: overlap, checkpointing: checkpointing,
      kernels: KernelCache(context), meter: meter, limitBytes: limitBytes)
  }

  /// With a schedule that was made before, e.g. to predict what the run needs; several ranks in one
  /// process may share it, and with it its kernels.
  public convenience init(
    _ schedule: RunSchedule, communicator: any Communicator,
    checkpointing: Checkpointing = .keep, meter: MemoryMeter? = nil, limitBytes: Int? = nil
  ) throws {
    try self.init(
      schedule.plan, communicator: communicator, overlap: schedule.overlap,
      checkpointing: checkpointing, kernels: schedule.kernels, meter: meter, limitBytes: limitBytes)
  }

  private init(
    _ plan: DistributedPlan, communicator: any Communicator, overlap: Bool,
    checkpointing: Checkpointing, kernels: KernelCache, meter: MemoryMeter?, limitBytes: Int?
  ) throws {
    guard communicator.size == plan.ranks else {
      throw ExecutionError.rankCount(
        expression: plan.plan.expression.text, planned: plan.ranks, found: communicator.size)
    }
    try plan.plan.requireRunnable()
    self.plan = plan
    self.communicator = communicator
    self.meter = meter
    sharing = min(plan.mesh.ranks, communicator.ranksOnHost)
    self.limitBytes = limitBytes ?? HostMemory.limitBytes / sharing
    passes = PassPrograms(
      plan, rank: communicator.rank, checkpointing: checkpointing, overlap: overlap,
      kernels: kernels)
    try communicator.requireEqual(plan.stableHash, what: "plan")
    try prepare([.forward])
  }

  /// What the last run did, forward or reverse.
  public var timeline: ProgramTimeline { state.withLock { $0.timeline } }

  /// Runs the plan; all ranks together.
  ///
  /// - Parameter boxes: this rank's box of every operand.
  /// - Returns: this rank's box of the result. Of a rank that the plan leaves out (of a number beyond
  ///   `plan.mesh.ranks`) it is empty; but a scalar has no empty box, and is then 0, not the result.
  /// - Throws: `ExecutionError` if number or shapes of the boxes differ, `CollectiveError`.
  public func callAsFunction(_ boxes: [Tensor<Element>]) throws -> Tensor<Element> {
    try check(boxes)
    return passes.result(try run(.forward, given: boxes))
  }

  /// Runs the plan and keeps what its gradients need.
  public func recorded(
    _ boxes: [Tensor<Element>]
  ) throws -> (result: Tensor<Element>, record: Record) {
    try check(boxes)
    let run = try run(passes.checkpointing.forward, given: boxes)
    return (passes.result(run), passes.record(run, operands: boxes))
  }

  /// The gradients of Σ outputGradient · result with respect to the operands, over the whole tensors;
  /// all ranks together.
  ///
  /// - Parameters:
  ///   - record: of the forward pass.
  ///   - outputGradient: this rank's box of the gradient of the result, in the result's layout. Where
  ///     ranks hold copies of the result, all give the same.
  ///   - needed: which operands' gradients to compute.
  ///   - asTerms: where ranks hold copies of an operand, leave the sum over them to the caller, who
  ///     may have more to add up: each rank gets its own term.
  /// - Returns: this rank's box of each gradient that is needed, in the operand's layout: where ranks
  ///   hold copies of the operand, all get the whole sum, unless `asTerms`.
  public func gradients(
    _ record: Record, outputGradient: Tensor<Element>, needed: [Bool], asTerms: Bool = false
  ) throws -> [Tensor<Element>?] {
    let pass = try passes.reverse(
      record, outputGradient: outputGradient, needed: needed, asTerms: asTerms)
    let run = try run(pass, given: record.given + [outputGradient])
    return run.results
  }

  /// The schedule of a pass of this contraction, to predict its bytes.
  public func schedule(of pass: RunSchedule.Pass) throws -> RunSchedule {
    try passes.program(pass).ranked.schedule
  }

  /// Makes passes ready, and sure that they fit into the memory, before there is anything to run
  /// them on; all ranks together. Who runs a pass unprepared has it prepared then.
  ///
  /// - Throws: `ExecutionError.notEnoughMemory`.
  public func prepare(_ passes: [RunSchedule.Pass]) throws {
    for pass in passes where !state.withLock({ $0.prepared.contains(pass) }) {
      try communicator.together {
        try self.passes.requireMemory(pass, limitBytes: limitBytes, sharing: sharing)
      }
      _ = state.withLock { $0.prepared.insert(pass) }
    }
  }

  private func run(
    _ pass: RunSchedule.Pass, given: [Tensor<Element>?]
  ) throws -> PassRun<Element> {
    try prepare([pass])
    let program = try passes.program(pass)
    let first = state.withLock { state in
      defer { state.operationCount += program.ranked.schedule.operations.count }
      return state.operationCount
    }
    var timeline: ProgramTimeline? = ProgramTimeline()
    let run = try PassRun(
      program, given: given, communicator: communicator, meter: meter, firstNumber: first,
      timeline: &timeline)
    if let timeline { state.withLock { $0.timeline = timeline } }
    return run
  }

  private func check(_ boxes: [Tensor<Element>]) throws {
    let text = plan.plan.expression.text
    guard boxes.count == plan.inputs.count else {
      throw ExecutionError.operandCount(
        expression: text, expected: plan.inputs.count, found: boxes.count)
    }
    for (operand, (box, layout)) in zip(boxes, plan.inputs).enumerated() {
      let expected = layout.box(of: communicator.rank).shape
      guard box.shape == expected else {
        throw ExecutionError.boxShape(
          expression: text, operand: operand, rank: communicator.rank, expected: expected,
          found: box.shape)
      }
    }
  }
}

extension DistributedContraction {
  /// The most bytes that live at once on a rank in a forward run. For many ranks, make one
  /// `RunSchedule` and ask that.
  public static func predictedPeakBytes(
    _ plan: DistributedPlan, rank: Int, overlap: Bool = true, context: Context = .process
  ) throws(ExecutionError) -> Int {
    try RunSchedule(plan, overlap: overlap, context: context)
      .peakBytes(rank: rank, elementBytes: MemoryLayout<Element>.stride)
  }

  /// The bytes that a rank receives from others in a forward run.
  public static func predictedReceivedBytes(
    _ plan: DistributedPlan, rank: Int
  ) throws(ExecutionError) -> Int {
    try RunSchedule(plan)
      .receivedBytes(rank: rank, elementBytes: MemoryLayout<Element>.stride)
  }
}
