import Foundation
import Testing

@testable import Training

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite struct PlotTests {
  private func records(steps: Int, stepsPerEpoch: Int) -> [MetricRecord] {
    var records: [MetricRecord] = []
    for step in 1...steps {
      records.append(
        .step(
          stepRecord(step, (step - 1) / stepsPerEpoch + 1, loss: 2 / Double(step).squareRoot())))
      if step.isMultiple(of: stepsPerEpoch) {
        records.append(
          .epoch(
            EpochRecord(
              epoch: step / stepsPerEpoch, trainLoss: 1,
              trainAccuracy: 0.7 + 0.02 * Double(step / stepsPerEpoch), testLoss: 0.5,
              testAccuracy: 0.8 + 0.01 * Double(step / stepsPerEpoch), imagesPerSecond: 1,
              seconds: 1)))
      }
    }
    return records
  }

  /// Counts elements, and collects attributes by element.
  private final class Reader: NSObject, XMLParserDelegate {
    var attributes: [String: [[String: String]]] = [:]
    var texts: [String] = []

    func parser(
      _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
      qualifiedName: String?, attributes: [String: String]
    ) {
      self.attributes[name, default: []].append(attributes)
      texts.append("")
    }

    func parser(_ parser: XMLParser, foundCharacters text: String) {
      if !texts.isEmpty { texts[texts.count - 1] += text }
    }
  }

  private func read(_ svg: String) throws -> Reader {
    let reader = Reader()
    let parser = XMLParser(data: Data(svg.utf8))
    parser.delegate = reader
    try #require(parser.parse(), "not well-formed: \(String(describing: parser.parserError))")
    return reader
  }

  @Test func drawsEverySeriesWithAxesAndLegend() throws {
    let reader = try read(Plot(records(steps: 40, stepsPerEpoch: 10)).svg)
    let lines = try #require(reader.attributes["polyline"])
    #expect(lines.count == 4)
    let counts = lines.map { $0["points"]?.split(separator: " ").count }
    #expect(counts == [40, 4, 4, 4])
    #expect(reader.attributes["circle"]?.count == 12)
    let texts = reader.texts.map { $0.trimmingCharacters(in: .whitespacesAndNewlines) }
    // Each panel names both of its series.
    for name in ["training", "test"] { #expect(texts.count { $0 == name } == 2) }
    for text in ["loss", "accuracy, %", "step", "training", "test", "0", "40", "100"] {
      #expect(texts.contains(text), "\(text)")
    }
  }

  /// Within its panel, whatever the values.
  @Test func everyPointIsInsideThePicture() throws {
    let reader = try read(Plot(records(steps: 37, stepsPerEpoch: 5)).svg)
    for line in try #require(reader.attributes["polyline"]) {
      for point in (line["points"] ?? "").split(separator: " ") {
        let numbers = point.split(separator: ",").compactMap { Double($0) }
        #expect(numbers.count == 2)
        #expect((60...690).contains(numbers[0]) && (40...560).contains(numbers[1]), "\(point)")
      }
    }
  }

  @Test func aLongRunIsDrawnWithAFewHundredPoints() throws {
    let reader = try read(Plot(records(steps: 12_345, stepsPerEpoch: 1_000)).svg)
    let count = try #require(reader.attributes["polyline"]?.first?["points"])
      .split(separator: " ").count
    #expect((400...500).contains(count))
  }

  @Test func nothingYetIsStillAPicture() throws {
    #expect(try read(Plot([]).svg).attributes["polyline"] == nil)
    let one = [MetricRecord.step(stepRecord(1, 1, loss: 0))]
    #expect(try read(Plot(one).svg).attributes["polyline"]?.count == 1)
  }

  @Test(
    arguments: [
      (0, 40, 0, 40, 10, "10"), (0, 2345, 0, 2500, 500, "500"), (0, 2.3, 0, 2.5, 0.5, "0.5"),
      (80, 100, 80, 100, 5, "85"), (0, 1, 0, 1, 0.2, "0.2"), (0, 0.07, 0, 0.08, 0.02, "0.02"),
      (5, 5, 5, 6, 0.2, "5.2"),
    ] as [(Double, Double, Double, Double, Double, String)])
  func axesBeginAndEndAtRoundNumbers(
    from: Double, to: Double, start: Double, end: Double, interval: Double, secondLabel: String
  ) {
    let axis = PlotAxis(from: from, to: to)
    #expect(abs(axis.start - start) < 1e-9)
    #expect(abs(axis.end - end) < 1e-9)
    #expect(abs(axis.interval - interval) < 1e-9)
    #expect(axis.ticks.count == Int(((end - start) / interval).rounded()) + 1)
    #expect(axis.label(axis.ticks[1]) == secondLabel)
    #expect(axis.position(axis.start) == 0 && axis.position(axis.end) == 1)
  }

  /// Numbers as only a file that was changed by hand has them.
  @Test(arguments: [
    (0, 1.7e308), (-1.7e308, 1.7e308), (-1e308, 0), (1e308, 1e308), (0, .leastNonzeroMagnitude),
  ])
  func theLargestAndLeastNumbersHaveTicks(from: Double, to: Double) {
    let axis = PlotAxis(from: from, to: to)
    #expect((2...12).contains(axis.ticks.count))
    let last = axis.ticks.last ?? .nan
    #expect(last.isFinite)
  }
}
