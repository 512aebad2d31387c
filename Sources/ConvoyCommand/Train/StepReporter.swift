import Convoy
import Formats

/// Writes what `convoy train --report` and `--trace` ask for, from recordings of the first steps. All calls are of
/// all ranks together; rank 0 writes.
final class StepReporter {
  private let report: String?
  private let trace: String?
  private let communicator: any Communicator
  private var steps = 0
  /// What is still to be written as a trace.
  private var traced: StepRecording?

  init(report: String?, trace: String?, communicator: any Communicator) {
    self.report = report
    self.trace = trace
    self.communicator = communicator
  }

  /// The second step is the one to trace: the first begins with memory that nobody has touched.
  private static let tracedStep = 2

  var recorder: StepRecorder? {
    guard report != nil || trace != nil else { return nil }
    return StepRecorder(steps: trace == nil ? 1 : Self.tracedStep) { try self.take($0) }
  }

  private func take(_ recording: StepRecording) throws {
    steps += 1
    if steps == 1, let report {
      let contents = try TrainingReport(recording, communicator: communicator)
      try write(report) { try contents.json() + "\n" }
    }
    traced = recording
    if steps == Self.tracedStep { try writeTrace() }
  }

  /// Writes what the steps that there were did not get to.
  func finish() throws {
    try writeTrace()
    guard steps == 0, communicator.rank == 0 else { return }
    for (option, path) in [("--report", report), ("--trace", trace)] {
      guard let path else { continue }
      note("convoy: note: there was no step to run, so \(option) \(path) is not written")
    }
  }

  private func writeTrace() throws {
    guard let trace, let recording = traced else { return }
    traced = nil
    let rows = try communicator.gather(
      ChromeTrace.text(recording.traceEvents, rank: communicator.rank, as: .process))
    try write(trace) { ChromeTrace.file(rows, as: .process) }
  }

  private func write(_ path: String, _ text: () throws -> String) throws {
    try communicator.together {
      guard communicator.rank == 0 else { return }
      try writeAtomically(to: path, bytes: Array(try text().utf8))
    }
  }
}

extension StepRecording {
  /// In order of time.
  fileprivate var traceEvents: [ChromeTrace.Event] {
    timeline.events.sorted { $0.start < $1.start }.map { event in
      let layer =
        switch owners[event.name] {
        case .layer(let number): layers[number]
        case .loss: "loss"
        case .update: "update"
        }
      return ChromeTrace.Event(
        name: program.names[event.name], category: event.kind.rawValue, start: event.start,
        duration: event.duration, lane: event.lane, layer: layer)
    }
  }
}
