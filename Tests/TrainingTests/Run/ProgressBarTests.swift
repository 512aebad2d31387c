import Testing

@testable import Training

@Suite struct ProgressBarTests {
  private final class Screen {
    var text = ""
    var time = 100.0
  }

  private func bar(_ screen: Screen, isShown: Bool = true) -> ProgressBar {
    ProgressBar(isShown: isShown, write: { screen.text += $0 }, now: { screen.time })
  }

  private static let overview = RunOverview(
    folder: "run", ranks: 2, threads: 1, sharding: Sharding(batch: 2, rows: 1), parameterCount: 10,
    trainingSamples: 100, testSamples: 10,
    stepsPerEpoch: 10, batchSize: 16, firstStep: 4, totalSteps: 24)

  private func step(_ step: Int) -> TrainingEvent {
    .step(StepRecord(step: step, epoch: (step - 1) / 10 + 1, loss: 0.5))
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
    #expect(ProgressBar.duration(seconds) == text)
  }
}
