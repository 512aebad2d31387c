import Foundation

#if canImport(Darwin)
  import Darwin
#else
  import Glibc
#endif

/// One line that follows a run: how far it is, its loss, its rate and the time left.
///
/// Shown only if it `isShown`; the caller asks for it on rank 0 and where standard error is a
/// terminal. It goes to standard error, for results own standard output.
///
/// ```swift
/// let bar = ProgressBar(isShown: communicator.rank == 0 && ProgressBar.isTerminal)
/// let summary = try train(configuration, communicator: communicator) { bar.show($0) }
/// ```
public final class ProgressBar {
  private let isShown: Bool
  private let write: (String) -> Void
  private let now: () -> Double
  private var overview: RunOverview?
  private var started = 0.0
  private var lastDrawn = -Double.infinity
  /// Whether the cursor is at the end of a bar.
  private var isOnLine = false

  private static let cells = 24
  /// Often enough to look alive, seldom enough to cost nothing.
  private static let secondsBetweenDrawings = 0.1

  /// Whether standard error is a terminal.
  public static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

  public convenience init(isShown: Bool) {
    let start = ContinuousClock.now
    self.init(
      isShown: isShown,
      write: { text in FileHandle.standardError.write(Data(text.utf8)) },
      now: { (ContinuousClock.now - start) / .seconds(1) })
  }

  /// With a writer and a clock, in seconds, of the caller's.
  init(isShown: Bool, write: @escaping (String) -> Void, now: @escaping () -> Double) {
    self.isShown = isShown
    self.write = write
    self.now = now
  }

  /// Draws what an event changes.
  public func show(_ event: TrainingEvent) {
    guard isShown else { return }
    switch event {
    case .started(let overview):
      self.overview = overview
      started = now()
    case .step(let record):
      let time = now()
      guard let overview,
        time - lastDrawn >= Self.secondsBetweenDrawings || record.step == overview.totalSteps
      else { return }
      lastDrawn = time
      isOnLine = true
      // Back to the start of the line, and clear what a longer text would leave behind.
      write("\r" + line(record, overview, seconds: time - started) + "\u{1B}[K")
    case .epoch, .checkpoint:
      clear()
    }
  }

  /// Takes the bar away, so that other text can be written.
  public func clear() {
    guard isOnLine else { return }
    write("\r\u{1B}[K")
    isOnLine = false
  }

  private func line(_ record: StepRecord, _ overview: RunOverview, seconds: Double) -> String {
    let total = max(1, overview.totalSteps)
    let filled = Self.cells * record.step / total
    let bar =
      String(repeating: "█", count: filled) + String(repeating: "░", count: Self.cells - filled)
    let done = record.step - overview.firstStep
    let rate = seconds > 0 ? Double(done * overview.batchSize) / seconds : 0
    let left = done > 0 ? seconds / Double(done) * Double(overview.totalSteps - record.step) : 0
    return "epoch \(record.epoch) \(bar) \(record.step)/\(overview.totalSteps)"
      + String(format: "  loss %.3f  %.0f images/s  ", record.loss, rate)
      + Self.duration(left) + " left"
  }

  /// `0:07`, `12:30`, `1:05:00`.
  static func duration(_ seconds: Double) -> String {
    let seconds = Int(min(max(0, seconds.rounded(.up)), 360_000_000))
    let tail = String(format: "%02d", seconds % 60)
    guard seconds >= 3600 else { return "\(seconds / 60):\(tail)" }
    return "\(seconds / 3600):" + String(format: "%02d", seconds / 60 % 60) + ":\(tail)"
  }
}
