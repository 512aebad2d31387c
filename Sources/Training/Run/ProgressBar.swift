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
  private let columns: () -> Int
  private var pace: RunPace?
  private var lastDrawn = -Double.infinity
  /// Whether the cursor is at the end of a bar.
  private var isOnLine = false

  private static let mostCells = 24
  /// A bar of fewer says nothing.
  private static let fewestCells = 4
  /// Often enough to look alive, seldom enough to cost nothing.
  private static let secondsBetweenDrawings = 0.1

  /// Whether standard error is a terminal.
  public static var isTerminal: Bool { isatty(STDERR_FILENO) == 1 }

  public convenience init(isShown: Bool) {
    let start = ContinuousClock.now
    self.init(
      isShown: isShown,
      write: { text in FileHandle.standardError.write(Data(text.utf8)) },
      now: { (ContinuousClock.now - start) / .seconds(1) }, columns: { Self.terminalColumns })
  }

  /// With a writer, a clock, in seconds, and the width of a terminal, of the caller's.
  init(
    isShown: Bool, write: @escaping (String) -> Void, now: @escaping () -> Double,
    columns: @escaping () -> Int = { 80 }
  ) {
    self.isShown = isShown
    self.write = write
    self.now = now
    self.columns = columns
  }

  /// Of the terminal as it is now: people change it.
  private static var terminalColumns: Int {
    var size = winsize()
    let isKnown = ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
    return isKnown ? Int(size.ws_col) : 80
  }

  /// Draws what an event changes.
  public func show(_ event: TrainingEvent) {
    guard isShown else { return }
    switch event {
    case .started(let overview):
      pace = RunPace(overview, since: now())
    case .step(let record):
      let time = now()
      guard let pace,
        time - lastDrawn >= Self.secondsBetweenDrawings
          || record.step == pace.overview.totalSteps
      else { return }
      lastDrawn = time
      isOnLine = true
      // Back to the start of the line, and clear what a longer text would leave behind.
      write("\r" + line(record, pace, at: time) + "\u{1B}[K")
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

  /// As much as fits into one line of the terminal, the bar first: a longer one would stay when the next
  /// is drawn over it. The last column stays free, for the cursor.
  private func line(_ record: StepRecord, _ pace: RunPace, at time: Double) -> String {
    let total = max(1, pace.overview.totalSteps)
    let epoch = "epoch \(record.epoch) "
    let steps = "\(record.step)/\(pace.overview.totalSteps)"
    let details = [
      "  " + RunPace.text(pace.secondsLeft(record, at: time)) + " left",
      String(format: "  loss %.3f", record.loss),
      String(format: "  %.0f images/s", pace.imagesPerSecond(record, at: time)),
    ]
    var room = columns() - 1 - epoch.count - steps.count - 1
    let cells = min(Self.mostCells, room)
    guard cells >= Self.fewestCells else { return String((epoch + steps).prefix(columns() - 1)) }
    let kept = details.indices.filter { index in
      guard details[index].count + Self.fewestCells <= room else { return false }
      room -= details[index].count
      return true
    }
    let length = min(Self.mostCells, room)
    let filled = length * record.step / total
    let bar =
      String(repeating: "█", count: filled) + String(repeating: "░", count: length - filled)
    // In the order in which they are read, not in that of their weight.
    return epoch + bar + " " + steps
      + kept.sorted { Self.place($0) < Self.place($1) }
      .map { details[$0] }.joined()
  }

  /// The loss, the rate, the time left.
  private static func place(_ detail: Int) -> Int { [2, 0, 1][detail] }
}
