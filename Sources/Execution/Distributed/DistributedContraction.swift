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
/// product.timeline.seconds(.communication, step: 0)
/// let (d, record) = try product.recorded([myBoxOfA, myBoxOfB])
/// let gradients = try product.gradients(record, outputGradient: d, needed: [true, false])
/// ```
public final class DistributedContraction<Element: TensorElement>: Sendable {
  public let plan: DistributedPlan
  public let schedule: RunSchedule
  let communicator: any Communicator
  let meter: MemoryMeter?
  /// Ranks at work on this machine.
  private let sharing: Int
  private let limitBytes: Int
  /// The plan's hash, which tells its records from others'.
  private let identity: UInt64
  private let forward: RankProgram
  private let state: Mutex<State>

  private struct State {
    /// Other passes than `forward`, made when they are first asked for.
    var programs: [RunSchedule.Pass: RankProgram] = [:]
    /// Of the last run.
    var timeline = RunTimeline()
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
    context: Context = .process, meter: MemoryMeter? = nil, limitBytes: Int? = nil
  ) throws {
    try Self.require(communicator, fits: plan)
    try Contraction<Element>.requireRunnable(plan.plan)
    try self.init(
      RunSchedule(plan, overlap: overlap, context: context), communicator: communicator,
      meter: meter, limitBytes: limitBytes)
  }

  /// With a schedule that was made before, e.g. to predict what the run needs; several ranks in one
  /// process may share it. Its pass is `forward`.
  public init(
    _ schedule: RunSchedule, communicator: any Communicator, meter: MemoryMeter? = nil,
    limitBytes: Int? = nil
  ) throws {
    plan = schedule.plan
    sharing = min(schedule.plan.mesh.ranks, communicator.ranksOnHost)
    self.limitBytes = limitBytes ?? HostMemory.limitBytes / sharing
    identity = schedule.plan.stableHash
    self.schedule = schedule
    self.communicator = communicator
    self.meter = meter
    try Self.require(communicator, fits: schedule.plan)
    try Contraction<Element>.requireRunnable(schedule.plan.plan)
    precondition(schedule.pass == .forward, "a contraction is made of a forward schedule")
    BLAS.useOneThread()
    try communicator.requireEqual(identity, what: "plan")
    forward = RankProgram(schedule, rank: communicator.rank)
    state = Mutex(State())
    try communicator.together { try requireMemory(schedule, forward) }
  }

  /// What the last run did, forward or reverse.
  public var timeline: RunTimeline { state.withLock { $0.timeline } }

  /// Runs the plan; all ranks together.
  ///
  /// - Parameter boxes: this rank's box of every operand.
  /// - Returns: this rank's box of the result. Of a rank that the plan leaves out (of a number beyond
  ///   `plan.mesh.ranks`) it is empty; but a scalar has no empty box, and is then 0, not the result.
  /// - Throws: `ExecutionError` if number or shapes of the boxes differ, `CollectiveError`.
  public func callAsFunction(_ boxes: [Tensor<Element>]) throws -> Tensor<Element> {
    try check(boxes)
    let run = try perform(forward, given: boxes)
    return try result(run, forward)
  }

  /// What the reverse pass needs of a forward pass: the operands of every step, where it needed
  /// them; of steps in slices, what comes into the slices.
  public struct Record: Sendable {
    /// By step and position.
    let operands: [[Tensor<Element>?]]
    /// Of the plan that was run, and its expression for messages.
    let identity: UInt64
    let rank: Int
    let expression: String
  }

  /// Runs the plan and keeps what its gradients need.
  public func recorded(
    _ boxes: [Tensor<Element>]
  ) throws -> (result: Tensor<Element>, record: Record) {
    try check(boxes)
    let program = try program(.recorded)
    let run = try perform(program, given: boxes)
    let record = Record(
      operands: program.schedule.kept.map { $0.map { $0.flatMap { run[$0] } } },
      identity: identity, rank: communicator.rank, expression: plan.plan.expression.text)
    return (try result(run, program), record)
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
    let text = plan.plan.expression.text
    guard needed.count == plan.inputs.count else {
      throw ExecutionError.operandCount(
        expression: text, expected: plan.inputs.count, found: needed.count)
    }
    let expected = plan.output.box(of: communicator.rank).shape
    guard outputGradient.shape == expected else {
      throw ExecutionError.gradientShape(
        expression: text, expected: expected, found: outputGradient.shape)
    }
    guard record.identity == identity && record.rank == communicator.rank else {
      throw ExecutionError.foreignRecord(expression: text, recorded: record.expression)
    }
    let program = try program(.reverse(needed: needed, asTerms: asTerms))
    let given = plan.kept().map { record.operands[$0.step][$0.position] }
    let run = try perform(program, given: given + [outputGradient])
    return program.schedule.results.map { $0.flatMap { run[$0] } }
  }

  /// The schedule of a pass of this contraction, to predict its bytes.
  public func schedule(of pass: RunSchedule.Pass) throws -> RunSchedule {
    try program(pass).schedule
  }

  /// Makes passes ready, and sure that they fit into the memory, before there is anything to run
  /// them on; all ranks together. Who runs a pass unprepared has it prepared then.
  ///
  /// - Throws: `ExecutionError.notEnoughMemory`.
  public func prepare(_ passes: [RunSchedule.Pass]) throws {
    for pass in passes { _ = try program(pass) }
  }

  private func program(_ pass: RunSchedule.Pass) throws -> RankProgram {
    if pass == .forward { return forward }
    if let known = state.withLock({ $0.programs[pass] }) { return known }
    let schedule = try RunSchedule(
      plan, pass: pass, overlap: schedule.overlap, context: schedule.context)
    let program = RankProgram(schedule, rank: communicator.rank)
    try communicator.together { try requireMemory(schedule, program) }
    state.withLock { $0.programs[pass] = program }
    return program
  }

  private func perform(
    _ program: RankProgram, given: [Tensor<Element>?]
  ) throws -> DistributedRun<Element> {
    let first = state.withLock { state in
      defer { state.operationCount += program.schedule.operations.count }
      return state.operationCount
    }
    let run = DistributedRun(
      program, given: given, communicator: communicator, meter: meter, firstNumber: first)
    try run.perform()
    state.withLock { $0.timeline = run.timeline }
    return run
  }

  private func result(
    _ run: DistributedRun<Element>, _ program: RankProgram
  ) throws -> Tensor<Element> {
    guard let buffer = program.schedule.results[0], let result = run[buffer] else {
      preconditionFailure("a schedule without a result")
    }
    return result
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

  /// Makes sure that a pass fits into this rank's share of the memory.
  private func requireMemory(_ schedule: RunSchedule, _ program: RankProgram) throws {
    let needed = schedule.peakBytes(
      rank: communicator.rank, elementBytes: MemoryLayout<Element>.stride)
    guard needed > limitBytes else { return }
    throw ExecutionError.notEnoughMemory(
      expression: plan.plan.expression.text, needed: needed, available: limitBytes,
      sharing: sharing,
      largest: program.shapes.max { $0.reduce(1, *) < $1.reduce(1, *) } ?? [])
  }

  private static func require(
    _ communicator: any Communicator, fits plan: DistributedPlan
  ) throws(ExecutionError) {
    guard communicator.size == plan.ranks else {
      throw .rankCount(
        expression: plan.plan.expression.text, planned: plan.ranks, found: communicator.size)
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
