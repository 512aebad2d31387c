import Collectives
import Formats
import Foundation
import Kernels
import Logging

/// One rank's part of a run: the loop over epochs and steps.
struct Trainer {
  let configuration: TrainingConfiguration
  let folder: RunFolder
  let communicator: any Communicator
  let context: Context
  let logger: Logger
  let data: LabelledData
  let network: Network
  let sampling: Sampling
  let schedule: Schedule
  let sharding: Sharding
  var optimizer: any GradientOptimizer
  var progress: RunProgress
  /// On rank 0.
  private(set) var metrics: MetricsFile?
  private var gradientSum: GradientSum
  private let firstStep: Int
  /// What the last checkpoint holds.
  var lastCheckpoint: RunProgress?
  private var isStopAsked = false
  private let shouldStop: () -> Bool
  private var lastEpoch: EpochRecord?

  /// Makes the run folder a run and, if resuming, puts back the last checkpoint.
  init(
    _ configuration: TrainingConfiguration, _ material: (data: LabelledData, network: Network),
    folder: RunFolder, isResuming: Bool, communicator: any Communicator, context: Context,
    logger: Logger, shouldStop: @escaping () -> Bool
  ) throws {
    self.configuration = configuration
    self.folder = folder
    self.communicator = communicator
    self.context = context
    self.logger = logger
    self.shouldStop = shouldStop
    let (data, network) = material
    self.data = data
    self.network = network
    sampling = Sampling(count: data.training.count, configuration.training)
    schedule = Schedule(configuration, stepsPerEpoch: sampling.batches)
    gradientSum = GradientSum(network.parameters)
    var optimizer = configuration.optimizer.makeOptimizer(network.parameters)
    var progress = RunProgress()
    let sampling = sampling
    if isResuming,
      let step = try Self.lastCheckpoint(
        folder, configuration, sampling, communicator, logger)
    {
      let path = folder.checkpoint(step: step)
      progress = try communicator.together {
        let checkpoint = try Checkpoint(path: path)
        try folder.requireSameRun(configuration, as: checkpoint.configuration)
        try checkpoint.requireProgress(sampling, step: step, path: path)
        try checkpoint.restore(network, &optimizer, path: path)
        return checkpoint.progress
      }
      lastCheckpoint = progress
    }
    sharding = try Self.sharding(configuration, material, optimizer, communicator, context)
    let floor = StepFloor(
      network, stateCount: optimizer.state.reduce(0) { $0 + $1.value.count })
    let step = ([sampling.batch(0).count] + data.training.imageShape, sharding)
    let test = [min(sampling.batchSize, data.test.count)] + data.test.imageShape
    try communicator.together {
      try Self.requireMemory(floor, step: step, evaluation: test, communicator: communicator)
    }
    if communicator.rank == 0 && configuration.training.parallelism == .auto {
      logger.info("parallelism: \(sharding)")
    }
    self.optimizer = optimizer
    self.progress = progress
    firstStep = progress.step
    metrics = try communicator.together {
      guard communicator.rank == 0 else { return nil }
      // A run that was killed before its first checkpoint starts again, but as the same run.
      if FileManager.default.fileExists(atPath: folder.configuration) {
        let saved = try TrainingConfiguration(file: folder.configuration)
        try folder.requireSameRun(configuration, as: saved)
      }
      // The configuration first: it is what makes a folder a run, should this be killed in between.
      try writeText(configuration.yaml, to: folder.configuration)
      try folder.makeCheckpointsFolder()
      return try MetricsFile(
        path: folder.metrics, steps: progress.step, epochs: progress.completedEpochs)
    }
    for case .epoch(let record) in metrics?.records ?? [] { lastEpoch = record }
  }

  /// The data and the network as it starts, on every rank.
  static func load(
    _ configuration: TrainingConfiguration, _ communicator: any Communicator
  ) throws -> (data: LabelledData, network: Network) {
    communicator.enter(CollectiveStep(number: 0, description: "read the data"))
    defer { communicator.enter(CollectiveStep(number: 0, description: "prepare the run")) }
    return try communicator.together {
      let data = try LabelledData(configuration.data, seed: configuration.seed)
      let images = data.training
      let network = try Network(
        configuration.model, height: images.height, width: images.width,
        channels: images.channels, classes: data.classes, seed: configuration.seed)
      return (data, network)
    }
  }

