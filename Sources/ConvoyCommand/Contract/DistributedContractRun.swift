import Convoy
import Formats
import Foundation

/// One rank's part of `convoy contract` on several ranks: it reads its own boxes of the operands,
/// computes with the others, and writes its own part of the result. No rank ever holds a tensor
/// that its layout does not give it.
struct DistributedContractRun<Element: TensorElement>: Sendable {
  let fitted: FittedPlan<Element>
  let files: [NpyFile]
  let out: String
  let report: String?
  let trace: String?

  /// Collective.
  func callAsFunction(on communicator: any Communicator) throws {
    let meter = MemoryMeter()
    let contraction = try DistributedContraction<Element>(
      fitted.plan, communicator: communicator, overlap: fitted.overlap, meter: meter)
    communicator.enter(CollectiveStep(number: 0, description: "read the operands"))
    let operands = try communicator.together {
      try files.indices.map { operand -> Tensor<Element> in
        let box = fitted.plan.inputs[operand].box(of: communicator.rank)
        return try files[operand].tensor(box.ranges, meter: meter)
      }
    }
    try communicator.barrier()
    let before = communicator.traffic
    let result = try contraction(operands)
    let traffic = communicator.traffic.since(before)
    communicator.enter(CollectiveStep(number: 0, description: "write the result"))
    try write(result, communicator)
    let seconds = try communicator.largest(contraction.timeline.seconds)
    if let report {
      let contents = try RunReport(
        contraction.schedule, timeline: contraction.timeline, seconds: seconds,
        elementBytes: MemoryLayout<Element>.stride, receivedBytes: traffic.bytesReceived,
        peakBytes: meter.peakBytes, communicator: communicator)
      try communicator.together {
        guard communicator.rank == 0 else { return }
        try writeAtomically(to: report, bytes: Array((try contents.json() + "\n").utf8))
      }
    }
    if let trace {
      let rows = try communicator.gather(
        ChromeTrace.events(contraction.timeline, rank: communicator.rank))
      try communicator.together {
        guard communicator.rank == 0 else { return }
        try writeAtomically(to: trace, bytes: Array(ChromeTrace.file(rows).utf8))
      }
    }
  }

  /// Of copies the first alone is written.
  private func write(_ result: Tensor<Element>, _ communicator: any Communicator) throws {
    let (plan, rank) = (fitted.plan, communicator.rank)
    let isWriter =
      rank < plan.mesh.ranks
      && plan.output.replicationAxes.allSatisfy {
        plan.mesh.coordinate(axis: $0, rank: rank) == 0
      }
    let file = SharedResult(
      path: out, shape: plan.plan.expression.outputShape,
      elementType: MemoryLayout<Element>.stride == 8 ? .float64 : .float32,
      communicator: communicator)
    try result.withElements { elements in
      try file.write(
        isWriter ? (plan.output.box(of: rank), UnsafeRawBufferPointer(elements)) : nil)
    }
  }
}
