import Partitioning

extension PlanExplanation {
  /// The contraction tree as SVG: operands on the left, the result on the right; every step with its
  /// grid and work, every edge with the layout in which a tensor rests and the bytes that the rank
  /// receives that receives most to have it where it is needed.
  ///
  /// ```swift
  /// try explanation.drawing.write(toFile: "plan.svg", atomically: true, encoding: .utf8)
  /// ```
  public var drawing: String {
    let expression = plan.plan.expression
    let edges = edges
    let tree = TreeDrawing(plan.plan, longestLabel: edges.map(\.label.count).max() ?? 0)
    var parts = edges.map { tree.edge(from: $0.value, to: $0.step, label: $0.label) }
    for (operand, modes) in expression.operands.enumerated() {
      let shape = expression.shapes[operand].map(String.init).joined(separator: "×")
      parts.append(
        tree.box(
          operand, isOperand: true,
          lines: [
            "operand \(operand): \(modes.map(plan.name).joined())",
            shape.isEmpty ? "scalar" : shape,
            "starts " + plan.layoutText(plan.inputs[operand], modes: modes),
          ]))
    }
    for (index, step) in steps.enumerated() {
      parts.append(
        tree.box(
          plan.inputs.count + index, isOperand: false,
          lines: [
            step.contraction,
            "grid \(step.grid)" + (step.slices > 1 ? ", \(step.slices) slices" : ""),
            "\(countText(step.macs)) macs · \(secondsText(step.seconds))",
            "rests \(step.result) · \(countText(step.bytesOut)) B",
          ]))
    }
    return tree.file(
      title: "\(expression.text) on \(plan.ranks) \(plan.ranks == 1 ? "rank" : "ranks")", parts)
  }

  /// Which value goes into which step, in what layout and at what cost.
  private var edges: [(value: Int, step: Int, label: String)] {
    plan.plan.steps.enumerated().flatMap { index, step in
      step.operands.enumerated().map { position, value in
        let rest = plan.layoutText(plan.layout(of: value), modes: step.operandModes[position])
        let bytes = countText(steps[index].operandBytes[position])
        return (value, plan.inputs.count + index, "\(rest) · \(bytes) B")
      }
    }
  }
}

/// Where the values of a contraction tree are drawn: one row per operand, each value one column
/// left of the step that reads it, so that no edge passes another value.
private struct TreeDrawing {
  private static let width = 260
  private static let height = 84
  private static let leastGapX = 170
  /// Of a character of a label, at most.
  private static let labelCharacter = 7
  private static let gapY = 26
  private static let margin = 20
  private static let title = 40
  /// Characters that fit a box, and bold ones.
  private static let lineLength = 38
  private static let headLength = 30

  /// Of every value. A step's row is the middle of those of its operands.
  private let places: [(column: Int, row: Double)]
  private let columns: Int
  private let rows: Int
  /// Between two columns: room for every label.
  private let gapX: Int

  init(_ plan: Plan, longestLabel: Int) {
    gapX = max(Self.leastGapX, longestLabel * Self.labelCharacter + 12)
    let operands = plan.expression.operands.count
    let root = operands + plan.steps.count - 1
    // The distance to the root; values come before the steps that read them.
    var depths = [Int](repeating: 0, count: root + 1)
    for (index, step) in plan.steps.enumerated().reversed() {
      for value in step.operands { depths[value] = depths[operands + index] + 1 }
    }
    // Operands from top to bottom as the tree reads, without recursion: chains may be long.
    var rows = [Double](repeating: 0, count: root + 1)
    var pending = [root]
    var count = 0
    while let value = pending.popLast() {
      if value < operands {
        rows[value] = Double(count)
        count += 1
      } else {
        pending += plan.steps[value - operands].operands.reversed()
      }
    }
    for (index, step) in plan.steps.enumerated() {
      rows[operands + index] =
        step.operands.reduce(0) { $0 + rows[$1] } / Double(step.operands.count)
    }
    let deepest = depths.max() ?? 0
    places = zip(depths, rows).map { (deepest - $0, $1) }
    columns = deepest + 1
    self.rows = count
  }

  private func left(_ value: Int) -> Int {
    Self.margin + places[value].column * (Self.width + gapX)
  }

  private func top(_ value: Int) -> Int {
    Self.margin + Self.title + Int(places[value].row * Double(Self.height + Self.gapY))
  }

  /// A line to the right, with its label at its beginning, on the side that it bends away from: above a line that falls,
  /// below one that rises.
  func edge(from value: Int, to step: Int, label: String) -> String {
    let (x1, y1) = (left(value) + Self.width, top(value) + Self.height / 2)
    let (x2, y2) = (left(step), top(step) + Self.height / 2)
    let labelY = y2 < y1 ? y1 + 14 : y1 - 6
    return """
      <path d="M\(x1) \(y1) C\(x1 + 90) \(y1) \(x2 - 40) \(y2) \(x2) \(y2)" class="edge"/>
      <text x="\(x1 + 6)" y="\(labelY)" class="label">\(xmlText(label))</text>
      """
  }

  func box(_ value: Int, isOperand: Bool, lines: [String]) -> String {
    let (x, y) = (left(value), top(value))
    let texts = lines.enumerated().map { index, line in
      "<text x=\"\(x + 10)\" y=\"\(y + 20 + 18 * index)\""
        + (index == 0 ? " class=\"head\"" : "") + ">"
        + xmlText(shortened(line, to: index == 0 ? Self.headLength : Self.lineLength)) + "</text>"
    }
    return """
      <g><title>\(xmlText(lines[0]))</title>
      <rect x="\(x)" y="\(y)" width="\(Self.width)" height="\(Self.height)" rx="6" \
      class="\(isOperand ? "operand" : "step")"/>
      \(texts.joined(separator: "\n"))
      </g>
      """
  }

  func file(title: String, _ parts: [String]) -> String {
    let width = 2 * Self.margin + columns * Self.width + (columns - 1) * gapX
    let height = 2 * Self.margin + Self.title + rows * (Self.height + Self.gapY) - Self.gapY
    return SVGFile(
      width: width, height: height, title: title, titleAt: (Self.margin, Self.margin + 12),
      style: """
        .head { font-weight: bold }
        .label { font-size: 11px; fill: #555 }
        .edge { fill: none; stroke: #888 }
        .operand { fill: #eef4fb; stroke: #6f93b8 }
        .step { fill: #fbf6e9; stroke: #b89b4e }
        """
    ).text(parts)
  }

  private func shortened(_ line: String, to length: Int) -> String {
    line.count <= length ? line : line.prefix(length - 1) + "…"
  }
}
