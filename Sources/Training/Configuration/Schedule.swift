import Foundation

/// The learning rate of every step.
///
/// ```swift
/// let schedule = Schedule(kind: .cosine, peak: 0.1, warmUpSteps: 100, totalSteps: 1_000)
/// schedule.learningRate(step: 0)    // 0.001
/// schedule.learningRate(step: 550)  // 0.05
/// ```
public struct Schedule: Hashable, Sendable {
  public enum Kind: String, Hashable, Sendable, CaseIterable {
    /// Always the peak.
    case constant
    /// The peak, multiplied by a factor after each period: peak · factor^⌊step / period⌋, steps counted from 0.
    case step
    /// Half a cosine from the peak, after the warm-up, to 0 at the end (Loshchilov and Hutter,
    /// "SGDR", ICLR 2017, without restarts).
    case cosine
  }

  public var kind: Kind
  public var peak: Double
  /// The learning rate rises linearly over these first steps, on top of the kind.
  public var warmUpSteps: Int
  /// The step kind's period, in steps from the beginning of the run.
  public var periodSteps: Int
  public var factor: Double
  public var totalSteps: Int

  public init(
    kind: Kind, peak: Double, warmUpSteps: Int = 0, periodSteps: Int = 1, factor: Double = 1,
    totalSteps: Int
  ) {
    self.kind = kind
    self.peak = peak
    self.warmUpSteps = warmUpSteps
    self.periodSteps = max(1, periodSteps)
    self.factor = factor
    self.totalSteps = totalSteps
  }

  /// The schedule of a run with so many steps per epoch.
  ///
  /// Durations in epochs become whole steps once, rounded to the nearest, halves up, and a period is at least one step:
  /// with 3 steps per epoch `stepEpochs` 0.5 is a period of 2 steps, so the rate falls after steps 2, 4, 6, …, not after
  /// 1.5, 3, 4.5, ….
  public init(_ configuration: TrainingConfiguration, stepsPerEpoch: Int) {
    let training = configuration.training
    func steps(_ epochs: Double) -> Int { Int((epochs * Double(stepsPerEpoch)).rounded()) }
    self.init(
      kind: training.schedule, peak: configuration.optimizer.learningRate,
      warmUpSteps: steps(training.warmUpEpochs), periodSteps: steps(training.stepEpochs),
      factor: training.stepFactor, totalSteps: training.epochs * stepsPerEpoch)
  }

  /// The learning rate of a step, counted from 0.
  public func learningRate(step: Int) -> Float {
    if step < warmUpSteps { return Float(peak * Double(step + 1) / Double(warmUpSteps)) }
    switch kind {
    case .constant:
      return Float(peak)
    case .step:
      return Float(peak * pow(factor, Double(step / periodSteps)))
    case .cosine:
      let length = max(1, totalSteps - warmUpSteps)
      let progress = min(1, Double(step - warmUpSteps) / Double(length))
      return Float(peak * 0.5 * (1 + cos(Double.pi * progress)))
    }
  }
}