  /// Steps at the end of the run.
  var totalSteps: Int {
    min(configuration.training.epochs * sampling.batches, configuration.training.maxSteps ?? .max)
  }

  /// Trains to the end of the run, or to the end of the step in which a rank is asked to stop.
  mutating func run(_ observe: (TrainingEvent) throws -> Void) throws -> TrainingSummary {
    if communicator.rank == 0 { try observe(.started(overview)) }
    while !isStopAsked && (progress.step < totalSteps || progress.epochStep == sampling.batches) {
      try runEpoch(observe)
    }
    // `maxSteps` may leave a part of an epoch. The checkpoint is of before its end is written down,
    // so a run that goes on from it counts the epoch once, and whole.
    if progress.epochStep > 0 || isStopAsked {
      try saveCheckpoint(observe)
    }
    if progress.epochStep > 0 && !isStopAsked {
      try recordEpoch(observe)
    }
    if isStopAsked { return try summary() }
    enter("write the weights")
    if communicator.rank == 0 {
      removeOldCheckpoints()
      try writeWeights(network, model: configuration.model, to: folder.weights)
    }
    return try summary()
  }

  private mutating func runEpoch(_ observe: (TrainingEvent) throws -> Void) throws {
    let order = Sampling.order(
      count: sampling.count, seed: configuration.seed, epoch: progress.epoch)
    while progress.epochStep < sampling.batches && progress.step < totalSteps {
      try step(order, observe)
      if isStopAsked { return }
      if let interval = configuration.training.checkpointSteps,
        progress.step.isMultiple(of: interval), progress.epochStep < sampling.batches
      {
        try saveCheckpoint(observe)
      }
    }
    if progress.epochStep == sampling.batches {
      try recordEpoch(observe)
      if isStopAsked { return }
      progress.completeEpoch()
      try saveCheckpoint(observe)
    }
  }

  /// One step: forward and backward over this rank's part of the images, the sum over all ranks, the update.
  private mutating func step(
    _ order: [Int], _ observe: (TrainingEvent) throws -> Void
  ) throws {
    let clock = ContinuousClock()
    let start = clock.now
    let shard = sampling.shard(
      batch: progress.epochStep, rank: communicator.rank, ranks: communicator.size)
    enter("forward", of: progress.step + 1)
    let input = input(order)
    network.resetGradients()
    let (logits, pullback) = try network.forward(
      input.images,
      Pass(
        isTraining: true, communicator: communicator, context: context, sharding: input.layout))
    let loss = try softmaxCrossEntropy(
      logits: logits, labels: order[shard].map { Int(data.training.labels[$0]) })
    enter("backward", of: progress.step + 1)
    _ = try pullback(loss.gradient)
    enter("sum of the gradients", of: progress.step + 1)
    let sum = try gradientSum.reduce(
      network.parameters,
      .init(
        lossSum: loss.sum, samples: shard.count, correct: loss.correct,
        stopping: shouldStop() ? 1 : 0),
      communicator: communicator)
    enter("update", of: progress.step + 1)

    let learningRate = schedule.learningRate(step: progress.step)
    let seconds = (clock.now - start) / .seconds(1)
    let record = StepRecord(
      step: progress.step + 1, epoch: progress.epoch, loss: sum.lossSum / Double(sum.samples),
      learningRate: learningRate,
      imagesPerSecond: Double(sum.samples) / max(seconds, .leastNormalMagnitude), seconds: seconds)
    // Before anything is written down or updated; all ranks see the same sum.
    guard record.loss.isFinite else {
      throw TrainingError.nonFiniteLoss(
        step: record.step, epoch: record.epoch, loss: record.loss,
        learningRate: learningRate)
    }
    optimizer.update(network.parameters, learningRate: learningRate)
    progress.step += 1
    progress.epochStep += 1
    progress.lossSum += sum.lossSum
    progress.samples += sum.samples
    progress.correct += sum.correct
    progress.seconds += (clock.now - start) / .seconds(1)
    isStopAsked = sum.stopping > 0
    if communicator.rank == 0 {
      try metrics?.append(.step(record))
      try observe(.step(record))
    }
  }

