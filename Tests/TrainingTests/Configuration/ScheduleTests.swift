import Testing

@testable import Training

@Suite struct ScheduleTests {
  private func rates(_ schedule: Schedule, _ steps: [Int]) -> [Float] {
    steps.map { schedule.learningRate(step: $0) }
  }

  @Test func constantIsThePeak() {
    let schedule = Schedule(kind: .constant, peak: 0.5, totalSteps: 10)
    #expect(rates(schedule, [0, 1, 9, 10, 1000]) == [0.5, 0.5, 0.5, 0.5, 0.5])
  }

  @Test func warmUpRisesLinearlyToThePeak() {
    let schedule = Schedule(kind: .constant, peak: 0.5, warmUpSteps: 5, totalSteps: 10)
    #expect(rates(schedule, [0, 1, 2, 3, 4, 5]) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.5])
  }

  @Test func stepFallsByTheFactorAfterEachPeriod() {
    let schedule = Schedule(kind: .step, peak: 0.8, periodSteps: 3, factor: 0.5, totalSteps: 10)
    #expect(rates(schedule, [0, 2, 3, 5, 6, 9]) == [0.8, 0.8, 0.4, 0.4, 0.2, 0.1])
  }

  @Test func cosineGoesFromThePeakToZero() {
    let schedule = Schedule(kind: .cosine, peak: 0.2, warmUpSteps: 2, totalSteps: 14)
    let found = rates(schedule, [0, 1, 2, 5, 6, 8, 10, 14, 20])
    // cos of 0, π/4, π/3, π/2, 2π/3, π.
    let expected: [Float] = [0.1, 0.2, 0.2, 0.17071068, 0.15, 0.1, 0.05, 0, 0]
    for (found, expected) in zip(found, expected) { #expect(abs(found - expected) < 1e-7) }
  }

  @Test func theExampleOfTheComment() {
    let schedule = Schedule(kind: .cosine, peak: 0.1, warmUpSteps: 100, totalSteps: 1_000)
    #expect(schedule.learningRate(step: 0) == 0.001)
    #expect(abs(schedule.learningRate(step: 550) - 0.05) < 1e-8)
  }

  @Test func epochsBecomeStepsAndMaxStepsDoesNotMatter() {
    var configuration = TrainingConfiguration()
    configuration.training.epochs = 3
    configuration.training.schedule = .step
    configuration.training.warmUpEpochs = 0.5
    configuration.training.stepEpochs = 1.5
    configuration.training.maxSteps = 4
    let schedule = Schedule(configuration, stepsPerEpoch: 10)
    #expect(schedule.warmUpSteps == 5)
    #expect(schedule.periodSteps == 15)
    #expect(schedule.totalSteps == 30)
    #expect(schedule.peak == configuration.optimizer.learningRate)
  }

  /// Whole steps, once: the nearest, halves up, and at least one.
  @Test(arguments: [
    (0.5, 3, 2), (0.5, 5, 3), (1.5, 3, 5), (0.4, 3, 1), (1.0 / 3, 10, 3), (0.01, 3, 1),
    (2, 469, 938),
  ])
  func aPeriodIsRoundedToWholeSteps(epochs: Double, stepsPerEpoch: Int, period: Int) {
    var configuration = TrainingConfiguration()
    configuration.training.schedule = .step
    configuration.training.stepEpochs = epochs
    configuration.training.stepFactor = 0.5
    configuration.optimizer.learningRate = 1
    let schedule = Schedule(configuration, stepsPerEpoch: stepsPerEpoch)
    #expect(schedule.periodSteps == period)
    let steps = Array(0..<5 * period)
    #expect(rates(schedule, steps) == steps.map { [1, 0.5, 0.25, 0.125, 0.0625][$0 / period] })
  }

  @Test func nothingDividesByZero() {
    let schedule = Schedule(kind: .cosine, peak: 1, warmUpSteps: 7, periodSteps: 0, totalSteps: 3)
    #expect(rates(schedule, [0, 6, 7]).allSatisfy { $0.isFinite && $0 >= 0 })
    #expect(schedule.periodSteps == 1)
  }
}
