import Execution
import Kernels
import Partitioning
import Planning
import TestSupport
import Testing

/// Gradients of random expressions, randomly distributed and in slices, against the definition.
///
/// Data are small integers, of which every order of evaluation makes the same sums exactly.
@Suite struct RandomGradientTests {
  static let count = testsAreLong ? 300 : 150
  static let randoms = Array(
    RandomExpressions(seed: 32, limits: .init(iterations: 2_000)).prefix(count))
  static let slices = Array(stride(from: 0, to: count, by: 25))

  @Test(arguments: slices)
  func gradientsBytesAndPeaksAreRight(slice: Int) throws {
    for random in Self.randoms[slice..<slice + 25] {
      let bound = try random.bound()
      let plan = try Plan(bound, options: PlanOptions(optimizer: .greedy, seed: random.seed))
      let seed = random.seed
      let operands: [Tensor<Double>] = TensorData.smallIntegers.tensors(bound.shapes, seed: seed)
      let outputGradient: Tensor<Double> = TensorData.smallIntegers.tensor(
        bound.outputShape, seed: seed, operand: operands.count)
      // Mostly all gradients, at times some.
      let needed = operands.indices.map { seed & 24 != 0 || (seed >> (5 + $0)) & 1 == 0 }
      let reference = ReferenceEvaluator(bound)
      let result = reference.evaluate(operands)
      let expected = needed.enumerated().map { operand, isNeeded in
        isNeeded
          ? reference.gradient(
            ofOperand: operand, operands: operands, outputGradient: outputGradient) : nil
      }
      for ranks in 1...8 {
        let distribution = RandomDistribution(plan, ranks: ranks, seed: seed).plan
        let what = "\(random) on \(ranks) ranks"
        for context in Context.paths(turn: Int(seed % 3) + ranks) {
          let schedule = try RunSchedule(
            distribution, overlap: (Int(seed % 2) + ranks) & 1 == 0, context: context)
          if seed & 2 == 0 {
            try check(schedule, operands, outputGradient, needed, result, expected, what)
          } else {
            try check(
              schedule, operands.map { $0.converted(to: Float.self) },
              outputGradient.converted(to: Float.self), needed, result, expected, what)
          }
        }
      }
    }
  }

  private func check<Element: TensorElement>(
    _ schedule: RunSchedule, _ operands: [Tensor<Element>], _ outputGradient: Tensor<Element>,
    _ needed: [Bool], _ expectedResult: Tensor<Double>, _ expected: [Tensor<Double>?],
    _ what: String
  ) throws {
    let plan = schedule.plan
    let checkpointing: Checkpointing = (plan.ranks + needed.count) % 3 == 0 ? .recompute : .keep
    let results = try runWithGradients(
      schedule, operands, outputGradient: outputGradient, needed: needed,
      checkpointing: checkpointing)
    let whole = plan.output.assembled(results.map(\.box)).whole
    #expect(mismatch(whole, expectedResult) == nil, "result: \(what)")
    for (operand, expected) in expected.enumerated() {
      let boxes = results.compactMap { $0.gradients[operand] }
      guard let expected else {
        #expect(boxes.isEmpty, "operand \(operand): \(what)")
        continue
      }
      #expect(boxes.count == plan.ranks, "operand \(operand): \(what)")
      let (gradient, isConsistent) = plan.inputs[operand].assembled(boxes)
      #expect(isConsistent, "copies of the gradient of operand \(operand) differ: \(what)")
      #expect(mismatch(gradient, expected) == nil, "gradient of operand \(operand): \(what)")
    }
    let bytes = MemoryLayout<Element>.stride
    let passes = try gradientPasses(checkpointing, needed: needed).map {
      try RunSchedule(plan, pass: $0, overlap: schedule.overlap, context: schedule.context)
    }
    for (rank, result) in results.enumerated() {
      let predicted = passes.map { $0.receivedBytes(rank: rank, elementBytes: bytes) }
      #expect(
        result.receivedBytes == predicted[0] + predicted[1], "bytes of rank \(rank): \(what)")
      #expect(
        result.reportedBytes == predicted[0] + predicted[1], "reported by rank \(rank): \(what)")
      let peaks = passes.map { $0.peakBytes(rank: rank, elementBytes: bytes) }
      #expect(result.peakBytes == peaks.max(), "peak of rank \(rank): \(what)")
      let own = plan.inputs.map { $0.box(of: rank).count }
      let held = zip(own, needed).reduce(0) { $0 + ($1.1 ? 2 : 1) * $1.0 }
      #expect(result.liveBytes == held * bytes, "left over on rank \(rank): \(what)")
    }
  }
}
