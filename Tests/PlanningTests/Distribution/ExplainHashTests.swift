import Foundation
import Partitioning
import Testing

@testable import Planning

/// The number by which ranks know that they have the same plan.
@Suite struct ExplainHashTests {
  static func plan(sliced: Bool = false) throws -> DistributedPlan {
    var options = DistributionOptions(ranks: 4, objective: .bytes)
    if sliced { options.slices = .init(mode: 0, count: 2) }
    return try DistributedPlan(
      BoundExpression("ij,jk,kl->il", shapes: [[8, 12], [12, 16], [16, 10]]), options: options)
  }

  /// The same plan but for what is given.
  static func changed(
    _ plan: DistributedPlan, order: Plan? = nil, ranks: Int? = nil, mesh: Mesh? = nil,
    inputs: [Layout]? = nil, steps: [StepDistribution]? = nil, output: Layout? = nil,
    slicedMode: Int?? = nil
  ) -> DistributedPlan {
    DistributedPlan(
      plan: order ?? plan.plan, ranks: ranks ?? plan.ranks, mesh: mesh ?? plan.mesh,
      inputs: inputs ?? plan.inputs, steps: steps ?? plan.steps, output: output ?? plan.output,
      slicedMode: slicedMode ?? plan.slicedMode, search: plan.search)
  }

  /// Every single part of a distribution counts.
  @Test func anyChangeChangesTheHash() throws {
    let plan = try Self.plan()
    let mesh = plan.mesh
    func moved(_ layout: Layout) -> Layout {
      // The first axis cuts the last dimension only, or the first one.
      var axes = layout.shape.map { _ in [Int]() }
      axes[layout.cuts[0].axes == [0] ? axes.count - 1 : 0] = [0]
      return Layout(shape: layout.shape, mesh: mesh, axes: axes)
    }
    func with(
      grid: StepGrid? = nil, operands: [Layout]? = nil, computed: Layout? = nil,
      result: Layout? = nil
    ) -> DistributedPlan {
      var steps = plan.steps
      let step = steps[1]
      steps[1] = StepDistribution(
        grid: grid ?? step.grid, operands: operands ?? step.operands,
        computed: computed ?? step.computed, result: result ?? step.result)
      return Self.changed(plan, steps: steps)
    }
    let step = plan.steps[1]
    var plans = [plan]
    for operand in plan.inputs.indices {
      var inputs = plan.inputs
      inputs[operand] = moved(inputs[operand])
      plans.append(Self.changed(plan, inputs: inputs))
    }
    plans += [
      Self.changed(plan, ranks: 5), Self.changed(plan, mesh: Mesh(axes: mesh.axes + [1])),
      Self.changed(plan, mesh: mesh.sliced([2])), Self.changed(plan, slicedMode: .some(1)),
      Self.changed(plan, output: moved(plan.output)),
      Self.changed(
        plan,
        output: Layout(
          shape: plan.output.shape, mesh: mesh, axes: [[], []], partialAxes: [0])),
      Self.changed(plan, steps: Array(plan.steps.reversed())),
      with(grid: StepGrid(mesh: mesh, cuts: [])),
      with(operands: [moved(step.operands[0]), step.operands[1]]),
      with(operands: [step.operands[0], moved(step.operands[1])]),
      with(computed: moved(step.computed)), with(result: moved(step.result)),
      try Self.plan(sliced: true),
    ]
    let other = try Plan(
      plan.plan.expression, options: PlanOptions(optimizer: .leftToRight))
    if other.steps != plan.plan.steps { plans.append(Self.changed(plan, order: other)) }
    #expect(Set(plans).count == plans.count, "the plans themselves differ")
    #expect(Set(plans.map(\.stableHash)).count == plans.count)
    #expect(Set(plans.map(\.hashText)).count == plans.count)
  }

  /// A window is part of a layout.
  @Test func windowsCount() throws {
    let mesh = Mesh(axes: [2])
    let order = try Plan(BoundExpression("i,i->i", shapes: [[8], [8]]))
    func hash(_ window: Window?) -> UInt64 {
      let layout = Layout(mesh: mesh, cuts: [.init(extent: 8, axes: [0], window: window)])
      return DistributedPlan(
        plan: order, mesh: mesh, inputs: [layout, layout], steps: [], output: layout,
        search: SearchSummary(objective: .bytes, isExact: true, cost: 0, lowerBound: 0)
      ).stableHash
    }
    let windows = [
      nil, Window(resultExtent: 8, stride: 1, low: 0, high: 0, circular: false),
      Window(resultExtent: 7, stride: 1, low: 0, high: 0, circular: false),
      Window(resultExtent: 8, stride: 2, low: 0, high: 0, circular: false),
      Window(resultExtent: 8, stride: 1, low: -1, high: 0, circular: false),
      Window(resultExtent: 8, stride: 1, low: 0, high: 1, circular: false),
      Window(resultExtent: 8, stride: 1, low: 0, high: 0, circular: true),
    ]
    #expect(Set(windows.map(hash)).count == windows.count)
  }

  /// How it was found is no part of what is done.
  @Test func theSearchDoesNotCount() throws {
    let plan = try Self.plan()
    let other = DistributedPlan(
      plan: plan.plan, ranks: plan.ranks, mesh: plan.mesh, inputs: plan.inputs, steps: plan.steps,
      output: plan.output, slicedMode: plan.slicedMode,
      search: SearchSummary(objective: .time, isExact: false, cost: 1, lowerBound: 0))
    #expect(other.stableHash == plan.stableHash)
  }

  /// Plans go to files and come back as they were, also in another process.
  @Test(arguments: 0..<20) func aPlanSurvivesItsJSON(seed: Int) throws {
    let expression = DistributionExamples.random(
      operands: 2 + seed % 3, modes: 2...4, convolutions: seed % 2, seed: seed)
    let plan = try DistributedPlan(
      expression,
      options: .init(ranks: 1 + seed % 6, objective: Objective.allCases[seed % 3]))
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let data = try encoder.encode(plan)
    let read = try JSONDecoder().decode(DistributedPlan.self, from: data)
    #expect(read == plan)
    #expect(read.stableHash == plan.stableHash)
    #expect(read.hashText.count == 16)
    #expect(UInt64(read.hashText, radix: 16) == plan.stableHash)
    #expect(try encoder.encode(read) == data)
  }

  @Test func aSlicedPlanSurvivesItsJSON() throws {
    let plan = try Self.plan(sliced: true)
    let read = try JSONDecoder().decode(
      DistributedPlan.self, from: JSONEncoder().encode(plan))
    #expect(read == plan)
    #expect(read.mesh.sliceCount == 2)
    #expect(read.stableHash == plan.stableHash)
  }
}
