import Convoy
import Formats

/// Runs expressions on 1 … P ranks of a job of P; every rank makes the same calls.
///
/// A plan for q ranks runs on the first q of the job, the others hold nothing and wait. Each rank
/// fills its own boxes of the operands, so that no rank ever has a whole tensor that its layout does
/// not give it. One run comes before those that are timed; a repetition is a barrier and a run, and
/// takes as long as its slowest rank.
///
/// ```swift
/// let benchmark = try ScalingBenchmark<Float>(communicator)
/// let series = try benchmark.measure(entry, [.strong, .weak])
/// ```
struct ScalingBenchmark<Element: TensorElement> {
  private let communicator: any Communicator
  private let machine: MachineModel
  private let objective: Objective
  private let repetitions: Int
  /// Of the host that has least.
  private let hostBytes: Int
  /// Of the host that has most.
  private let ranksPerHost: Int

  /// Collective.
  ///
  /// - Parameters:
  ///   - hostBytes: memory of this rank's host.
  ///   - ranksPerHost: ranks that share it.
  init(
    _ communicator: any Communicator, machine: MachineModel = .standard,
    objective: Objective = .time, repetitions: Int = 5, hostBytes: Int = HostMemory.limitBytes,
    ranksPerHost: Int = Launch.current.localProcesses
  ) throws {
    self.communicator = communicator
    self.machine = machine
    self.objective = objective
    self.repetitions = repetitions
    self.hostBytes = try communicator.gather(hostBytes).min() ?? hostBytes
    self.ranksPerHost = try communicator.gather(ranksPerHost).max() ?? ranksPerHost
  }

  /// On how many ranks a job of P measures: all numbers up to 8, then the powers of two, and P.
  static func rankCounts(upTo ranks: Int) -> [Int] {
    var counts = Array(1...max(1, min(8, ranks)))
    while let last = counts.last, last < ranks { counts.append(min(2 * last, ranks)) }
    return counts
  }

  /// One case, in as many series as it has kinds of scaling: a case without a weak mode has no weak
  /// one. All ranks get the same.
  func measure(_ entry: ScalingCase, _ kinds: [ScalingKind]) throws -> [ScalingSeries] {
    // On one rank both kinds are the same problem.
    var onOneRank: Outcome?
    return try kinds.filter { $0 == .strong || entry.weak != nil }.map { kind in
      var points: [ScalingSeries.Point] = []
      var skipped: [ScalingSeries.Skipped] = []
      for ranks in Self.rankCounts(upTo: communicator.size) {
        let known = ranks == 1 ? onOneRank : nil
        let outcome =
          try known ?? measure(entry, ranks: ranks, growth: kind == .weak ? ranks : 1)
        if ranks == 1 { onOneRank = outcome }
        switch outcome {
        case .measured(let point): points.append(point)
        case .skipped(let reason): skipped.append(reason)
        }
      }
      return ScalingSeries(entry, kind, points: points, skipped: skipped)
    }
  }

  private enum Outcome {
    case measured(ScalingSeries.Point)
    case skipped(ScalingSeries.Skipped)
  }

  private func measure(_ entry: ScalingCase, ranks: Int, growth: Int) throws -> Outcome {
    communicator.enter(
      CollectiveStep(number: 0, description: "measure '\(printable(entry.name))' on \(ranks) ranks")
    )
    let elementBytes = MemoryLayout<Element>.stride
    let (plan, explanation, needs) = try communicator.together {
      let planned = try DistributedPlan(
        entry.bound(growth: growth),
        options: DistributionOptions(
          ranks: ranks, objective: objective, machine: machine, elementBytes: elementBytes))
      let plan = DistributedPlan(
        plan: planned.plan, ranks: communicator.size, mesh: planned.mesh, inputs: planned.inputs,
        steps: planned.steps, output: planned.output, slicedMode: planned.slicedMode,
        search: planned.search)
      let explanation = PlanExplanation(plan, machine: machine, elementBytes: elementBytes)
      return (
        plan, explanation,
        try RankNeeds(explanation, overlap: true, elementBytes: elementBytes, gradients: nil)
      )
    }
    let available = hostBytes / min(plan.mesh.ranks, ranksPerHost)
    let needed = needs.peakBytes.max() ?? 0
    guard needed <= Double(available) else {
      return .skipped(
        .init(ranks: ranks, neededBytes: Count(needed), availableBytes: available))
    }
    let predicted = ScalingSeries.Cost(
      seconds: explanation.steps.reduce(0) { $0 + $1.seconds },
      bytesReceivedPerRank: needs.receivedBytes, peakBytesPerRank: needs.peakBytes.map { Int($0) })
    return .measured(
      .init(ranks: ranks, plan: plan, predicted: predicted, measured: try run(plan)))
  }

