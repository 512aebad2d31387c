extension Plan: CustomStringConvertible {
  /// The plan as a table for people, in the manner of opt_einsum's: totals, then a line per step.
  public var description: String {
    (totals(hash: hashText) + [""] + stepTable).joined(separator: "\n")
  }

  /// What holds however the plan is distributed.
  func totals(hash: String) -> [String] {
    let speedUp = macs > 0 ? leftToRightMacs / macs : 1
    let totals: [(String, String)] = [
      ("expression", expression.text),
      ("shapes", expression.shapes.map(shapeText).joined(separator: " ")),
      ("result", shapeText(expression.outputShape)),
      ("optimizer", optimizer),
      ("macs", "\(countText(macs)), with gradients \(countText(trainingMacs))"),
      ("left to right", "\(countText(leftToRightMacs)), \(ratioText(speedUp)) times as many"),
      ("paper's count", countText(paperMacs)),
      ("largest result", "\(countText(largestIntermediate)) elements"),
      ("hash", hash),
    ]
    return totals.map { $0.0.padded(to: 16) + $0.1 }
  }

  private var stepTable: [String] {
    var rows = [["step", "values", "macs", "share", "elements", "contraction"]]
    for (index, step) in steps.enumerated() {
      rows.append([
        "\(expression.operands.count + index)",
        step.operands.map(String.init).joined(separator: ","),
        step.operands.count == 1 ? "-" : countText(step.macs),
        macs > 0 ? "\(Int((step.macs / macs * 100).rounded())) %" : "-",
        countText(step.resultShape.reduce(1.0) { $0 * Double($1) }),
        contractionText(step),
      ])
    }
    return alignedTable(rows, leftAligned: [1])
  }

  /// One step in the notation, for people, e.g. `bhwr,rh->bhwr|h`; a dimension that an ellipsis
  /// broadcasts is written `1`, and strides and padding are not.
  public func contractionText(_ step: Step) -> String {
    func term(_ modes: [Int?]) -> String {
      modes.map { $0.map { expression.modes[$0].mode.description } ?? "1" }.joined()
    }
    let convolutions = step.convolutions.map { expression.modes[$0.mode].mode.description }
    return step.operandModes.map(term).joined(separator: ",") + "->" + term(step.resultModes)
      + (convolutions.isEmpty ? "" : "|" + convolutions.joined())
  }
}

/// Rows of equally many cells as lines: columns are aligned to the right but for these and the last.
package func alignedTable(_ rows: [[String]], leftAligned: Set<Int>) -> [String] {
  let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
  return rows.map { row in
    row.enumerated().map { column, cell in
      if column == row.count - 1 { return cell }
      let blank = String(repeating: " ", count: widths[column] - cell.count)
      return leftAligned.contains(column) ? cell + blank : blank + cell
    }.joined(separator: "  ")
  }
}

private func shapeText(_ shape: [Int]) -> String {
  shape.isEmpty ? "scalar" : shape.map(String.init).joined(separator: "x")
}

/// A count for people, with its thousands apart, or in powers of ten where it has more than 15 digits. All that is
/// counted is written so, bytes too, and the unit stands beside it or at the head of the column.
///
/// ```swift
/// countText(20_773_064)   // 20,773,064
/// countText(4e36)         // 4.00e36
/// ```
public func countText(_ count: Double) -> String {
  guard count.isFinite && count >= 0 else { return "\(count)" }
  guard count < 1e15 else {
    var exponent = 0
    var mantissa = count
    while mantissa >= 10 {
      mantissa /= 10
      exponent += 1
    }
    return "\(ratioText(mantissa))e\(exponent)"
  }
  let digits = Array(String(Int(count)))
  var text = ""
  for (index, digit) in digits.enumerated() {
    if index > 0 && (digits.count - index) % 3 == 0 { text += "," }
    text.append(digit)
  }
  return text
}

/// Two decimals.
package func ratioText(_ ratio: Double) -> String {
  guard ratio < 1e15 else { return countText(ratio) }
  let hundredths = Int((ratio * 100).rounded())
  let fraction = hundredths % 100
  return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
}

extension String {
  func padded(to width: Int) -> String {
    self + String(repeating: " ", count: max(0, width - count))
  }
}
