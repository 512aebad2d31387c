/// The records of a run that has got so far, as they are read from the text of its file: those of its steps
/// one after the other up to the last, and those of its epochs.
///
/// The first need not be of step 1: whoever moved the file away has a history from there on. What comes
/// after is of no account, whatever it is: a crash of the machine may leave anything there.
struct MetricsHistory {
  private(set) var records: [MetricRecord] = []
  private let path: String
  private let steps: Int
  private let epochs: Int
  /// The last ones that were read; nil at first.
  private var step: Int?
  private var epoch: Int?

  /// - Throws: `TrainingError.metricsDamaged`.
  init(_ text: String, path: String, steps: Int, epochs: Int) throws(TrainingError) {
    (self.path, self.steps, self.epochs) = (path, steps, epochs)
    for (index, line) in text.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    {
      if isWhole { return }
      guard let record = MetricRecord(line: line) else {
        throw damaged(line: index + 1, line.isEmpty ? ends : .noRecord)
      }
      // Begun after the step that the run goes on from: of before there is nothing.
      if records.isEmpty && isLater(record) { return }
      try add(record, line: index + 1)
    }
    guard isWhole else { throw damaged(line: nil, ends) }
  }

  private var isWhole: Bool { step ?? 0 >= steps && (steps == 0 || epoch ?? 0 >= epochs) }

  private func isLater(_ record: MetricRecord) -> Bool {
    switch record {
    case .step(let found): found.step > max(1, steps)
    case .epoch(let found): found.epoch > max(1, epochs)
    }
  }

  private var ends: TrainingError.MetricsProblem {
    .ends(step: step ?? 0, epoch: epoch ?? 0, expectedStep: steps, expectedEpoch: epochs)
  }

  private mutating func add(_ record: MetricRecord, line: Int) throws(TrainingError) {
    switch record {
    case .step(let found):
      // An epoch's line stands between its last step and the next one.
      let expected = (step ?? found.step - 1) + 1
      guard found.step == expected, found.step <= steps else {
        throw damaged(line: line, .wrongStep(found: found.step, expected: expected))
      }
      step = found.step
      if epoch == nil { epoch = found.epoch - 1 }
    case .epoch(let found):
      let expected = (epoch ?? found.epoch - 1) + 1
      guard found.epoch == expected, found.epoch <= epochs else {
        throw damaged(line: line, .wrongEpoch(found: found.epoch, expected: expected))
      }
      epoch = found.epoch
    }
    records.append(record)
  }

  private func damaged(line: Int?, _ problem: TrainingError.MetricsProblem) -> TrainingError {
    .metricsDamaged(path: path, line: line, problem: problem)
  }
}
