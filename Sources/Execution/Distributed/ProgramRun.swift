import Collectives
import Kernels

/// One run of a rank's program: what runs every plan, on one process or many.
///
/// Buffers are reached through their addresses, which messages on their way need to stay where they
/// are: a tensor of this run is never copied, and is released only when the schedule says so.
final class ProgramRun<Element: TensorElement> {
  private struct Buffer {
    let tensor: Tensor<Element>
    let start: UnsafeMutablePointer<Element>
  }

  let program: RankProgram
  private let communicator: any Communicator
  private let meter: MemoryMeter?
  private let timer: StepTimer?
  /// What this rank was doing, of which the run is a part.
  private let outer: CollectiveStep?
  /// Collective steps before this run; `nil`: nobody is told of its steps, for no other rank waits
  /// for this one in them.
  private let firstNumber: Int?
  private var buffers: [Buffer?]
  private var pending: [Int: any PendingExchange] = [:]
  private let one = Tensor<Element>(1)
  private let clock = ContinuousClock()
  private let began: ContinuousClock.Instant
  private(set) var timeline = RunTimeline()

  /// - Parameter given: the caller's buffers.
  init(
    _ program: RankProgram, given: [Tensor<Element>?], communicator: any Communicator,
    meter: MemoryMeter?, timer: StepTimer? = nil, firstNumber: Int?
  ) {
    self.program = program
    self.communicator = communicator
    self.meter = meter
    self.timer = timer
    self.firstNumber = firstNumber
    outer = firstNumber.flatMap { _ in communicator.step }
    began = clock.now
    buffers = program.shapes.map { _ in nil }
    for (index, tensor) in given.enumerated() {
      guard let tensor else { continue }
      // Never written: the schedule only reads what is the caller's.
      let start = tensor.withPointer { UnsafeMutablePointer(mutating: $0) }
      buffers[index] = Buffer(tensor: tensor, start: start)
    }
    timeline.movements = program.schedule.movements.map {
      RunTimeline.Movement(name: $0.name, step: $0.step, receivedBytes: 0)
    }
  }

  subscript(buffer: Int) -> Tensor<Element>? { buffers[buffer]?.tensor }

  /// Carries out all operations.
  func perform() throws {
    do {
      for (index, operation) in program.operations.enumerated() {
        try perform(operation, number: index)
      }
    } catch {
      // Exchanges end before the buffers that they would write to.
      pending.removeAll()
      throw error
    }
    if firstNumber != nil { communicator.enter(outer) }
    timeline.seconds = seconds(since: began)
  }

  private func perform(_ operation: RunSchedule.Operation, number: Int) throws {
    switch operation {
    case .allocate(let buffer):
      var tensor = Tensor<Element>(uninitialized: program.shapes[buffer], meter: meter)
      let start = tensor.withMutablePointer { $0 }
      buffers[buffer] = Buffer(tensor: tensor, start: start)
    case .release(let buffer):
      buffers[buffer] = nil
    case .clear(let buffer):
      clear(address(buffer), count: program.shapes[buffer].reduce(1, *))
    case .start(let transfer):
      try timed(transfer: transfer, number: number) { try start(transfer) }
    case .finish(let transfer):
      try timed(transfer: transfer, number: number) { try finish(transfer) }
    case .run(let work):
      let name = program.stepNames[work.kernel.step]
      enter(number, name)
      let start = clock.now
      try run(work)
      let seconds = record(name, .compute, step: work.kernel.step, start)
      timer?.measured(
        StepTimer.Kernel(step: work.kernel.step, role: work.kernel.role), seconds)
      if !pending.isEmpty { communicator.progress() }
    case .add(let buffer, let sum):
      let count = program.shapes[sum].reduce(1, *)
      Element.addAll(UnsafePointer(address(buffer)), to: address(sum), count: count)
    case .keepFirstCopy(let source, let target, let axes):
      let count = program.shapes[target].reduce(1, *)
      let mesh = program.schedule.plan.mesh
      if axes.allSatisfy({ mesh.coordinate(axis: $0, rank: program.rank) == 0 }) {
        address(target).update(from: address(source), count: count)
      } else {
        clear(address(target), count: count)
      }
    }
  }

  private func enter(_ number: Int, _ name: String) {
    guard let firstNumber else { return }
    let step = CollectiveStep(number: firstNumber + number, description: name)
    communicator.enter(outer?.inner(step) ?? step)
  }

  private func address(_ buffer: Int) -> UnsafeMutablePointer<Element> {
    guard let start = buffers[buffer]?.start else {
      preconditionFailure("the schedule uses buffer \(buffer) before it has it: a wrong result")
    }
    return start
  }

  private func clear(_ start: UnsafeMutablePointer<Element>, count: Int) {
    // One memset: assigning elements of a generic type would call a function for each.
    UnsafeMutableRawPointer(start).initializeMemory(
      as: UInt8.self, repeating: 0, count: count * MemoryLayout<Element>.stride)
  }

  private func run(_ work: RunSchedule.Work) throws(ExecutionError) {
    guard let kernel = program.kernels[work.kernel] else {
      let plan = program.schedule.plan.plan
      throw .incompleteStep(
        expression: plan.expression.text,
        step: plan.contractionText(plan.steps[work.kernel.step]))
    }
    one.withPointer { one in
      let sources = work.sources.map { $0.map { UnsafePointer(address($0)) } ?? one }
      kernel.run(
        into: address(work.destination), sources[0], sources[1],
        workspace: address(work.workspace), adding: work.adding)
    }
  }

  private func start(_ index: Int) throws {
    let transfer = program.schedule.transfers[index]
    pending[index] = try program.transfers[index].start(
      from: UnsafePointer(address(transfer.source)), to: address(transfer.target),
      outgoing: transfer.outgoing.map(address), incoming: transfer.incoming.map(address),
      communicator: communicator, .elements)
  }

  private func finish(_ index: Int) throws {
    let transfer = program.schedule.transfers[index]
    let local = program.transfers[index]
    try pending.removeValue(forKey: index)?.wait()
    timeline.movements[transfer.movement].receivedBytes +=
      local.receivedCount * MemoryLayout<Element>.stride
    local.finish(
      from: UnsafePointer(address(transfer.source)),
      incoming: transfer.incoming.map { UnsafePointer(address($0)) },
      to: address(transfer.target), .elements)
  }

  private func timed(transfer index: Int, number: Int, _ body: () throws -> Void) rethrows {
    let name = program.transferNames[index]
    enter(number, name)
    let start = clock.now
    try body()
    let movement = program.schedule.transfers[index].movement
    record(name, .communication, step: program.schedule.movements[movement].step, start)
  }

  @discardableResult private func record(
    _ name: String, _ kind: RunTimeline.Kind, step: Int, _ start: ContinuousClock.Instant
  ) -> Double {
    let duration = seconds(since: start)
    timeline.events.append(
      RunTimeline.Event(
        name: name, kind: kind, step: step, start: start.secondsSince(began),
        duration: duration))
    return duration
  }

  private func seconds(since start: ContinuousClock.Instant) -> Double {
    clock.now.secondsSince(start)
  }
}

extension ContinuousClock.Instant {
  fileprivate func secondsSince(_ start: ContinuousClock.Instant) -> Double {
    let duration = start.duration(to: self).components
    return Double(duration.seconds) + Double(duration.attoseconds) * 1e-18
  }
}