  /// Tests the network and writes down the epoch, or what there is of it; unless a rank is asked to stop.
  private mutating func recordEpoch(_ observe: (TrainingEvent) throws -> Void) throws {
    let clock = ContinuousClock()
    let start = clock.now
    enter("test of epoch \(progress.epoch)")
    guard let test = try evaluate() else {
      isStopAsked = true
      return
    }
    guard test.loss.isFinite else {
      throw TrainingError.nonFiniteTestLoss(
        step: progress.step, epoch: progress.epoch, loss: test.loss)
    }
    let record = EpochRecord(
      epoch: progress.epoch, trainLoss: progress.lossSum / Double(progress.samples),
      trainAccuracy: Double(progress.correct) / Double(progress.samples), testLoss: test.loss,
      testAccuracy: test.accuracy,
      imagesPerSecond: Double(progress.samples) / max(progress.seconds, .leastNormalMagnitude),
      seconds: progress.seconds + (clock.now - start) / .seconds(1))
    lastEpoch = record
    if communicator.rank == 0, let metrics {
      try metrics.append(.epoch(record))
      try writeText(Plot(metrics.records).svg, to: folder.plot)
      try observe(.epoch(record))
    }
  }

  /// Mean loss and accuracy over the test samples; nil if a rank is asked to stop meanwhile.
  private func evaluate() throws -> (loss: Double, accuracy: Double)? {
    let sampling = Sampling(count: data.test.count, batchSize: self.sampling.batchSize)
    var sums = [0.0, 0, 0, 0]
    for batch in 0..<sampling.batches {
      if shouldStop() {
        sums[3] = 1
        break
      }
      let shard = sampling.shard(
        batch: batch, rank: communicator.rank, ranks: communicator.size)
      // Running statistics need no other rank.
      guard !shard.isEmpty else { continue }
      let (images, labels) = data.test.batch(shard, normalization: data.normalization)
      let (logits, _) = try network.forward(
        images, Pass(isTraining: false, communicator: communicator, context: context))
      let loss = try softmaxCrossEntropy(logits: logits, labels: labels)
      sums[0] += loss.sum
      sums[1] += Double(loss.correct)
      sums[2] += Double(shard.count)
    }
    try sums.withUnsafeMutableBufferPointer { try communicator.allReduce($0) }
    return sums[3] > 0 ? nil : (sums[0] / sums[2], sums[1] / sums[2])
  }

  /// Says what this rank does now, after the steps that are done or in the one that is not.
  func enter(_ phase: String, of step: Int? = nil) {
    communicator.enter(CollectiveStep(number: step ?? progress.step, description: phase))
  }

  private var overview: RunOverview {
    RunOverview(
      folder: folder.path, ranks: communicator.size, threads: ThreadPool.count, sharding: sharding,
      parameterCount: network.parameterCount,
      trainingSamples: data.training.count, testSamples: data.test.count,
      stepsPerEpoch: sampling.batches, batchSize: sampling.batchSize, firstStep: firstStep,
      totalSteps: totalSteps)
  }

  /// The last epoch may be one of before the run was resumed, which only rank 0 has read.
  private func summary() throws -> TrainingSummary {
    let last = lastEpoch
    var values = [
      last?.trainLoss, last?.testLoss, last?.testAccuracy, last?.imagesPerSecond,
    ].map { $0 ?? 0 }
    try values.withUnsafeMutableBytes { try communicator.broadcast($0, root: 0) }
    return TrainingSummary(
      isFinished: !isStopAsked, steps: progress.step, totalSteps: totalSteps,
      epochs: progress.completedEpochs, trainLoss: values[0],
      testLoss: values[1], testAccuracy: values[2], imagesPerSecond: values[3],
      folder: folder.path, metrics: folder.metrics, plot: folder.plot, weights: folder.weights)
  }
}

extension OptimizerConfiguration {
  /// An optimizer that has made no step.
  func makeOptimizer(_ parameters: [Parameter]) -> any GradientOptimizer {
    switch kind {
    case .sgd:
      StochasticGradientDescent(
        parameters: parameters, momentum: Float(momentum), weightDecay: Float(weightDecay))
    case .adam:
      Adam(
        parameters: parameters, beta1: beta1, beta2: beta2, epsilon: epsilon,
        weightDecay: Float(weightDecay))
    }
  }
}
