import Collectives
import Execution
import Kernels
import Partitioning
import Planning
import Synchronization
import TestSupport
import Testing

/// What keeps a pass from starting, and what happens to the others when a rank ends in the middle.
@Suite struct RunFailureTests {
  /// A rank that ends before it sends: those that wait for it, or for one that waits, throw.
  @Test(arguments: 0..<4) func aRankThatEndsInTheMiddleIsAnErrorOnTheOthers(ending: Int) throws {
    let plan = try DistributedContractionTests.matmul()
    let operands: [Tensor<Double>] = TensorData.smallIntegers.tensors(
      plan.plan.expression.shapes, seed: 1)
    let outcomes = Mutex<[Int: String]>([:])
    #expect(throws: CollectiveError.self) {
      try ThreadCommunicator.run(ranks: 4) { communicator in
        let rank = communicator.rank
        do {
          // Collective, too: whoever leaves it last may hear there of one that has failed since.
          let contraction = try DistributedContraction<Double>(plan, communicator: communicator)
          guard rank != ending else { return }
          _ = try contraction(zip(plan.inputs, operands).map { $0.box(of: $1, rank: rank) })
          outcomes.withLock { $0[rank] = "a result" }
        } catch {
          outcomes.withLock { $0[rank] = "an error" }
          throw error
        }
      }
    }
    let expected = (0..<4).filter { $0 != ending }.map { ($0, "an error") }
    #expect(
      outcomes.withLock { $0.filter { $0.key != ending } }
        == Dictionary(uniqueKeysWithValues: expected))
  }

  /// Each pass, by what it needs on the rank that needs most, as a meter counts it.
  @Test func everyPassIsCheckedBeforeItStarts() throws {
    let plan = try DistributedContractionTests.matmul()
    let operands: [Tensor<Double>] = TensorData.smallIntegers.tensors(
      plan.plan.expression.shapes, seed: 1)
    let gradient = Tensor<Double>(shape: [8, 4])
    let needed = [true, true]
    let forward = try runForward(RunSchedule(plan), operands).map(\.peakBytes).max() ?? 0
    let both =
      try runWithGradients(
        RunSchedule(plan), operands, outputGradient: gradient, needed: needed
      ).map(\.peakBytes).max() ?? 0
    #expect(forward < both)
    func run(limitBytes: Int) throws {
      _ = try ThreadCommunicator.run(ranks: 4) { communicator in
        let contraction = try DistributedContraction<Double>(
          plan, communicator: communicator, limitBytes: limitBytes)
        try contraction.prepare([.recorded, .reverse(needed: needed)])
      }
    }
    try run(limitBytes: both)
    for limit in [both - 1, forward - 1] {
      let error = #expect(throws: ExecutionError.self) { try run(limitBytes: limit) }
      guard case .notEnoughMemory(_, limit + 1, limit, 4, _)? = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
    }
  }

  /// Four ranks that are threads of one process share its memory.
  @Test func ranksOfAMachineShareItsMemory() throws {
    // A result of three fifths of the memory, on every rank.
    let rows = Int((Double(HostMemory.limitBytes) * 0.6 / 4 / 4 / 1000).rounded())
    let bound = try BoundExpression("i,j->ij", shapes: [[4 * rows], [1000]])
    let plan = try Plan(bound)
    let mesh = Mesh(axes: [4])
    let modes = StepModes(plan.steps[0])
    let grid = StepGrid(mesh: mesh, cuts: [])
    let whole = Layout.replicated(bound.outputShape, mesh: mesh)
    let distributed = DistributedPlan(
      plan: plan, mesh: mesh, inputs: bound.shapes.map { Layout.replicated($0, mesh: mesh) },
      steps: [
        StepDistribution(
          grid: grid, operands: [0, 1].map { modes.operand($0, on: grid) },
          computed: modes.result(on: grid), result: whole)
      ], output: whole,
      search: SearchSummary(objective: .bytes, isExact: false, cost: 0, lowerBound: 0))
    // Every rank makes all of the result: together they would need more than there is.
    let needed = 4 * (4 * rows * 1000 + 4 * rows + 1000)
    #expect(needed < HostMemory.limitBytes && 4 * needed > HostMemory.limitBytes)
    let error = #expect(throws: ExecutionError.self) {
      try ThreadCommunicator.run(ranks: 4) { communicator in
        _ = try DistributedContraction<Float>(distributed, communicator: communicator)
      }
    }
    guard case .notEnoughMemory(_, _, HostMemory.limitBytes / 4, 4, _)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(error?.description.contains("each of the 4 ranks on this machine has") == true)
  }
}
