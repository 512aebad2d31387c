import Foundation
import Planning

/// Loss and accuracy over the steps of a run, as an SVG drawing.
///
/// ```swift
/// try Plot(records).svg.write(toFile: "plot.svg", atomically: true, encoding: .utf8)
/// ```
public struct Plot: Hashable, Sendable {
  /// The mean loss of a few steps each, at their middle.
  private let trainLoss: [PlotPoint]
  private let testLoss: [PlotPoint]
  /// In percent, as those of the test.
  private let trainAccuracy: [PlotPoint]
  private let testAccuracy: [PlotPoint]

  /// More points than pixels would only make the file large.
  private static let mostPoints = 500

  public init(_ records: [MetricRecord]) {
    var steps: [StepRecord] = []
    var testLoss: [PlotPoint] = []
    var trainAccuracy: [PlotPoint] = []
    var testAccuracy: [PlotPoint] = []
    for record in records {
      switch record {
      case .step(let record): steps.append(record)
      case .epoch(let record):
        let step = Double(steps.last?.step ?? 0)
        testLoss.append(PlotPoint(x: step, y: record.testLoss))
        trainAccuracy.append(PlotPoint(x: step, y: 100 * record.trainAccuracy))
        testAccuracy.append(PlotPoint(x: step, y: 100 * record.testAccuracy))
      }
    }
    self.testLoss = testLoss
    self.trainAccuracy = trainAccuracy
    self.testAccuracy = testAccuracy
    let length = max(1, (steps.count + Self.mostPoints - 1) / Self.mostPoints)
    trainLoss = stride(from: 0, to: steps.count, by: length).map { start in
      let group = steps[start..<min(start + length, steps.count)]
      let count = Double(group.count)
      return PlotPoint(
        x: group.reduce(0) { $0 + Double($1.step) } / count,
        y: group.reduce(0) { $0 + $1.loss } / count)
    }
  }

  public var svg: String {
    let lastStep = max(1, (trainLoss + testLoss).map(\.x).max() ?? 1)
    let highestLoss = (trainLoss + testLoss).map(\.y).max() ?? 1
    let lowestAccuracy = (trainAccuracy + testAccuracy).map(\.y).min() ?? 0
    let loss = PlotPanel(
      top: 40, title: "loss", horizontal: PlotAxis(from: 0, to: lastStep),
      vertical: PlotAxis(from: 0, to: highestLoss),
      series: [
        PlotSeries(name: "training", color: "#4c78a8", points: trainLoss, hasMarkers: false),
        PlotSeries(name: "test", color: "#e45756", points: testLoss, hasMarkers: true),
      ])
    let accuracy = PlotPanel(
      top: 340, title: "accuracy, %", horizontal: PlotAxis(from: 0, to: lastStep),
      vertical: PlotAxis(from: min(90, 10 * (lowestAccuracy / 10).rounded(.down)), to: 100),
      series: [
        PlotSeries(name: "training", color: "#4c78a8", points: trainAccuracy, hasMarkers: true),
        PlotSeries(name: "test", color: "#e45756", points: testAccuracy, hasMarkers: true),
      ])
    return SVGFile(width: 720, height: 620).text([loss.svg, accuracy.svg])
  }
}

private struct PlotPoint: Hashable {
  var x: Double
  var y: Double
}

private struct PlotSeries {
  var name: String
  var color: String
  var points: [PlotPoint]
  var hasMarkers: Bool
}

/// A range of values that begins and ends at a tick.
struct PlotAxis: Hashable {
  let start: Double
  let end: Double
  let interval: Double

  /// The smallest range of at most about six intervals of 1, 2 or 5 times a power of ten that
  /// contains `from` and `to`.
  init(from: Double, to: Double) {
    // A record that was made by hand may say anything; ticks must be numbers, apart from each other.
    let from = max(-1e300, min(from, 1e300))
    let to = max(-1e300, min(to, 1e300))
    let least = max(1e-300, abs(from) * 1e-9)
    let span = to - from > least ? to - from : max(1, least)
    let power = pow(10, (log10(span / 6)).rounded(.down))
    let multiple = [1.0, 2, 5, 10].first { $0 * power >= span / 6 } ?? 10
    interval = multiple * power
    // Rounding must not add a whole interval.
    start = (from / interval + 1e-9).rounded(.down) * interval
    end = ((from + span) / interval - 1e-9).rounded(.up) * interval
  }

