import Execution
import Kernels
import Partitioning
import Planning
import TestSupport
import Testing

/// Random expressions, randomly distributed over one to eight ranks, against the reference evaluator.
///
/// Data are small integers, of which every order of evaluation makes the same sums exactly.
@Suite struct RandomDistributedTests {
  static let count = testsAreLong ? 1000 : 400
  static let randoms = Array(
    RandomExpressions(seed: 31, limits: .init(iterations: 3_000)).prefix(count))
  /// The expressions are cut into slices that run in parallel.
  static let slices = Array(stride(from: 0, to: count, by: 50))

  @Test(arguments: slices)
  func resultsBytesAndPeaksAreRight(slice: Int) throws {
    for random in Self.randoms[slice..<slice + 50] {
      let bound = try random.bound()
      let plan = try Plan(bound, options: PlanOptions(optimizer: .greedy, seed: random.seed))
      let operands: [Tensor<Double>] = TensorData.smallIntegers.tensors(
        bound.shapes, seed: random.seed)
      let floats = operands.map { $0.converted(to: Float.self) }
      let expected = ReferenceEvaluator(bound).evaluate(operands)
      for ranks in 1...8 {
        let distribution = RandomDistribution(plan, ranks: ranks, seed: random.seed).plan
        let what = "\(random) on \(ranks) ranks"
        // All four pairs of overlap and element type come up in turn.
        let variant = Int(random.seed % 4) + ranks
        for context in Context.paths(turn: variant) {
          let schedule = try RunSchedule(
            distribution, overlap: variant & 1 == 0, context: context)
          if variant & 2 == 0 {
            try check(schedule, floats, expected, what)
          } else {
            try check(schedule, operands, expected, what)
          }
        }
      }
    }
  }

  private func check<Element: TensorElement>(
    _ schedule: RunSchedule, _ operands: [Tensor<Element>], _ expected: Tensor<Double>,
    _ what: String
  ) throws {
    let plan = schedule.plan
    let results = try runForward(schedule, operands)
    let (whole, isConsistent) = plan.output.assembled(results.map(\.box))
    #expect(isConsistent, "copies of the result differ: \(what)")
    #expect(mismatch(whole, expected) == nil, "\(what)")
    let bytes = MemoryLayout<Element>.stride
    for (rank, result) in results.enumerated() {
      let predicted = schedule.receivedBytes(rank: rank, elementBytes: bytes)
      #expect(result.receivedBytes == predicted, "bytes of rank \(rank): \(what)")
      #expect(result.reportedBytes == predicted, "reported bytes of rank \(rank): \(what)")
      #expect(
        plan.receivedElements(by: rank) * bytes == predicted, "planned of rank \(rank): \(what)")
      #expect(
        result.peakBytes == schedule.peakBytes(rank: rank, elementBytes: bytes),
        "peak of rank \(rank): \(what)")
      let held = plan.inputs.reduce(result.box.count) { $0 + $1.box(of: rank).count }
      #expect(result.liveBytes == held * bytes, "left over on rank \(rank): \(what)")
    }
  }
}
