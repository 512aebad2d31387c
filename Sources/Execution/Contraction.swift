import Collectives
import Kernels
import Planning

/// A plan made ready for one process. Made once, run many times, by many threads at once if need be.
///
/// It runs as a distributed plan does, on a mesh of one rank.
///
/// ```swift
/// let bound = try BoundExpression("ij,jk->ik", shapes: [[2, 3], [3, 4]])
/// let product = try Contraction<Float>(Plan(bound))
/// let c = try product([a, b])
/// let (d, record) = try product.recorded([a, b])
/// let gradients = try product.gradients(record, outputGradient: d, needed: [true, false])
/// ```
public struct Contraction<Element: TensorElement>: Sendable {
  public typealias Record = ContractionRecord<Element>

  public let plan: Plan
  private let passes: PassPrograms<Element>
  private let communicator = SingleCommunicator()
  private let meter: MemoryMeter?
  private let timer: StepTimer?
  private let limitBytes: Int

  /// - Parameters:
  ///   - context: the kernels that run it.
  ///   - meter: counts the bytes of every buffer that a run allocates.
  ///   - timer: is told how long every step took.
  ///   - limitBytes: the most that a pass may need, which is checked before it starts: by default the
  ///     machine's memory, divided by the processes that a launcher started on it.
  /// - Throws: `ExecutionError.tooLarge` if a tensor has more elements than can be addressed,
  ///   `.tooManyTaps` if a filter is longer than can be walked.
  public init(
    _ plan: Plan, checkpointing: Checkpointing = .keep, context: Context = .process,
    meter: MemoryMeter? = nil, timer: StepTimer? = nil,
    limitBytes: Int = HostMemory.limitBytes / Launch.current.localProcesses
  ) throws(ExecutionError) {
    try plan.requireRunnable()
    self.plan = plan
    self.meter = meter
    self.timer = timer
    self.limitBytes = limitBytes
    passes = PassPrograms(
      DistributedPlan(alone: plan), rank: 0, checkpointing: checkpointing, overlap: false,
      kernels: KernelCache(context))
  }

  public var checkpointing: Checkpointing { passes.checkpointing }
  public var context: Context { passes.kernels.context }

  /// Runs the plan.
  ///
  /// - Parameter operands: one tensor per operand, of the shapes the plan was made for.
  /// - Returns: the result, its dimensions in the order of the expression's output.
  /// - Throws: `ExecutionError` if number or shapes of the operands differ, or memory is too short.
  public func callAsFunction(_ operands: [Tensor<Element>]) throws -> Tensor<Element> {
    try check(operands)
    return passes.result(try run(.forward, given: operands))
  }

  /// Runs the plan and keeps what its gradients need.
  public func recorded(
    _ operands: [Tensor<Element>]
  ) throws -> (result: Tensor<Element>, record: Record) {
    try check(operands)
    let run = try run(checkpointing.forward, given: operands)
    return (passes.result(run), passes.record(run, operands: operands))
  }

  /// The gradients of Σ outputGradient · result with respect to the operands.
  ///
  /// - Parameters:
  ///   - record: of the forward pass of this plan.
  ///   - outputGradient: of the result's shape.
  ///   - needed: which operands' gradients to compute.
  /// - Returns: a gradient of the operand's shape where needed, `nil` elsewhere.
  /// - Throws: `ExecutionError.foreignRecord` if the record is of another plan, or of this expression
  ///   with other shapes.
  public func gradients(
    _ record: Record, outputGradient: Tensor<Element>, needed: [Bool]
  ) throws -> [Tensor<Element>?] {
    let pass = try passes.reverse(record, outputGradient: outputGradient, needed: needed)
    guard needed.contains(true) else { return needed.map { _ in nil } }
    let run = try run(pass, given: record.given + [outputGradient])
    return run.results
  }

  private func run(
    _ pass: RunSchedule.Pass, given: [Tensor<Element>?]
  ) throws -> PassRun<Element> {
    try requireMemory(pass)
    var timeline = timer.map { _ in ProgramTimeline() }
    let run = try PassRun(
      try passes.program(pass), given: given, communicator: communicator, meter: meter,
      timeline: &timeline)
    if let timer, let timeline { timer.measured(timeline) }
    return run
  }

  /// What runs a step of the plan, or an adjoint of it.
  public func lowered(_ kernel: StepTimer.Kernel) -> LoweredNest {
    passes.kernels.kernel(ContractionNest(plan.steps[kernel.step]), writing: kernel.role)
  }

  /// The most bytes that live at once while the plan runs: operands, intermediates, result and the
  /// kernels' workspace, exactly as a `MemoryMeter` counts them.
  ///
  /// - Parameter needed: with gradients of these operands, including the gradient of the result that
  ///   is handed in; `nil`: forward only.
  public func peakBytes(needed: [Bool]? = nil) throws(ExecutionError) -> Int {
    guard let needed else { return try passes.program(.forward).ranked.peakBytes }
    return max(
      try passes.program(checkpointing.forward).ranked.peakBytes,
      try passes.program(passes.reverse(needed: needed)).ranked.peakBytes)
  }

  /// Makes sure that a forward run fits into this machine's memory. Every run does; who has the
  /// operands yet to read may ask before.
  ///
  /// - Throws: `ExecutionError.notEnoughMemory`.
  public func requireMemory() throws(ExecutionError) { try requireMemory(.forward) }

  private func requireMemory(_ pass: RunSchedule.Pass) throws(ExecutionError) {
    try passes.requireMemory(
      pass, limitBytes: limitBytes, sharing: Launch.current.localProcesses)
  }

  private func check(_ operands: [Tensor<Element>]) throws(ExecutionError) {
    let shapes = plan.expression.shapes
    guard operands.count == shapes.count else {
      throw .operandCount(
        expression: plan.expression.text, expected: shapes.count, found: operands.count)
    }
    for (index, (operand, shape)) in zip(operands, shapes).enumerated()
    where operand.shape != shape {
      throw .operandShape(
        expression: plan.expression.text, operand: index, expected: shape, found: operand.shape)
    }
  }
}

extension Plan {
  /// - Throws: `ExecutionError.tooLarge`, `.tooManyTaps`; `.incompleteStep` of a plan that no planner makes,
  ///   where a step reads what is not there yet or no more.
  func requireRunnable() throws(ExecutionError) {
    var isRead = [Bool](repeating: false, count: expression.operands.count + steps.count)
    for (index, step) in steps.enumerated() {
      for value in step.operands {
        guard (0..<expression.operands.count + index).contains(value), !isRead[value] else {
          throw .incompleteStep(expression: expression.text, step: contractionText(step))
        }
        isRead[value] = true
      }
    }
    if let shape = firstUnaddressableShape {
      throw .tooLarge(expression: expression.text, shape: shape)
    }
    if let step = firstStepOfTooManyTaps {
      throw .tooManyTaps(expression: expression.text, step: contractionText(step))
    }
  }
}
