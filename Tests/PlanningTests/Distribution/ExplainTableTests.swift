import Partitioning
import Testing

@testable import Planning

/// Whole tables, and the numbers in them counted again.
@Suite struct ExplainTableTests {
  /// What every rank receives in every redistribution of a step, from the boxes themselves: index by
  /// index, without the arithmetic of layouts.
  private static func receivedByRank(
    _ plan: DistributedPlan, _ movement: DistributedPlan.Movement, slice: Int
  ) -> [Int] {
    let (source, target) = (movement.redistribution.source, movement.redistribution.target)
    let ranks = 0..<plan.mesh.ranks
    func indices(_ layout: Layout, _ rank: Int) -> [[Int]] {
      zip(layout.box(of: rank, slice: slice).ranges, layout.shape).map { range, extent in
        range.map { ($0 % extent + extent) % extent }
      }
    }
    let held = ranks.map { indices(source, $0) }
    let coordinates = ranks.map { rank in
      plan.mesh.axes.indices.map { plan.mesh.coordinate(axis: $0, rank: rank) }
    }
    // Copies come from the rank that is at the receiver's own place among those that hold them;
    // sums that are summed, from all their terms.
    let agreeing = Set(source.replicationAxes).union(target.partialAxes)
    return ranks.map { receiver in
      let wanted = indices(target, receiver)
      return ranks.reduce(0) { sum, sender in
        guard sender != receiver,
          agreeing.allSatisfy({ coordinates[sender][$0] == coordinates[receiver][$0] })
        else { return sum }
        return sum
          + zip(wanted, held[sender]).reduce(1) { product, pair in
            product * pair.0.count { pair.1.contains($0) }
          }
      }
    }
  }

  @Test(arguments: 0..<40) func bytesOfStepsAreTheBoxesThatTravel(seed: Int) throws {
    let expression = DistributionExamples.random(operands: 2 + seed % 3, modes: 2...4, seed: seed)
    var options = DistributionOptions(ranks: [2, 3, 4, 6, 8][seed % 5], objective: .bytes)
    if seed % 4 == 3, let mode = expression.output.first,
      expression.modes[mode].convolution == nil, expression.modes[mode].extent > 1
    {
      options.slices = .init(mode: mode, count: 2)
    }
    guard let plan = try? DistributedPlan(expression, options: options) else {
      // Not every mode can be sliced.
      #expect(options.slices != nil)
      return
    }
    let explanation = PlanExplanation(plan, machine: .standard, elementBytes: 8)
    var total = [Int](repeating: 0, count: plan.ranks)
    for (index, step) in explanation.steps.enumerated() {
      var operandBytes = [Double](repeating: 0, count: step.operandBytes.count)
      var bytesOut = 0.0
      for movement in plan.movements where movement.step == index {
        for slice in 0..<movement.slices {
          let received = Self.receivedByRank(plan, movement, slice: slice)
          for rank in received.indices { total[rank] += 8 * received[rank] }
          let most = Double(8 * (received.max() ?? 0))
          if case .operand(let position) = movement.purpose {
            operandBytes[position] += most
          } else {
            bytesOut += most
          }
        }
      }
      #expect(step.operandBytes == operandBytes, "\(DistributionExamples.text(expression))")
      #expect(step.bytesOut == bytesOut, "\(DistributionExamples.text(expression))")
    }
    #expect(explanation.receivedBytes == total, "\(DistributionExamples.text(expression))")
  }

  /// The columns of each line of the table of steps.
  private static func rows(_ plan: DistributedPlan) -> [[String]] {
    let lines = plan.description.split(separator: "\n", omittingEmptySubsequences: false)
    return lines.drop { !$0.isEmpty }.dropFirst(2).map { line in
      line.split(separator: " ").map(String.init)
    }
  }

