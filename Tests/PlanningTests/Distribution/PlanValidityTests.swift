import Partitioning
import TestSupport
import Testing

@testable import Planning

/// Whether the layouts of a plan fit one another, for random expressions on all kinds of ranks.
@Suite struct PlanValidityTests {
  @Test(arguments: 1...16, Objective.allCases)
  func layoutsFit(_ ranks: Int, objective: Objective) throws {
    for seed in 0..<(testsAreLong ? 6 : 3) {
      var random = TestRandom(seed + 31 * ranks)
      let count = Int.random(in: 1...5, using: &random)
      let expression = DistributionExamples.random(
        operands: count, modes: max(2, count - 1)...5, seed: seed + 100 * ranks)
      var options = DistributionOptions(ranks: ranks, objective: objective)
      if seed % 3 > 0 { options.place(expression, &random) }
      if seed % 3 > 1 { options.slices = .init(of: expression, count: 2 + seed % 2) }
      let plan = try DistributedPlan(expression, options: options)
      let text = "seed \(seed): \(DistributionExamples.text(expression))"
      expectFitting(plan, text)
      expectPlacements(plan, options, text)
      expectSlices(plan, options, text)
    }
  }

  private func expectFitting(_ plan: DistributedPlan, _ text: String) {
    #expect(plan.mesh.ranks <= plan.ranks)
    #expect(plan.steps.count == plan.plan.steps.count)
    var moves = 0
    for (index, (step, distribution)) in zip(plan.plan.steps, plan.steps).enumerated() {
      let modes = StepModes(step)
      let grid = distribution.grid
      let rests = step.operands.map { plan.layout(of: $0) }
      let partial = rests.map(\.partialAxes)
      // Ranks along one axis hold terms of one sum, and each its own part of the work.
      let used = partial.joined() + grid.cuts.flatMap(\.axes)
      #expect(Set(used).count == used.count, "step \(index), \(text)")
      #expect(grid.cuts.allSatisfy { modes.cuttable.contains($0.mode) }, "step \(index), \(text)")
      for position in rests.indices {
        let needed = distribution.operands[position]
        #expect(
          needed == modes.operand(position, on: grid, partialAxes: partial[position]),
          "step \(index), \(text)")
        #expect(rests[position].shape == step.operandShapes[position], "step \(index), \(text)")
        #expect(!rests[position].hasWindows)
        if !Redistribution(from: rests[position], to: needed).isIdentity { moves += 1 }
      }
      #expect(
        distribution.computed == modes.result(on: grid, partialAxes: Array(partial.joined())),
        "step \(index), \(text)")
      // No new sums come up between two steps.
      let (computed, result) = (distribution.computed, distribution.result)
      #expect(Set(result.partialAxes).isSubset(of: computed.partialAxes), "step \(index), \(text)")
      #expect(result.shape == step.resultShape && result.mesh == plan.mesh)
      if !Redistribution(from: computed, to: result).isIdentity { moves += 1 }
      for layout in distribution.operands + [computed, result] {
        let axes = layout.cuts.flatMap(\.axes) + layout.partialAxes
        #expect(Set(axes).count == axes.count, "step \(index), \(text)")
      }
    }
    if let last = plan.steps.last?.result, !Redistribution(from: last, to: plan.output).isIdentity {
      moves += 1
    }
    #expect(plan.movements.count == moves, "\(text)")
  }

  private func expectPlacements(
    _ plan: DistributedPlan, _ options: DistributionOptions, _ text: String
  ) {
    let placements = options.inputs ?? plan.inputs.map { _ in .free }
    for (layout, placement) in zip(plan.inputs + [plan.output], placements + [options.output]) {
      switch placement {
      case .free:
        // A scalar cannot be cut: every rank has it.
        #expect(layout.isPartition || layout.cuts.isEmpty, "\(layout), \(text)")
      case .replicated:
        #expect(layout == .replicated(layout.shape, mesh: plan.mesh), "\(layout), \(text)")
      case .axes(let axes):
        #expect(layout.cuts.map(\.axes) == axes, "\(layout), \(text)")
      case .cut(let dimension):
        #expect(layout.isPartition, "\(layout), \(text)")
        #expect(layout.parts(dimension) == plan.ranks, "\(layout), \(text)")
      }
      #expect(layout.partialAxes.isEmpty && !layout.isSliced, "\(layout), \(text)")
    }
  }

  private func expectSlices(
    _ plan: DistributedPlan, _ options: DistributionOptions, _ text: String
  ) {
    guard let slices = options.slices else {
      #expect(plan.mesh.slices.isEmpty && plan.slicedMode == nil)
      return
    }
    #expect(plan.mesh.slices == [slices.count] && plan.slicedMode == slices.mode)
    for (step, distribution) in zip(plan.plan.steps, plan.steps) {
      let hasMode = step.operandModes.contains { $0.contains(slices.mode) }
      #expect(distribution.grid.isSliced == hasMode, "\(text)")
      // In time, and by no rank axis.
      #expect(
        distribution.grid.axes(of: slices.mode) == (hasMode ? Array(plan.mesh.sliceAxes) : []),
        "\(text)")
    }
  }
}
