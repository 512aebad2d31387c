import Partitioning

extension PlanExplanation: CustomStringConvertible {
  /// The plan as a table for people: the totals, where the operands start and the result ends, then
  /// a line per step.
  public var description: String {
    let lines = (totals + placements).map { $0.0.padded(to: 16) + $0.1 }
    return (plan.plan.totals(hash: plan.hashText) + lines + [""] + stepTable)
      .joined(separator: "\n")
  }

  private var totals: [(String, String)] {
    let search = plan.search
    let received = receivedBytes.map(Double.init)
    var totals = [
      ("ranks", plan.mesh.ranks > 1 ? "\(plan.ranks), \(meshText)" : "\(plan.ranks)"),
      ("objective", "\(search.objective.rawValue), \(costText)"),
      (
        "search",
        search.isExact
          ? "exact: no order and no grid is better"
          : "bounded: not all orders and grids were tried"
      ),
      (
        "lower bound",
        plan.gap.map { "the cost is \(ratioText($0)) times the sum of the steps' own bounds" }
          ?? "0: no step needs anything from another rank"
      ),
      (
        "bytes received",
        "at most \(countText(received.max() ?? 0)) on a rank, at least "
          + "\(countText(received.min() ?? 0)), \(countText(received.reduce(0, +))) in all"
      ),
    ]
    if let mode = plan.slicedMode {
      totals.append(
        (
          "slices",
          "mode \(plan.name(of: mode)) in \(plan.mesh.sliceCount), one after the other"
        ))
    }
    if let summary { totals.append(("in short", summary)) }
    return totals
  }

  /// E.g. `mesh 4×2`.
  private var meshText: String {
    "mesh " + plan.mesh.axes.map(String.init).joined(separator: "×")
  }

  private var costText: String {
    let cost = plan.search.cost
    return switch plan.search.objective {
    case .macs: "\(countText(cost)) on the busiest rank of every step"
    case .bytes: "\(countText(cost)) received by the busiest rank of every step"
    case .time: "\(secondsText(cost)) predicted"
    }
  }

  private var placements: [(String, String)] {
    let expression = plan.plan.expression
    var lines = plan.inputs.enumerated().map { operand, layout in
      (
        operand == 0 ? "operands start" : "",
        "\(operand): " + plan.layoutText(layout, modes: expression.operands[operand])
      )
    }
    lines.append(("result ends", plan.layoutText(plan.output, modes: expression.output)))
    return lines
  }

  private var stepTable: [String] {
    var rows = [
      [
        "step", "values", "grid", "result", "macs", "bytes in", "bytes out", "time", "bound",
        "ratio", "contraction",
      ]
    ]
    for (index, step) in steps.enumerated() {
      let operands = plan.plan.steps[index].operands
      rows.append([
        "\(plan.inputs.count + index)", operands.map(String.init).joined(separator: ","),
        step.grid, step.result, operands.count == 1 ? "–" : countText(step.macs),
        countText(step.bytesIn), countText(step.bytesOut), secondsText(step.seconds),
        countText(step.lowerBoundBytes.rounded()), step.ratio.map(ratioText) ?? "–",
        step.contraction + (step.slices > 1 ? ", once per slice" : ""),
      ])
    }
    return alignedTable(rows, leftAligned: [1, 2, 3])
  }
}

extension DistributedPlan {
  /// How far the cost is above the sum of the steps' lower bounds; `nil` where that is 0.
  public var gap: Double? {
    search.lowerBound > 0 ? search.cost / search.lowerBound : nil
  }
}

/// Seconds for people, in the unit that suits, with two decimals, e.g. `21.18 ms`.
///
/// ```swift
/// secondsText(3.2e-5)  // 32.00 µs
/// ```
public func secondsText(_ seconds: Double) -> String {
  for (factor, unit) in [(1.0, "s"), (1e3, "ms"), (1e6, "µs")] where seconds * factor >= 1 {
    return ratioText(seconds * factor) + " " + unit
  }
  return ratioText(seconds * 1e9) + " ns"
}
