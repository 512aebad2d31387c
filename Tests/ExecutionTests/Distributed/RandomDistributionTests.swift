import Partitioning
import Planning
import TestSupport
import Testing

/// That the random distributions reach every corner they are meant to reach.
@Suite struct RandomDistributionTests {
  @Test func everyKindOfDistributionIsDrawnOften() throws {
    var plans: [DistributedPlan] = []
    for random in RandomDistributedTests.randoms.prefix(300) {
      let plan = try Plan(random.bound(), options: PlanOptions(optimizer: .greedy))
      plans += (1...8).map { RandomDistribution(plan, ranks: $0, seed: random.seed).plan }
    }
    func often(_ least: Int, _ what: String, where property: (DistributedPlan) -> Bool) {
      let count = plans.count(where: property)
      #expect(count >= least, "too few distributions with \(what)")
    }
    func oftenStep(
      _ least: Int, _ what: String, where property: (Step, StepDistribution) -> Bool
    ) {
      often(least, what) { plan in zip(plan.plan.steps, plan.steps).contains { property($0, $1) } }
    }
    func oftenMoved(_ least: Int, _ what: String, where property: (Redistribution) -> Bool) {
      often(least, what) { plan in plan.movements.contains { property($0.redistribution) } }
    }
    often(100, "idle ranks") { $0.mesh.ranks < $0.ranks }
    often(200, "several axes") { $0.mesh.axes.count > 1 }
    often(100, "slices") { $0.mesh.sliceCount > 1 }
    often(200, "a replicated operand") { $0.inputs.contains { !$0.replicationAxes.isEmpty } }
    often(200, "a replicated output") { !$0.output.replicationAxes.isEmpty }
    often(200, "an output away from the last step") { $0.output != $0.steps.last?.result }
    often(100, "more parts than indices") { plan in
      plan.inputs.contains { input in
        input.cuts.indices.contains { input.parts($0) > input.cuts[$0].extent }
      }
    }
    oftenStep(200, "sums left for later") { !$1.result.partialAxes.isEmpty }
    oftenStep(100, "sums passed on") { step, distribution in
      distribution.operands.contains { !$0.partialAxes.isEmpty }
    }
    oftenStep(200, "redundant work") { !$1.computed.replicationAxes.isEmpty }
    oftenStep(50, "sums over slices") { $1.grid.isSliced && !$1.computed.isSliced }
    oftenStep(40, "results put together from slices") {
      $1.computed.isSliced && !$1.result.isSliced
    }
    oftenStep(20, "results in slices") { $1.result.isSliced }
    oftenStep(20, "two filters, cut") { step, distribution in
      step.convolutions.contains {
        $0.feature == nil && !distribution.grid.axes(of: $0.mode).isEmpty
      }
    }
    oftenStep(40, "a cut convolution mode that is summed") { step, distribution in
      step.convolutions.contains {
        !step.resultModes.contains($0.mode) && !distribution.grid.axes(of: $0.mode).isEmpty
      }
    }
    oftenMoved(200, "halos") { $0.target.hasWindows }
    oftenMoved(50, "halos around a circle") { redistribution in
      redistribution.target.cuts.contains {
        !$0.axes.isEmpty && ($0.window?.circular ?? false)
      }
    }
    oftenMoved(200, "reductions") { !$0.summedAxes.isEmpty }
    oftenMoved(200, "moves in place") { $0.isContiguous && $0.isCopy }
    oftenMoved(200, "packed copies") { !$0.isContiguous && $0.isCopy }
    oftenMoved(50, "reductions that are sent in place") { $0.isContiguous && !$0.isCopy }
  }

  @Test func equalSeedsGiveEqualDistributions() throws {
    for random in RandomDistributedTests.randoms.prefix(50) {
      let plan = try Plan(random.bound())
      let twice = (0..<2).map { _ in RandomDistribution(plan, ranks: 6, seed: random.seed).plan }
      #expect(twice[0] == twice[1])
      #expect(twice[0].stableHash == twice[1].stableHash)
    }
  }
}
