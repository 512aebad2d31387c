import Convoy
import Formats
import Foundation

/// One rank's part of `convoy contract` on several ranks: it reads its own boxes of the operands,
/// computes with the others, and writes its own part of the result. No rank ever holds a tensor
/// that its layout does not give it.
struct DistributedContractRun<Element: TensorElement>: Sendable {
  let fitted: FittedPlan<Element>
  let files: [NpyFile]
  /// What to go back with, if gradients are asked for.
  let gradients: GradientFiles?
  let out: String
  let report: String?
  let trace: String?

  /// Collective.
  func callAsFunction(on communicator: any Communicator) throws {
    let meter = MemoryMeter()
    let contraction = try DistributedContraction<Element>(
      fitted.plan, communicator: communicator, overlap: fitted.overlap, meter: meter)
    if gradients != nil {
      try contraction.prepare([.recorded, .reverse(needed: fitted.plan.inputs.map { _ in true })])
    }
    communicator.enter(CollectiveStep(number: 0, description: "read the operands"))
    let operands = try communicator.together {
      try files.indices.map {
        try box(fitted.plan.inputs[$0], of: files[$0], communicator.rank, meter)
      }
    }
    try communicator.barrier()
    var measured = Measurement(communicator)
    let outputs: [SharedResult.Written]
    if let gradients {
      let (written, record) = try forward(contraction, operands, &measured)
      outputs = [written] + (try reverse(contraction, record, gradients, meter, &measured))
    } else {
      let result = try measured.pass(contraction) { try contraction(operands) }
      communicator.enter(CollectiveStep(number: 0, description: "write the result"))
      outputs = [try write(result, in: fitted.plan.output, to: out, communicator)]
    }
    // Operands are held until all is computed, as is predicted, whether or not anything reads them again.
    withExtendedLifetime(operands) {}
    for output in outputs { try output.finish(communicator) }
    try describe(measured, peakBytes: meter.peakBytes)
  }

  /// The result is written, and no longer held, before the gradients are computed.
  private func forward(
    _ contraction: DistributedContraction<Element>, _ operands: [Tensor<Element>],
    _ measured: inout Measurement
  ) throws -> (SharedResult.Written, DistributedContraction<Element>.Record) {
    let communicator = measured.communicator
    let (result, record) = try measured.pass(contraction) { try contraction.recorded(operands) }
    communicator.enter(CollectiveStep(number: 0, description: "write the result"))
    return (try write(result, in: fitted.plan.output, to: out, communicator), record)
  }

  private func reverse(
    _ contraction: DistributedContraction<Element>,
    _ record: DistributedContraction<Element>.Record, _ files: GradientFiles,
    _ meter: MemoryMeter, _ measured: inout Measurement
  ) throws -> [SharedResult.Written] {
    let communicator = measured.communicator
    communicator.enter(CollectiveStep(number: 0, description: "read the result's gradient"))
    let outputGradient = try communicator.together {
      try box(fitted.plan.output, of: files.resultGradient, communicator.rank, meter)
    }
    let needed = fitted.plan.inputs.map { _ in true }
    let gradients = try measured.pass(contraction) {
      try contraction.gradients(record, outputGradient: outputGradient, needed: needed)
    }
    communicator.enter(CollectiveStep(number: 0, description: "write the gradients"))
    return try gradients.enumerated().compactMap { operand, gradient in
      try gradient.map {
        try write(
          $0, in: fitted.plan.inputs[operand], to: files.path(operand: operand), communicator)
      }
    }
  }

  private func describe(_ measured: Measurement, peakBytes: Int) throws {
    let communicator = measured.communicator
    let seconds = try communicator.largest(measured.timeline.seconds)
    if let report {
      let contents = try RunReport(
        fitted.plan,
        passes: try RunSchedule.passes(
          fitted.plan, gradients: gradients.map { _ in fitted.plan.inputs.map { _ in true } },
          overlap: fitted.overlap),
        timeline: measured.timeline, seconds: seconds,
        elementBytes: MemoryLayout<Element>.stride, receivedBytes: measured.receivedBytes,
        peakBytes: peakBytes, communicator: communicator)
      try communicator.together {
        guard communicator.rank == 0 else { return }
        try writeAtomically(to: report, bytes: Array((try contents.json() + "\n").utf8))
      }
    }
    if let trace {
      let rows = try communicator.gather(
        ChromeTrace.text(
          measured.timeline.events.map {
            ChromeTrace.Event(
              name: $0.text, category: $0.kind.rawValue, start: $0.start, duration: $0.duration)
          }, rank: communicator.rank, as: .thread))
      try communicator.together {
        guard communicator.rank == 0 else { return }
        try writeAtomically(to: trace, bytes: Array(ChromeTrace.file(rows, as: .thread).utf8))
      }
    }
  }

  private func box(
    _ layout: Layout, of file: NpyFile, _ rank: Int, _ meter: MemoryMeter
  ) throws -> Tensor<Element> {
    try file.tensor(layout.box(of: rank).ranges, meter: meter)
  }

  /// Of copies the first alone is written.
  private func write(
    _ tensor: Tensor<Element>, in layout: Layout, to path: String,
    _ communicator: any Communicator
  ) throws -> SharedResult.Written {
    let (mesh, rank) = (fitted.plan.mesh, communicator.rank)
    let isWriter =
      rank < mesh.ranks
      && layout.replicationAxes.allSatisfy { mesh.coordinate(axis: $0, rank: rank) == 0 }
    let file = SharedResult(
      path: path, shape: layout.shape,
      elementType: MemoryLayout<Element>.stride == 8 ? .float64 : .float32,
      communicator: communicator)
    return try tensor.withElements { elements in
      try file.write(
        isWriter ? (layout.box(of: rank), UnsafeRawBufferPointer(elements)) : nil)
    }
  }
}

/// What the passes of one run did on a rank.
private struct Measurement {
  let communicator: any Communicator
  private(set) var timeline = ProgramTimeline()
  private(set) var receivedBytes = 0

  init(_ communicator: any Communicator) { self.communicator = communicator }

  mutating func pass<Element: TensorElement, R>(
    _ contraction: DistributedContraction<Element>, _ body: () throws -> R
  ) throws -> R {
    let before = communicator.traffic
    let result = try body()
    receivedBytes += communicator.traffic.since(before).bytesReceived
    timeline = timeline.followed(by: contraction.timeline)
    return result
  }
}