  var ticks: [Double] {
    (0...Int(((end - start) / interval).rounded())).map { start + Double($0) * interval }
  }

  /// Where a value is between the start, 0, and the end, 1.
  func position(_ value: Double) -> Double { (value - start) / (end - start) }

  /// As few decimals as the interval needs.
  func label(_ tick: Double) -> String {
    let decimals = max(0, Int((-log10(interval) - 1e-9).rounded(.up)))
    return String(format: "%.\(decimals)f", tick)
  }
}

private struct PlotPanel {
  var top: Double
  var title: String
  var horizontal: PlotAxis
  var vertical: PlotAxis
  var series: [PlotSeries]

  static let left = 60.0
  static let width = 630.0
  static let height = 220.0

  private func x(_ value: Double) -> String {
    number(Self.left + Self.width * horizontal.position(value))
  }

  private func y(_ value: Double) -> String {
    number(top + Self.height * (1 - vertical.position(value)))
  }

  var svg: String {
    var lines = [text(title, x: number(Self.left), y: number(top - 12), weight: "bold")]
    for tick in vertical.ticks {
      lines.append(
        "<path d=\"M\(number(Self.left)),\(y(tick))h\(number(Self.width))\" stroke=\"#ddd\"/>")
      lines.append(
        text(
          vertical.label(tick), x: number(Self.left - 8), y: y(tick), anchor: "end",
          shift: "0.35em"))
    }
    let bottom = top + Self.height
    for tick in horizontal.ticks {
      lines.append("<path d=\"M\(x(tick)),\(number(bottom))v5\" stroke=\"#333\"/>")
      lines.append(
        text(horizontal.label(tick), x: x(tick), y: number(bottom + 20), anchor: "middle"))
    }
    lines.append(
      "<path d=\"M\(number(Self.left)),\(number(bottom))h\(number(Self.width))\" stroke=\"#333\"/>")
    lines.append(
      text(
        "step", x: number(Self.left + Self.width / 2), y: number(bottom + 38), anchor: "middle"))
    for (index, series) in series.enumerated() {
      lines += drawn(series)
      lines += legend(series, index: index)
    }
    return lines.joined(separator: "\n")
  }

  private func drawn(_ series: PlotSeries) -> [String] {
    let points = series.points.map { "\(x($0.x)),\(y($0.y))" }
    guard !points.isEmpty else { return [] }
    let line =
      "<polyline points=\"\(points.joined(separator: " "))\" fill=\"none\" "
      + "stroke=\"\(series.color)\" stroke-width=\"1.5\" stroke-linejoin=\"round\"/>"
    guard series.hasMarkers else { return [line] }
    return [line]
      + series.points.map {
        "<circle cx=\"\(x($0.x))\" cy=\"\(y($0.y))\" r=\"3.5\" fill=\"\(series.color)\"/>"
      }
  }

  /// A dash of the series' colour and its name, right above the panel.
  private func legend(_ series: PlotSeries, index: Int) -> [String] {
    let start = Self.left + Self.width - 90 * Double(self.series.count - index)
    return [
      "<path d=\"M\(number(start)),\(number(top - 16))h20\" stroke=\"\(series.color)\" "
        + "stroke-width=\"3\"/>",
      text(series.name, x: number(start + 26), y: number(top - 12)),
    ]
  }

  private func text(
    _ text: String, x: String, y: String, anchor: String = "start", shift: String = "0",
    weight: String = "normal"
  ) -> String {
    "<text x=\"\(x)\" y=\"\(y)\" dy=\"\(shift)\" text-anchor=\"\(anchor)\" "
      + "font-weight=\"\(weight)\">\(text)</text>"
  }

  /// A tenth of a pixel is enough.
  private func number(_ value: Double) -> String { String(format: "%.1f", value) }
}
