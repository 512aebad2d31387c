import Foundation
import Testing

@testable import Training

@Suite struct MetricsTests {
  private static let epoch = EpochRecord(
    epoch: 1, trainLoss: 1.5, trainAccuracy: 0.75, testLoss: 1.25, testAccuracy: 0.5,
    imagesPerSecond: 640,
    seconds: 2.75)

  @Test func linesHaveTheAgreedFormat() {
    #expect(
      MetricRecord.step(stepRecord(3, 2, loss: 0.125)).line
        == #"{"kind":"step","step":3,"epoch":2,"loss":0.125,"learningRate":0.01,"#
        + #""imagesPerSecond":512.0,"seconds":0.25}"#)
    #expect(
      MetricRecord.epoch(Self.epoch).line
        == #"{"kind":"epoch","epoch":1,"trainLoss":1.5,"trainAccuracy":0.75,"#
        + #""testLoss":1.25,"testAccuracy":0.5,"#
        + #""imagesPerSecond":640.0,"seconds":2.75}"#)
  }

  @Test(arguments: [0, 0.1, 1.0 / 3, 1e-300, 123456789.123, 5e22, 2.302585092994046])
  func numbersReadBackExactly(loss: Double) throws {
    let record = MetricRecord.step(stepRecord(1, 1, loss: loss))
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

  /// Two epochs of two steps.
  private static var records: [MetricRecord] {
    (1...2).flatMap { epoch in
      var record = Self.epoch
      record.epoch = epoch
      return [2 * epoch - 1, 2 * epoch].map {
        MetricRecord.step(stepRecord($0, epoch, loss: 1 / Double($0)))
      } + [.epoch(record)]
    }
  }

  /// A history with a hole before the checkpoint (4 steps, 2 epochs) is an error that says where.
  @Test(
    arguments: [
      ([0, 2, 3, 4, 5], "", "metrics.jsonl:3: is of step 3, expected step 2"),
      ([0, 1, 3, 4, 5], "", "metrics.jsonl:5: is of epoch 2, expected epoch 1"),
      ([0, 1, 2, 4, 5], "", "metrics.jsonl:4: is of step 4, expected step 3"),
      (
        [0, 1, 2, 3, 4], "",
        "metrics.jsonl:6: ends at step 4 with 1 epochs, but the checkpoint is of step 4 with 2"
      ),
      ([0, 1, 2, 3], "", "metrics.jsonl:5: ends at step 3 with 1 epochs, but"),
      ([0, 1, 2, 3], "\u{0}\u{0}", "metrics.jsonl:5: is no record of a step or an epoch"),
      ([], "", "metrics.jsonl:1: ends at step 0 with 0 epochs, but"),
      ([0, 1, 1, 2, 3, 4, 5], "", "metrics.jsonl:3: is of step 2, expected step 3"),
    ] as [([Int], String, String)])
  func aHoleIsAnError(kept: [Int], garbage: String, message: String) throws {
    let text = kept.map { Self.records[$0].line + "\n" }.joined() + garbage
    let error = #expect(throws: TrainingError.self) {
      try MetricsHistory(text, path: "metrics.jsonl", steps: 4, epochs: 2)
    }
    #expect(error?.description.hasPrefix(message) == true, "\(error?.description ?? "")")
  }

  /// Whoever moves the file away has a history from there on, be it later than the run goes on from.
  @Test func aHistoryMayBeginLater() throws {
    let text = Self.records[3...].map { $0.line + "\n" }.joined() + "half a"
    #expect(
      try MetricsHistory(text, path: "", steps: 4, epochs: 2).records == Array(Self.records[3...]))
    #expect(
      try MetricsHistory(text, path: "", steps: 3, epochs: 1).records == [Self.records[3]])
    #expect(try MetricsHistory(text, path: "", steps: 2, epochs: 1).records.isEmpty)
    try withTemporaryFolder { folder in
      let file = try MetricsFile(path: folder + "/metrics.jsonl", steps: 3, epochs: 1)
      #expect(!FileManager.default.fileExists(atPath: file.path))
      try file.append(Self.records[4])
      try file.synchronize()
      #expect(try lines(file.path).count == 1)
    }
  }

  /// Two epochs of two steps, and a fifth step that a crash cut short.
  @Test(arguments: [(0, 0, 0), (1, 0, 1), (2, 0, 2), (2, 1, 3), (3, 1, 4), (4, 2, 6)])
  func resumingCutsOffWhatCameLater(steps: Int, epochs: Int, kept: Int) throws {
    try withTemporaryFolder { folder in
      let path = folder + "/metrics.jsonl"
      let records = Self.records
      let text = records.map { $0.line + "\n" }.joined() + #"{"kind":"step","st"#
      try Data(text.utf8).write(to: URL(fileURLWithPath: path))

      let file = try MetricsFile(path: path, steps: steps, epochs: epochs)
      #expect(file.records == Array(records.prefix(kept)))
      #expect(try lines(path).compactMap { MetricRecord(line: $0) } == Array(records.prefix(kept)))
      #expect(try lines(path).count == kept)
      let next = MetricRecord.step(stepRecord(10, 3, loss: 7))
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
        .append(Self.records[0])
    }
  }
}
