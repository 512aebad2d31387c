import Convoy
import Foundation

/// Parallel efficiency over the number of ranks as SVG: a line per case, dashed for weak scaling.
///
/// ```swift
/// try ScalingDrawing(report).svg.write(toFile: "scaling.svg", atomically: true, encoding: .utf8)
/// ```
struct ScalingDrawing {
  private let series: [ScalingSeries]
  private let title: String
  /// Ascending.
  private let ranks: [Int]
  /// The upper end of the vertical axis and the distance of its ticks, in percent.
  private let top: Double
  private let interval: Double

  private static let left = 60.0
  private static let plotTop = 60.0
  private static let plotWidth = 520.0
  private static let plotHeight = 320.0
  private static let legendLeft = 604.0
  private static let legendWidth = 316.0
  private static let lineHeight = 20.0
  /// Characters that fit the legend.
  private static let nameLength = 34
  private static let colors = [
    "#4c78a8", "#e45756", "#54a24b", "#f58518", "#72b7b2", "#b279a2", "#9d755d", "#bab0ac",
  ]

  init(_ report: ScalingReport) {
    series = report.results.filter { !$0.points.isEmpty }
    title =
      "Parallel efficiency on \(report.ranks) \(report.ranks == 1 ? "rank" : "ranks"), "
      + report.dtype
    ranks = Set(series.flatMap { $0.points.map(\.ranks) }).sorted()
    let highest = 100 * (series.flatMap { $0.points.map(\.efficiency) }.max() ?? 1)
    // At most six intervals.
    interval = max(20, (highest / 120).rounded(.up) * 20)
    top = max(100, (highest / interval - 1e-9).rounded(.up) * interval)
  }

  var svg: String {
    let width = Self.legendLeft + Self.legendWidth
    let legendHeight = Self.plotTop + Double(series.count) * Self.lineHeight
    let height = max(Self.plotTop + Self.plotHeight + 60, legendHeight + 20)
    return SVGFile(
      width: Int(width), height: Int(height.rounded(.up)), title: title,
      titleAt: (Int(Self.left), 32),
      style: """
        .grid { stroke: #ddd }
        .ideal { stroke: #999; stroke-dasharray: 2 3 }
        .axis { stroke: #333 }
        .line { fill: none; stroke-width: 1.5; stroke-linejoin: round }
        .weak { stroke-dasharray: 7 4 }
        """
    ).text(axes + series.indices.flatMap(drawn) + series.indices.flatMap(legend))
  }

  /// The ranks are drawn at their logarithms, so that the few and the many can be told apart.
  private func x(_ ranks: Int) -> Double {
    let first = log2(Double(self.ranks.first ?? 1))
    let span = log2(Double(self.ranks.last ?? 1)) - first
    let share = span > 0 ? (log2(Double(ranks)) - first) / span : 0.5
    return Self.left + Self.plotWidth * (0.04 + 0.92 * share)
  }

  private func y(_ percent: Double) -> Double {
    Self.plotTop + Self.plotHeight * (1 - percent / top)
  }

  private var axes: [String] {
    var lines: [String] = []
    for percent in stride(from: 0, through: top, by: interval) {
      lines.append(path(Self.left, y(percent), "h\(number(Self.plotWidth))", "grid"))
      lines.append(text("\(Int(percent))", Self.left - 8, y(percent) + 5, anchor: "end"))
    }
    lines.append(path(Self.left, y(100), "h\(number(Self.plotWidth))", "ideal"))
    lines.append(path(Self.left, Self.plotTop, "v\(number(Self.plotHeight))", "axis"))
    lines.append(path(Self.left, y(0), "h\(number(Self.plotWidth))", "axis"))
    for count in ranks {
      lines.append(path(x(count), y(0), "v5", "axis"))
      lines.append(text("\(count)", x(count), y(0) + 20, anchor: "middle"))
    }
    lines.append(text("efficiency, %", Self.left, Self.plotTop - 10))
    lines.append(text("ranks", Self.left + Self.plotWidth / 2, y(0) + 42, anchor: "middle"))
    return lines
  }

  /// One colour per case, whatever the kinds of scaling.
  private func color(_ index: Int) -> String {
    var names: [String] = []
    for series in series where !names.contains(series.name) { names.append(series.name) }
    let place = names.firstIndex(of: series[index].name) ?? 0
    return Self.colors[place % Self.colors.count]
  }

  private func drawn(_ index: Int) -> [String] {
    let (series, color) = (series[index], color(index))
    let style = series.scaling == .weak ? "line weak" : "line"
    let places = series.points.map { "\(number(x($0.ranks))),\(number(y(100 * $0.efficiency)))" }
    let line =
      "<polyline points=\"\(places.joined(separator: " "))\" class=\"\(style)\" stroke=\"\(color)\"/>"
    return [line]
      + series.points.map { point in
        let label =
          "\(series.name), \(series.scaling), q = \(point.ranks): "
          + "\(number(100 * point.efficiency)) %, \(number(point.gigaflopsPerSecond)) GFLOP/s"
        return "<circle cx=\"\(number(x(point.ranks)))\" "
          + "cy=\"\(number(y(100 * point.efficiency)))\" r=\"3.5\" fill=\"\(color)\">"
          + "<title>\(xmlText(label))</title></circle>"
      }
  }

  private func legend(_ index: Int) -> [String] {
    let series = series[index]
    let middle = Self.plotTop + Self.lineHeight * (Double(index) + 0.5)
    let style = series.scaling == .weak ? "line weak" : "line"
    let name =
      series.name.count <= Self.nameLength
      ? series.name : series.name.prefix(Self.nameLength - 1) + "…"
    return [
      path(Self.legendLeft, middle, "h28", style, stroke: color(index)),
      text("\(name), \(series.scaling.rawValue)", Self.legendLeft + 36, middle + 5),
    ]
  }

  private func path(
    _ x: Double, _ y: Double, _ way: String, _ style: String, stroke: String? = nil
  ) -> String {
    "<path d=\"M\(number(x)),\(number(y))\(way)\" class=\"\(style)\""
      + (stroke.map { " stroke=\"\($0)\"" } ?? "") + "/>"
  }

  private func text(_ text: String, _ x: Double, _ y: Double, anchor: String = "start") -> String {
    "<text x=\"\(number(x))\" y=\"\(number(y))\" text-anchor=\"\(anchor)\">\(xmlText(text))</text>"
  }

  /// A tenth of a pixel is enough.
  private func number(_ value: Double) -> String { String(format: "%.1f", value) }
}
