import Foundation
import Testing

@testable import Training

@Suite struct MetricsTests {
  private static let epoch = EpochRecord(
    epoch: 1, trainLoss: 1.5, testLoss: 1.25, testAccuracy: 0.5, imagesPerSecond: 640,
    seconds: 2.75)

  @Test func linesHaveTheAgreedFormat() {
    #expect(
      MetricRecord.step(StepRecord(step: 3, epoch: 2, loss: 0.125)).line
        == #"{"kind":"step","step":3,"epoch":2,"loss":0.125}"#)
    #expect(
      MetricRecord.epoch(Self.epoch).line
        == #"{"kind":"epoch","epoch":1,"trainLoss":1.5,"testLoss":1.25,"testAccuracy":0.5,"#
        + #""imagesPerSecond":640.0,"seconds":2.75}"#)
  }

  @Test(arguments: [0, 0.1, 1.0 / 3, 1e-300, 123456789.123, 5e22, 2.302585092994046])
  func numbersReadBackExactly(loss: Double) throws {
    let record = MetricRecord.step(StepRecord(step: 1, epoch: 1, loss: loss))
    #expect(MetricRecord(line: record.line) == record)
    let object = try JSONSerialization.jsonObject(with: Data(record.line.utf8)) as? [String: Any]
    #expect(object?["loss"] as? Double == loss)
  }

  @Test func anEpochReadsBack() {
    #expect(MetricRecord(line: MetricRecord.epoch(Self.epoch).line) == .epoch(Self.epoch))
  }

  @Test(arguments: [
    "", "{", #"{"kind":"step","step":3,"epo"#, #"{"kind":"else","step":1}"#, #"{"step":1}"#, "[1]",
  ])
  func otherLinesAreNoRecords(line: String) {
    #expect(MetricRecord(line: line) == nil)
  }

  private func lines(_ path: String) throws -> [Substring] {
    try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
  }

  /// Two epochs of two steps, and a fifth step that a crash cut short.
  @Test(arguments: [(0, 0, 0), (1, 0, 1), (2, 0, 2), (2, 1, 3), (3, 1, 4), (4, 2, 6), (9, 9, 6)])
  func resumingCutsOffWhatCameLater(steps: Int, epochs: Int, kept: Int) throws {
    try withTemporaryFolder { folder in
      let path = folder + "/metrics.jsonl"
      var records: [MetricRecord] = []
      for epoch in 1...2 {
        for step in [2 * epoch - 1, 2 * epoch] {
          records.append(.step(StepRecord(step: step, epoch: epoch, loss: 1 / Double(step))))
        }
        var record = Self.epoch
        record.epoch = epoch
        records.append(.epoch(record))
      }
      let text = records.map { $0.line + "\n" }.joined() + #"{"kind":"step","st"#
      try Data(text.utf8).write(to: URL(fileURLWithPath: path))

      let file = try MetricsFile(path: path, steps: steps, epochs: epochs)
      #expect(file.records == Array(records.prefix(kept)))
      #expect(try lines(path).compactMap { MetricRecord(line: $0) } == Array(records.prefix(kept)))
      #expect(try lines(path).count == kept)
      let next = MetricRecord.step(StepRecord(step: 10, epoch: 3, loss: 7))
      try file.append(next)
      // In the file at once, not when it is closed.
      #expect(try lines(path).count == kept + 1)
      #expect(try lines(path).last.map(String.init) == next.line)
      #expect(file.records.count == kept + 1)
    }
  }

  @Test func anUnwritableFileIsAnError() {
    #expect(throws: (any Error).self) {
      try MetricsFile(path: "/nonexistent/metrics.jsonl", steps: 0, epochs: 0)
    }
  }
}
