import Kernels

/// A schedule made ready for one rank: its boxes, messages and kernels; what a program takes up.
struct RankProgram: Sendable {
  let schedule: RunSchedule
  let rank: Int
  let operations: [RunSchedule.Operation]
  /// Shapes of the buffers that are allocated or given.
  let shapes: [[Int]]
  let transfers: [LocalTransfer]
  let kernels: [RunSchedule.Kernel: LoweredNest]
  /// What each transfer, and each step, is called; without steps, the expression.
  let transferNames: [String]
  let stepNames: [String]
  /// The most bytes that live at once.
  let peakBytes: Int

  init(_ schedule: RunSchedule, rank: Int, elementBytes: Int) {
    self.schedule = schedule
    self.rank = rank
    operations = schedule.operations(of: rank)
    let isIdle = schedule.isIdle(rank)
    shapes = schedule.buffers.map { content in
      if case .box(let layout, let slice) = content {
        return layout.box(of: rank, slice: slice).shape
      }
      return [isIdle ? 0 : schedule.elements(of: content, rank: rank)]
    }
    transfers = (isIdle ? [] : schedule.transfers).map {
      LocalTransfer(schedule.movements[$0.movement], slice: $0.slice, rank: rank)
    }
    var kernels: [RunSchedule.Kernel: LoweredNest] = [:]
    for case .run(let work) in operations {
      kernels[work.kernel] = schedule.lowered(work.kernel, rank: rank)
    }
    self.kernels = kernels
    transferNames = schedule.transfers.map { transfer in
      let name = schedule.movements[transfer.movement].name
      return schedule.plan.mesh.sliceCount > 1 ? "\(name), slice \(transfer.slice)" : name
    }
    peakBytes = schedule.peakBytes(rank: rank, elementBytes: elementBytes)
    let plan = schedule.plan.plan
    let steps = plan.steps.map { "contract '\(plan.contractionText($0))'" }
    stepNames = steps.isEmpty ? [plan.expression.text] : steps
  }

  /// Elements of a buffer.
  func count(_ buffer: Int) -> Int { shapes[buffer].reduce(1, *) }

  func step(ofTransfer transfer: Int) -> Int {
    schedule.movements[schedule.transfers[transfer].movement].step
  }
}
