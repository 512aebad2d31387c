import Collectives
import Kernels
import Planning
import Synchronization

/// Whether the reverse pass keeps the intermediates of the forward pass or computes them again.
///
/// ```swift
/// let frugal = try Contraction<Float>(plan, checkpointing: .recompute)
/// ```
public enum Checkpointing: String, Hashable, Codable, Sendable, CaseIterable {
  /// Fastest: every intermediate stays in memory until the gradients are done.
  case keep
  /// Least memory: only the operands stay; the reverse pass runs the steps forward once more.
  case recompute
}

/// A plan made ready for one machine: each step lowered to a kernel. Made once, run many times.
///
/// ```swift
/// let bound = try BoundExpression("ij,jk->ik", shapes: [[2, 3], [3, 4]])
/// let product = try Contraction<Float>(Plan(bound))
/// let c = try product([a, b])
/// let (d, record) = try product.recorded([a, b])
/// let gradients = try product.gradients(record, outputGradient: d, needed: [true, false])
/// ```
public struct Contraction<Element: TensorElement>: Sendable {
  public let plan: Plan
  public let checkpointing: Checkpointing
  public let context: Context
  let forward: [LoweredNest]
  private let adjoints: AdjointKernels
  private let meter: MemoryMeter?
  private let timer: StepTimer?
  private let limitBytes: Int
  /// The plan's hash, which tells its records from others'.
  private let identity: UInt64

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
    try Self.requireRunnable(plan)
    self.limitBytes = limitBytes
    identity = plan.stableHash
    self.plan = plan
    self.checkpointing = checkpointing
    self.context = context
    self.meter = meter
    self.timer = timer
    BLAS.useOneThread()
    let nests = plan.steps.map { ContractionNest($0) }
    forward = nests.map { LoweredNest($0, writing: .result, context: context) }
    adjoints = AdjointKernels(nests, context)
  }

  /// What the reverse pass needs of a forward pass.
  public struct Record: Sendable {
    /// By value number; `nil` where it is not needed.
    let values: [Tensor<Element>?]
    /// Of the plan that was run, and its expression for messages.
    let identity: UInt64
    let expression: String
  }

  /// Runs the plan.
  ///
  /// - Parameter operands: one tensor per operand, of the shapes the plan was made for.
  /// - Returns: the result, its dimensions in the order of the expression's output.
  /// - Throws: `ExecutionError` if number or shapes of the operands differ.
  public func callAsFunction(_ operands: [Tensor<Element>]) throws(ExecutionError)
    -> Tensor<Element>
  {
    try check(operands)
    try requireMemory()
    return try run(operands, keepingAll: false).result
  }

  /// Runs the plan and keeps what its gradients need.
  public func recorded(
    _ operands: [Tensor<Element>]
  ) throws(ExecutionError) -> (result: Tensor<Element>, record: Record) {
    let keeps = checkpointing == .keep
    try check(operands)
    try requireMemory(keeps ? peakBytesKeepingAll() : peakBytes())
    let (result, values) = try run(operands, keepingAll: keeps)
    let record = Record(
      values: keeps ? values : operands, identity: identity, expression: plan.expression.text)
    return (result, record)
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
  ) throws(ExecutionError) -> [Tensor<Element>?] {
    let operandCount = plan.expression.operands.count
    guard needed.count == operandCount else {
      throw .operandCount(
        expression: plan.expression.text, expected: operandCount, found: needed.count)
    }
    guard outputGradient.shape == plan.expression.outputShape else {
      throw .gradientShape(
        expression: plan.expression.text, expected: plan.expression.outputShape,
        found: outputGradient.shape)
    }
    guard record.identity == identity else {
      throw .foreignRecord(expression: plan.expression.text, recorded: record.expression)
    }
    guard needed.contains(true) else { return needed.map { _ in nil } }
    try requireMemory(peakBytes(needed: needed))
    // A record of operands alone: the forward pass once more.
    let values =
      record.values.count > operandCount
      ? record.values : try run(record.values, keepingAll: true).values
    return try reverse(values, outputGradient: outputGradient, needed: needed)
  }

  private func reverse(
    _ values: [Tensor<Element>?], outputGradient: Tensor<Element>, needed: [Bool]
  ) throws(ExecutionError) -> [Tensor<Element>?] {
    let operandCount = needed.count
    var needs = needed
    for step in plan.steps { needs.append(step.operands.contains { needs[$0] }) }
    var gradients = [Tensor<Element>?](repeating: nil, count: needs.count)
    gradients[needs.count - 1] = outputGradient
    for (index, step) in plan.steps.enumerated().reversed() where needs[operandCount + index] {
      guard let gradient = gradients[operandCount + index] else { throw incomplete(step) }
      gradients[operandCount + index] = nil
      for (position, operand) in step.operands.enumerated() where needs[operand] {
        let role: ContractionNest.Role = position == 0 ? .first : .second
        let other = try self.operand(1 - position, of: step, values)
        // The sources of `first` are (result, second), of `second` (first, result).
        let sources = position == 0 ? (gradient, other) : (other, gradient)
        gradients[operand] = run(
          StepTimer.Kernel(step: index, role: role), sources.0, sources.1,
          shape: step.operandShapes[position])
      }
    }
    return Array(gradients[..<operandCount])
  }

  /// Runs the steps; a value is released after the step that reads it unless all are kept.
  private func run(
    _ operands: [Tensor<Element>?], keepingAll: Bool
  ) throws(ExecutionError) -> (result: Tensor<Element>, values: [Tensor<Element>?]) {
    var values = operands
    var result = Tensor<Element>(1)
    for (index, step) in plan.steps.enumerated() {
      let first = try operand(0, of: step, values)
      let second = try operand(1, of: step, values)
      result = run(
        StepTimer.Kernel(step: index, role: .result), first, second, shape: step.resultShape)
      if !keepingAll {
        for operand in step.operands { values[operand] = nil }
      }
      values.append(result)
    }
    if keepingAll { values[values.count - 1] = nil }
    return (result, values)
  }

  /// A step's operand; the scalar 1 as the second one of a step of one operand.
  private func operand(
    _ position: Int, of step: Step, _ values: [Tensor<Element>?]
  ) throws(ExecutionError) -> Tensor<Element> {
    guard position < step.operands.count else { return Tensor(1) }
    guard let value = values[step.operands[position]] else { throw incomplete(step) }
    return value
  }

  private func incomplete(_ step: Step) -> ExecutionError {
    .incompleteStep(expression: plan.expression.text, step: plan.contractionText(step))
  }

  private func run(
    _ name: StepTimer.Kernel, _ p: Tensor<Element>, _ q: Tensor<Element>, shape: [Int]
  ) -> Tensor<Element> {
    let kernel = lowered(name)
    let start = timer.map { _ in ContinuousClock.now }
    var result = Tensor<Element>(uninitialized: shape, meter: meter)
    var workspace = Tensor<Element>(uninitialized: [kernel.workspaceCount], meter: meter)
    result.withMutablePointer { destination in
      workspace.withMutablePointer { scratch in
        p.withPointer { p in
          q.withPointer { q in
            kernel.run(into: destination, p, q, workspace: scratch)
          }
        }
      }
    }
    if let start { timer?.measured(name, (ContinuousClock.now - start) / .seconds(1)) }
    return result
  }

  /// What runs a step of the plan, or an adjoint of it.
  public func lowered(_ kernel: StepTimer.Kernel) -> LoweredNest {
    kernel.role == .result ? forward[kernel.step] : adjoints[kernel.step, kernel.role]
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

  /// Makes sure that a forward run fits into this machine's memory. Every run does; who has the
  /// operands yet to read may ask before.
  ///
  /// - Throws: `ExecutionError.notEnoughMemory`, for an allocation that fails would end the process
  ///   without a word.
  public func requireMemory() throws(ExecutionError) { try requireMemory(peakBytes()) }

  private func requireMemory(_ needed: Int) throws(ExecutionError) {
    guard needed > limitBytes else { return }
    let tensors = plan.expression.shapes + plan.steps.map(\.resultShape)
    throw .notEnoughMemory(
      expression: plan.expression.text, needed: needed, available: limitBytes,
      sharing: Launch.current.localProcesses,
      largest: tensors.max { $0.reduce(1, *) < $1.reduce(1, *) } ?? [])
  }

  static func requireRunnable(_ plan: Plan) throws(ExecutionError) {
    if let shape = plan.firstUnaddressableShape {
      throw .tooLarge(expression: plan.expression.text, shape: shape)
    }
    if let step = plan.firstStepOfTooManyTaps {
      throw .tooManyTaps(
        expression: plan.expression.text, step: plan.contractionText(step))
    }
  }
}

/// The adjoint kernels of a plan's steps, lowered when they are first asked for: plans that only
/// run forward never pay for them.
private final class AdjointKernels: Sendable {
  private struct Key: Hashable {
    let step: Int
    let role: ContractionNest.Role
  }

  private let nests: [ContractionNest]
  private let context: Context
  private let lowered = Mutex<[Key: LoweredNest]>([:])

  init(_ nests: [ContractionNest], _ context: Context) {
    (self.nests, self.context) = (nests, context)
  }

  subscript(step: Int, role: ContractionNest.Role) -> LoweredNest {
    lowered.withLock { cache in
      let key = Key(step: step, role: role)
      if let kernel = cache[key] { return kernel }
      let kernel = LoweredNest(nests[step], writing: role, context: context)
      cache[key] = kernel
      return kernel
    }
  }
}
