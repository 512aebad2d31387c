import Collectives
import Graph
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

  /// The pass that makes what a reverse pass begins with.
  var forward: RunSchedule.Pass { self == .keep ? .recorded : .forward }
}

/// What the reverse pass needs of a forward pass: the operands of every step, where it needed them; of
/// steps in slices, what comes into the slices; or the operands alone, to compute all that once more.
public struct ContractionRecord<Element: TensorElement>: Sendable {
  /// In the order in which the reverse pass is given it.
  let given: [Tensor<Element>?]
  /// Whether these are the operands alone.
  let checkpointing: Checkpointing
  /// Of the passes that it is of, and their expression for messages.
  let identity: UInt64
  let rank: Int
  let expression: String
}

/// The passes of a plan, each made ready for one rank when it is first asked for.
final class PassPrograms<Element: TensorElement>: Sendable {
  let plan: DistributedPlan
  let rank: Int
  let checkpointing: Checkpointing
  let overlap: Bool
  /// Which all passes share.
  let kernels: KernelCache
  private let identity: UInt64
  private let programs = Mutex<[RunSchedule.Pass: PassProgram]>([:])

  init(
    _ plan: DistributedPlan, rank: Int, checkpointing: Checkpointing, overlap: Bool,
    kernels: KernelCache
  ) {
    self.plan = plan
    self.rank = rank
    self.checkpointing = checkpointing
    self.overlap = overlap
    self.kernels = kernels
    identity = plan.stableHash
    BLAS.useOneThread()
  }

  private var text: String { plan.plan.expression.text }

  /// The pass that goes back to these operands, with a record of one's own.
  func reverse(needed: [Bool], asTerms: Bool = false) -> RunSchedule.Pass {
    .reverse(needed: needed, asTerms: asTerms, recomputing: checkpointing == .recompute)
  }

  /// Other threads wait for the program that they need too.
  func program(_ pass: RunSchedule.Pass) throws(ExecutionError) -> PassProgram {
    try programs.withLock { programs throws(ExecutionError) in
      if let known = programs[pass] { return known }
      let schedule = try RunSchedule(plan, pass: pass, overlap: overlap, kernels: kernels)
      let program = PassProgram(
        RankProgram(schedule, rank: rank, elementBytes: MemoryLayout<Element>.stride),
        type: ElementType(Element.self))
      programs[pass] = program
      return program
    }
  }

  /// - Throws: `ExecutionError.notEnoughMemory`, for an allocation that fails would end the process
  ///   without a word.
  func requireMemory(
    _ pass: RunSchedule.Pass, limitBytes: Int, sharing: Int
  ) throws(ExecutionError) {
    let program = try program(pass).ranked
    guard program.peakBytes > limitBytes else { return }
    throw .notEnoughMemory(
      expression: text, needed: program.peakBytes, available: limitBytes, sharing: sharing,
      largest: program.shapes.max { $0.reduce(1, *) < $1.reduce(1, *) } ?? [])
  }

  /// The result of a forward run.
  func result(_ run: PassRun<Element>) -> Tensor<Element> {
    guard let result = run.results[0] else { preconditionFailure("a pass without a result") }
    return result
  }

  /// What a run of `checkpointing.forward` leaves for the reverse pass.
  func record(
    _ run: PassRun<Element>, operands: [Tensor<Element>]
  ) -> ContractionRecord<Element> {
    ContractionRecord(
      given: checkpointing == .keep ? run.kept : operands, checkpointing: checkpointing,
      identity: identity, rank: rank, expression: text)
  }

  /// The pass that goes back from a record, once everything fits.
  ///
  /// - Throws: `ExecutionError`, where number or shape differ, or the record is another plan's.
  func reverse(
    _ record: ContractionRecord<Element>, outputGradient: Tensor<Element>, needed: [Bool],
    asTerms: Bool = false
  ) throws(ExecutionError) -> RunSchedule.Pass {
    guard needed.count == plan.inputs.count else {
      throw .operandCount(expression: text, expected: plan.inputs.count, found: needed.count)
    }
    let expected = plan.output.box(of: rank).shape
    guard outputGradient.shape == expected else {
      throw .gradientShape(expression: text, expected: expected, found: outputGradient.shape)
    }
    guard record.identity == identity, record.rank == rank else {
      throw .foreignRecord(expression: text, recorded: record.expression)
    }
    return .reverse(
      needed: needed, asTerms: asTerms, recomputing: record.checkpointing == .recompute)
  }
}
