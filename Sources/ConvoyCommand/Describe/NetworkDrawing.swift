import Convoy

/// The layers of a network as SVG: from top to bottom, every layer a box, with a line from each of
/// those whose output it reads. What does not come from the box above goes round on the right.
///
/// ```swift
/// let text = NetworkDrawing(report, title: "resnet20.yaml").svg
/// ```
struct NetworkDrawing {
  /// A line round some boxes, in the lane of this number to the right of them.
  private struct Way {
    /// −1: the network's input.
    let from: Int
    let to: Int
    var lane = 0
  }

  private static let left = 20
  private static let top = 60
  /// Of a box, besides the layer's name.
  private static let textWidth = 420
  /// Of a character of a name, at most.
  private static let nameCharacter = 8
  private static let height = 26
  private static let gap = 12
  private static let lane = 16
  /// Characters that fit a box beside the layer's name and shape.
  private static let lineLength = 44

  private let report: NetworkReport
  private let title: String
  private let ways: [Way]
  private let lanes: Int
  /// Of what stands in a box before its text, and of the box.
  private let nameWidth: Int
  private let width: Int

  init(_ report: NetworkReport, title: String) {
    self.report = report
    self.title = title
    nameWidth = 16 + Self.nameCharacter * (report.layers.map(\.name.count).max() ?? 0)
    width = nameWidth + Self.textWidth
    var ways: [Way] = []
    // The last box that each lane passes.
    var ends: [Int] = []
    for (to, layer) in report.layers.enumerated() {
      for input in layer.inputs where (input ?? -1) != to - 1 {
        ways.append(Way(from: input ?? -1, to: to))
      }
    }
    ways.sort { ($0.from, $0.to) < ($1.from, $1.to) }
    for index in ways.indices {
      let free = ends.firstIndex { $0 <= ways[index].from }
      ways[index].lane = free ?? ends.count
      if let free { ends[free] = ways[index].to } else { ends.append(ways[index].to) }
    }
    self.ways = ways
    lanes = ends.count
  }

  var svg: String {
    let width = Self.left + width + (lanes + 2) * Self.lane
    let height = y(report.layers.count) + Self.gap
    let boxes = report.layers.indices.map(box)
    let lines = report.layers.indices.filter(readsTheOneAbove).map(line)
    return SVGFile(
      width: width, height: height, title: title, titleAt: (Self.left, 28),
      style: """
        .name { font-weight: bold }
        .shape { fill: #555; text-anchor: end }
        .edge { fill: none; stroke: #888 }
        .contraction { fill: #fbf6e9; stroke: #b89b4e }
        .other { fill: #eef4fb; stroke: #6f93b8 }
        """
    ).text(lines + ways.map(drawn) + boxes)
  }

  private func readsTheOneAbove(_ layer: Int) -> Bool {
    report.layers[layer].inputs.contains { ($0 ?? -1) == layer - 1 }
  }

  /// The upper edge of a box; −1 is where the input comes from.
  private func y(_ layer: Int) -> Int { Self.top + layer * (Self.height + Self.gap) }

  private func line(_ layer: Int) -> String {
    let x = Self.left + width / 2
    return "<path d=\"M\(x) \(y(layer) - Self.gap)V\(y(layer))\" class=\"edge\"/>"
  }

  private func drawn(_ way: Way) -> String {
    let x = Self.left + width
    let (from, to) = (y(way.from) + Self.height / 2, y(way.to) + Self.height / 2)
    return "<path d=\"M\(x) \(from)H\(x + (way.lane + 1) * Self.lane)V\(to)H\(x)\" class=\"edge\"/>"
  }

  private func box(_ index: Int) -> String {
    let layer = report.layers[index]
    let (x, y) = (Self.left, y(index))
    let text = layer.computes
    let short =
      text.count <= Self.lineLength ? text : String(text.prefix(Self.lineLength - 1)) + "…"
    let shape = layer.output.map(String.init).joined(separator: "×")
    let costs =
      "\(countText(Double(layer.parameters))) parameters, \(countText(layer.macs.value)) macs"
    return """
      <g><title>\(xmlText("\(layer.name): \(text); \(costs)"))</title>
      <rect x="\(x)" y="\(y)" width="\(width)" height="\(Self.height)" rx="5" \
      class="\(layer.expression.value == nil ? "other" : "contraction")"/>
      <text x="\(x + 8)" y="\(y + 17)" class="name">\(xmlText(layer.name))</text>
      <text x="\(x + nameWidth)" y="\(y + 17)">\(xmlText(short))</text>
      <text x="\(x + width - 8)" y="\(y + 17)" class="shape">\(shape)</text>
      </g>
      """
  }
}