  private func run(_ plan: DistributedPlan) throws -> ScalingSeries.Cost {
    let meter = MemoryMeter()
    let contraction = try DistributedContraction<Element>(
      plan, communicator: communicator, meter: meter)
    let boxes = plan.inputs.indices.map { operand in
      let box = plan.inputs[operand].box(of: communicator.rank)
      var tensor = Tensor<Element>(uninitialized: box.shape, meter: meter)
      tensor.withMutableElements {
        ScalingInput.fill($0, box: box, of: plan.inputs[operand].shape, operand: operand)
      }
      return tensor
    }
    _ = try contraction(boxes)
    var seconds: [Double] = []
    var received = 0
    for _ in 0..<repetitions {
      try communicator.barrier()
      let before = communicator.traffic
      _ = try contraction(boxes)
      received = max(received, communicator.traffic.since(before).bytesReceived)
      seconds.append(contraction.timeline.seconds)
    }
    let all = try gathered(seconds, communicator)
    let slowest = seconds.indices.map { repetition in
      all.reduce(0) { max($0, $1[repetition]) }
    }
    return ScalingSeries.Cost(
      // One process may be done before its clock has moved.
      seconds: max(1e-9, Self.median(slowest)),
      bytesReceivedPerRank: try communicator.gather(received),
      peakBytesPerRank: try communicator.gather(meter.peakBytes))
  }

  static func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    let middle = sorted.count / 2
    guard !sorted.isEmpty else { return 0 }
    return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
  }
}

/// The elements of a benchmark's operands: numbers in -1 ..< 1 that depend on the operand and the
/// place in the whole tensor alone, so that every layout holds parts of the same tensor.
enum ScalingInput {
  /// Fills a box of a tensor of this shape, row-major.
  static func fill<Element: TensorElement>(
    _ elements: UnsafeMutableBufferPointer<Element>, box: Box, of shape: [Int], operand: Int
  ) {
    guard !elements.isEmpty else { return }
    let row = box.ranges.last ?? 0..<1
    let outer = Array(box.ranges.dropLast())
    var index = outer.map(\.lowerBound)
    var position = 0
    while position < elements.count {
      let start = zip(index, shape).reduce(0) { $0 * $1.1 + $1.0 } * (shape.last ?? 1)
      for place in row {
        elements[position] = element(start + place, operand: operand)
        position += 1
      }
      for dimension in outer.indices.reversed() {
        index[dimension] += 1
        guard index[dimension] == outer[dimension].upperBound else { break }
        index[dimension] = outer[dimension].lowerBound
      }
    }
  }

  /// A multiplication mixes the low bits into the high ones, of which 24 fit any element exactly.
  static func element<Element: TensorElement>(_ place: Int, operand: Int) -> Element {
    var hash = UInt64(truncatingIfNeeded: place) &* 8 &+ UInt64(truncatingIfNeeded: operand) &+ 1
    hash ^= hash >> 29
    hash &*= 0xbf58_476d_1ce4_e5b9
    hash ^= hash >> 32
    hash &*= 0x94d0_49bb_1331_11eb
    return Element(Int32(truncatingIfNeeded: hash >> 40) - (1 << 23)) * 0x1p-23
  }
}
