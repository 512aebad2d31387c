import Collectives
import Execution
import Kernels
import Partitioning
import Planning
import TestSupport

extension Layout {
  /// A rank's box of a whole tensor, its indices taken modulo the extents.
  func box<Element: TensorElement>(
    of whole: Tensor<Element>, rank: Int, meter: MemoryMeter? = nil
  ) -> Tensor<Element> {
    let ranges = box(of: rank).ranges
    let all = whole.elements
    var offsets = [0]
    for (range, extent) in zip(ranges, shape) {
      offsets = offsets.flatMap { offset in
        range.map { offset * extent + ($0 % extent + extent) % extent }
      }
    }
    var box = Tensor<Element>(uninitialized: ranges.map(\.count), meter: meter)
    box.withMutableElements { elements in
      for (index, offset) in offsets.enumerated() { elements[index] = all[offset] }
    }
    return box
  }

  /// The whole tensor of what the ranks at work hold, and whether all copies are equal bit by bit.
  func assembled<Element: TensorElement>(
    _ boxes: [Tensor<Element>]
  ) -> (whole: Tensor<Double>, isConsistent: Bool) {
    let count = shape.reduce(1, *)
    var whole = [Double](repeating: .nan, count: count)
    var isConsistent = true
    for (rank, box) in boxes.prefix(mesh.ranks).enumerated() {
      var offsets = [0]
      for (range, extent) in zip(self.box(of: rank).ranges, shape) {
        offsets = offsets.flatMap { offset in range.map { offset * extent + $0 } }
      }
      if offsets.count != box.count { return (Tensor(shape: [0]), false) }
      for (offset, element) in zip(offsets, box.elements) {
        let value = Double(element)
        if !whole[offset].isNaN && whole[offset] != value { isConsistent = false }
        whole[offset] = value
      }
    }
    return (Tensor(shape: shape, elements: whole), isConsistent)
  }
}

/// What one rank did.
struct RankResult<Element: TensorElement>: Sendable {
  var box: Tensor<Element>
  var gradients: [Tensor<Element>?] = []
  var receivedBytes: Int
  var reportedBytes: Int
  var peakBytes: Int
  var liveBytes: Int
}

/// Runs a plan on threads and counts what every rank receives and allocates.
func runForward<Element: TensorElement>(
  _ schedule: RunSchedule, _ operands: [Tensor<Element>]
) throws -> [RankResult<Element>] {
  let plan = schedule.plan
  return try ThreadCommunicator.run(ranks: plan.ranks) { communicator in
    let rank = communicator.rank
    let meter = MemoryMeter()
    let contraction = try DistributedContraction<Element>(
      schedule, communicator: communicator, meter: meter)
    let boxes = zip(plan.inputs, operands).map { $0.box(of: $1, rank: rank, meter: meter) }
    let before = communicator.traffic
    let box = try contraction(boxes)
    let live = withExtendedLifetime(boxes) { meter.liveBytes }
    return RankResult(
      box: box, receivedBytes: communicator.traffic.since(before).bytesReceived,
      reportedBytes: contraction.timeline.receivedBytes, peakBytes: meter.peakBytes,
      liveBytes: live)
  }
}

/// Likewise with gradients.
func runWithGradients<Element: TensorElement>(
  _ schedule: RunSchedule, _ operands: [Tensor<Element>], outputGradient: Tensor<Element>,
  needed: [Bool], checkpointing: Checkpointing = .keep
) throws -> [RankResult<Element>] {
  let plan = schedule.plan
  return try ThreadCommunicator.run(ranks: plan.ranks) { communicator in
    let rank = communicator.rank
    let meter = MemoryMeter()
    let contraction = try DistributedContraction<Element>(
      schedule, communicator: communicator, checkpointing: checkpointing, meter: meter)
    // What the first calls compare is no part of the passes.
    try contraction.prepare(gradientPasses(checkpointing, needed: needed))
    let boxes = zip(plan.inputs, operands).map { $0.box(of: $1, rank: rank, meter: meter) }
    let before = communicator.traffic
    let (result, record) = try contraction.recorded(boxes)
    let box = Tensor<Element>(shape: result.shape, elements: result.elements)
    var reported = contraction.timeline.receivedBytes
    let gradients = try reverse(
      contraction, consume record, consume result, outputGradient: outputGradient, needed: needed,
      rank: rank, meter: meter)
    reported += contraction.timeline.receivedBytes
    let live = withExtendedLifetime((boxes, gradients)) { meter.liveBytes }
    return RankResult(
      box: box, gradients: gradients,
      receivedBytes: communicator.traffic.since(before).bytesReceived, reportedBytes: reported,
      peakBytes: meter.peakBytes, liveBytes: live)
  }
}

/// Forward and back.
func gradientPasses(_ checkpointing: Checkpointing, needed: [Bool]) -> [RunSchedule.Pass] {
  switch checkpointing {
  case .keep: [.recorded, .reverse(needed: needed)]
  case .recompute: [.forward, .reverse(needed: needed, recomputing: true)]
  }
}

/// The result is released before its gradient comes in, as in training.
private func reverse<Element: TensorElement>(
  _ contraction: DistributedContraction<Element>,
  _ record: consuming DistributedContraction<Element>.Record, _ result: consuming Tensor<Element>,
  outputGradient: Tensor<Element>, needed: [Bool],
  rank: Int, meter: MemoryMeter
) throws -> [Tensor<Element>?] {
  _ = consume result
  let gradient = contraction.plan.output.box(of: outputGradient, rank: rank, meter: meter)
  return try contraction.gradients(record, outputGradient: gradient, needed: needed)
}