  /// A CP layer on many samples: each rank has its own, and all the factors.
  @Test func theTableOfALayerInParallelOverData() throws {
    let plan = try ExplainTests.plan(
      "bshw,rt,rs,rh,rw->bthw|hw", [[64, 4, 8, 8], [2, 4], [2, 4], [2, 3], [2, 3]], ranks: 4,
      rules: ConvRules(all: ConvRule(kind: .correlation)))
    let explanation = PlanExplanation(plan, machine: .standard, elementBytes: 4)
    let summary = try #require(explanation.summary)
    #expect(
      summary.hasPrefix(
        "data parallel: mode b is cut over all 4 ranks in every step that has it; only "))
    #expect(!summary.contains("operand 0"))
    let lines = explanation.description.split(separator: "\n").map(String.init)
    #expect(lines.contains("in short        \(summary)"))
    #expect(lines.contains("operands start  0: b/4"))
    #expect(lines.contains("result ends     b/4"))
    // What has samples is cut by samples, and of it nothing travels.
    for (step, row) in zip(plan.plan.steps, explanation.steps) {
      let hasSamples = step.resultModes.contains(plan.plan.expression.output[0])
      #expect((row.grid == "b4") == hasSamples, "\(row.contraction) has grid \(row.grid)")
      if hasSamples { #expect(row.bytesOut == 0) }
    }
    // No rank receives more than all factors.
    let factors = 4 * 2 * (4 + 4 + 3 + 3)
    #expect(explanation.receivedBytes.allSatisfy { $0 <= factors })
    #expect(Self.rows(plan).map { $0.last } == explanation.steps.map(\.contraction))
  }

  /// So small that its messages would take longer than its work.
  @Test func theTableOfAPlanForOneOfManyRanks() throws {
    let plan = try ExplainTests.plan("ij,jk->ik", [[8, 8], [8, 8]], ranks: 16, .time)
    let hash = plan.hashText
    #expect(
      plan.description.replacing(hash, with: "HASH") == """
        expression      ij,jk->ik
        shapes          8x8 8x8
        result          8x8
        optimizer       optimal
        macs            512, with gradients 1,536
        left to right   512, 1.00 times as many
        paper's count   512
        largest result  64 elements
        hash            HASH
        ranks           16
        objective       time, 38.40 ns predicted
        search          exact: no order and no grid is better
        lower bound     the cost is 3.00 times the sum of the steps' own bounds
        bytes received  at most 0 on a rank, at least 0, 0 in all
        in short        one rank is best: communication would cost more than it saves; ranks 1 to 15 \
        stay idle
        operands start  0: whole
                        1: whole
        result ends     whole

        step  values  grid  result  macs  bytes in  bytes out      time  bound  ratio  contraction
           2  0,1     -     whole    512         0          0  38.40 ns      0      –  ij,jk->ik
        """)
  }

  /// Where latency outweighs only some of the work, some of the ranks are best.
  @Test func fewerRanksMayBeBest() throws {
    let plan = try #require(
      try stride(from: 32, through: 512, by: 16).lazy.map {
        try ExplainTests.plan("ij,jk->ik", [[$0, $0], [$0, $0]], ranks: 64, .time)
      }.first { $0.mesh.ranks > 1 && $0.mesh.ranks < 64 })
    let summary = try #require(
      PlanExplanation(plan, machine: .standard, elementBytes: 4).summary)
    #expect(
      summary.hasPrefix(
        "\(plan.mesh.ranks) of the 64 ranks are best: more would cost more than they save"))
    #expect(plan.description.contains("\nranks           64, mesh "))
    let received = PlanExplanation(plan, machine: .standard, elementBytes: 4).receivedBytes
    #expect(received.count == 64)
    #expect(received[plan.mesh.ranks...].allSatisfy { $0 == 0 })
  }

  /// A copy is a step too; every rank makes its own part.
  @Test func aCopyMovesNothing() throws {
    let plan = try ExplainTests.plan("ij->ij", [[8, 8]], ranks: 4)
    let explanation = PlanExplanation(plan, machine: .standard, elementBytes: 4)
    #expect(explanation.steps.map(\.macs) == [16])
    #expect(explanation.receivedBytes == [0, 0, 0, 0])
    #expect(explanation.summary?.hasSuffix("; nothing travels") ?? false)
  }
}
