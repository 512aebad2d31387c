import Foundation

/// Lines that follow a run where there is no terminal for a `ProgressBar`: in mpirun's output, a batch
/// system's log or a file.
///
/// ```swift
/// let lines = ProgressLines(isShown: communicator.rank == 0) { print($0) }
/// let summary = try train(configuration, communicator: communicator) { lines.show($0) }
/// // step 1200 of 4690 (epoch 3): loss 0.4210, 2140 images/s, 3:28 left
/// ```
public final class ProgressLines {
  private let isShown: Bool
  private let write: (String) -> Void
  private let now: () -> Double
  private var pace: RunPace?
  private var lastLine = 0.0

  private static let secondsBetweenLines = 10.0

  public convenience init(isShown: Bool, write: @escaping (String) -> Void) {
    let start = ContinuousClock.now
    self.init(isShown: isShown, write: write, now: { (ContinuousClock.now - start) / .seconds(1) })
  }

  /// With a clock, in seconds, of the caller's.
  init(isShown: Bool, write: @escaping (String) -> Void, now: @escaping () -> Double) {
    self.isShown = isShown
    self.write = write
    self.now = now
  }

  /// Writes a line about a step, every ten seconds: none about a run that is over sooner.
  public func show(_ event: TrainingEvent) {
    guard isShown else { return }
    let time = now()
    switch event {
    case .started(let overview):
      pace = RunPace(overview, since: time)
      lastLine = time
    case .step(let record):
      guard let pace, time - lastLine >= Self.secondsBetweenLines else { return }
      lastLine = time
      write(
        "step \(record.step) of \(pace.overview.totalSteps) (epoch \(record.epoch)): "
          + String(
            format: "loss %.4f, %.0f images/s, ", record.loss,
            pace.imagesPerSecond(record, at: time)
          ) + RunPace.text(pace.secondsLeft(record, at: time)) + " left")
    case .epoch, .checkpoint: break
    }
  }
}

/// How fast a run goes, over all its steps since it began or was resumed.
struct RunPace {
  let overview: RunOverview
  let start: Double

  init(_ overview: RunOverview, since start: Double) {
    self.overview = overview
    self.start = start
  }

  func imagesPerSecond(_ record: StepRecord, at time: Double) -> Double {
    time > start ? Double(stepsDone(record) * overview.batchSize) / (time - start) : 0
  }

  func secondsLeft(_ record: StepRecord, at time: Double) -> Double {
    let done = stepsDone(record)
    return done > 0 ? (time - start) / Double(done) * Double(overview.totalSteps - record.step) : 0
  }

  private func stepsDone(_ record: StepRecord) -> Int { record.step - overview.firstStep }

  /// `0:07`, `12:30`, `1:05:00`.
  static func text(_ seconds: Double) -> String {
    let seconds = Int(min(max(0, seconds.rounded(.up)), 360_000_000))
    let tail = String(format: "%02d", seconds % 60)
    guard seconds >= 3600 else { return "\(seconds / 60):\(tail)" }
    return "\(seconds / 3600):" + String(format: "%02d", seconds / 60 % 60) + ":\(tail)"
  }
}
