import Testing

@testable import Training

@Suite struct ProgressBarTests {
  private final class Screen {
    var text = ""
    var time = 100.0
  }

  private func bar(_ screen: Screen, isShown: Bool = true, columns: Int = 80) -> ProgressBar {
    ProgressBar(
      isShown: isShown, write: { screen.text += $0 }, now: { screen.time }, columns: { columns })
  }

  private static let overview = RunOverview(
    folder: "run", ranks: 2, threads: 1, sharding: Sharding(batch: 2, rows: 1), parameterCount: 10,
    trainingSamples: 100, testSamples: 10,
    stepsPerEpoch: 10, batchSize: 16, firstStep: 4, totalSteps: 24)

  private func step(_ step: Int) -> TrainingEvent {
    .step(stepRecord(step, (step - 1) / 10 + 1, loss: 0.5))
  }

  @Test func showsRateAndTimeLeftOfThisSession() {
    let screen = Screen()
    let bar = bar(screen)
    bar.show(.started(Self.overview))
    screen.time += 2
    // 8 steps of 16 images in 2 s, 12 steps to go.
    bar.show(step(12))
    #expect(
      screen.text == "\repoch 2 ████████████░░░░░░░░░░░░ 12/24  loss 0.500  64 images/s  "
        + "0:03 left\u{1B}[K")
  }

  /// The bar, the steps and the time left stay longest.
  @Test(
    arguments: [
      (40, "epoch 2 ███████░░░░░░░ 12/24  0:03 left"),
      (60, "epoch 2 ████░░░░░ 12/24  loss 0.500  64 images/s  0:03 left"),
      (50, "epoch 2 ██████░░░░░░ 12/24  loss 0.500  0:03 left"), (20, "epoch 2 ██░░░ 12/24"),
      (17, "epoch 2 12/24"), (10, "epoch 2 1"),
    ] as [(Int, String)])
  func fitsIntoOneLine(columns: Int, line: String) {
    let screen = Screen()
    let bar = bar(screen, columns: columns)
    bar.show(.started(Self.overview))
    screen.time += 2
    bar.show(step(12))
    #expect(screen.text == "\r\(line)\u{1B}[K")
    #expect(line.count < columns)
  }

  /// Without a terminal: a line every ten seconds.
  @Test func linesComeEveryTenSeconds() {
    let screen = Screen()
    let lines = ProgressLines(
      isShown: true, write: { screen.text += $0 + "\n" }, now: { screen.time })
    lines.show(.started(Self.overview))
    for number in 5...24 {
      screen.time += 1.5
      lines.show(step(number))
    }
    // The first after ten seconds is the seventh: 7 steps of 16 images in 10.5 s, 13 to go.
    #expect(
      screen.text == """
        step 11 of 24 (epoch 2): loss 0.5000, 11 images/s, 0:20 left
        step 18 of 24 (epoch 2): loss 0.5000, 11 images/s, 0:09 left

        """)
    let silent = Screen()
    let none = ProgressLines(
      isShown: false, write: { silent.text += $0 }, now: { silent.time })
    none.show(.started(Self.overview))
    silent.time += 20
    none.show(step(5))
    #expect(silent.text.isEmpty)
  }

  @Test func isNotDrawnMoreOftenThanItCanBeRead() {
    let screen = Screen()
    let bar = bar(screen)
    bar.show(.started(Self.overview))
    screen.time += 1
    bar.show(step(5))
    let once = screen.text
    screen.time += 0.05
    bar.show(step(6))
    #expect(screen.text == once)
    screen.time += 0.06
    bar.show(step(7))
    #expect(screen.text != once)
    // The last step shows, however soon.
    bar.show(step(24))
    #expect(screen.text.contains("24/24"))
  }

  @Test func makesRoomForOtherText() {
    let screen = Screen()
    let bar = bar(screen)
    bar.clear()
    #expect(screen.text.isEmpty)
    bar.show(.started(Self.overview))
    screen.time += 1
    bar.show(step(5))
    bar.show(.checkpoint(step: 5, path: "x"))
    #expect(screen.text.hasSuffix("\r\u{1B}[K"))
    let cleared = screen.text
    bar.clear()
    #expect(screen.text == cleared)
  }

  @Test func whereItIsNotShownNothingIsWritten() {
    let screen = Screen()
    let bar = bar(screen, isShown: false)
    bar.show(.started(Self.overview))
    screen.time += 1
    bar.show(step(5))
    bar.clear()
    #expect(screen.text.isEmpty)
  }

  @Test(
    arguments: [
      (0, "0:00"), (6.2, "0:07"), (59.5, "1:00"), (750, "12:30"), (3900, "1:05:00"),
      (36_000, "10:00:00"), (.infinity, "100000:00:00"),
    ] as [(Double, String)])
  func durations(seconds: Double, text: String) {
    #expect(RunPace.text(seconds) == text)
  }
}
