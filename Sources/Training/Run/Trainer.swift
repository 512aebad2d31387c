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
  private var metrics: MetricsFile?
  private var gradientSum: GradientSum
  private let firstStep: Int
  private var lastCheckpoint: Int?
  private var lastEpoch: EpochRecord?

  /// Makes the run folder a run and, if resuming, puts back the last checkpoint.
  init(
    _ configuration: TrainingConfiguration, _ material: (data: LabelledData, network: Network),
    folder: RunFolder, isResuming: Bool, communicator: any Communicator, context: Context,
    logger: Logger
  ) throws {
    self.configuration = configuration
    self.folder = folder
    self.communicator = communicator
    self.context = context
    self.logger = logger
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
      lastCheckpoint = step
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
    try communicator.together {
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

  mutating func run(_ observe: (TrainingEvent) throws -> Void) throws -> TrainingSummary {
    if communicator.rank == 0 { try observe(.started(overview)) }
    while progress.step < totalSteps {
      try runEpoch(observe)
    }
    // `maxSteps` may leave a part of an epoch. The checkpoint is of before its end is written down,
    // so a run that goes on from it counts the epoch once, and whole.
    if progress.epochStep > 0 {
      try saveCheckpoint(observe)
      try recordEpoch(observe)
    }
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
      if let interval = configuration.training.checkpointSteps,
        progress.step.isMultiple(of: interval), progress.epochStep < sampling.batches
      {
        try saveCheckpoint(observe)
      }
    }
    if progress.epochStep == sampling.batches {
      try recordEpoch(observe)
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
    let input = input(order)
    network.resetGradients()
    let (logits, pullback) = try network.forward(
      input.images,
      Pass(
        isTraining: true, communicator: communicator, context: context, sharding: input.layout))
    let loss = try softmaxCrossEntropy(
      logits: logits, labels: order[shard].map { Int(data.training.labels[$0]) })
    _ = try pullback(loss.gradient)
    let sum = try gradientSum.reduce(
      network.parameters, lossSum: loss.sum, samples: shard.count, communicator: communicator)

    let learningRate = schedule.learningRate(step: progress.step)
    let record = StepRecord(
      step: progress.step + 1, epoch: progress.epoch, loss: sum.lossSum / Double(sum.samples))
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
    progress.seconds += (clock.now - start) / .seconds(1)
    if communicator.rank == 0 {
      try metrics?.append(.step(record))
      try observe(.step(record))
    }
  }

  /// Tests the network and writes down the epoch, or what there is of it.
  private mutating func recordEpoch(_ observe: (TrainingEvent) throws -> Void) throws {
    let clock = ContinuousClock()
    let start = clock.now
    let test = try evaluate()
    guard test.loss.isFinite else {
      throw TrainingError.nonFiniteTestLoss(
        step: progress.step, epoch: progress.epoch, loss: test.loss)
    }
    let record = EpochRecord(
      epoch: progress.epoch, trainLoss: progress.lossSum / Double(progress.samples),
      testLoss: test.loss, testAccuracy: test.accuracy,
      imagesPerSecond: Double(progress.samples) / max(progress.seconds, .leastNormalMagnitude),
      seconds: progress.seconds + (clock.now - start) / .seconds(1))
    lastEpoch = record
    if communicator.rank == 0, let metrics {
      try metrics.append(.epoch(record))
      try writeText(Plot(metrics.records).svg, to: folder.plot)
      try observe(.epoch(record))
    }
  }

  /// Mean loss and accuracy over the test samples.
  private func evaluate() throws -> (loss: Double, accuracy: Double) {
    let sampling = Sampling(count: data.test.count, batchSize: self.sampling.batchSize)
    var sums = [0.0, 0, 0]
    for batch in 0..<sampling.batches {
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
    return (sums[0] / sums[2], sums[1] / sums[2])
  }

  /// Writes a checkpoint, and only then removes all but the one before it.
  private mutating func saveCheckpoint(_ observe: (TrainingEvent) throws -> Void) throws {
    guard lastCheckpoint != progress.step else { return }
    // The loss was finite before the update; a step that went wrong must not replace a good state.
    for parameter in network.parameters
    where !parameter.value.withElements({ $0.allSatisfy(\.isFinite) }) {
      throw TrainingError.nonFiniteParameter(
        name: parameter.name, step: progress.step, epoch: progress.epoch)
    }
    lastCheckpoint = progress.step
    guard communicator.rank == 0 else { return }
    try metrics?.synchronize()
    let path = folder.checkpoint(step: progress.step)
    try Checkpoint(
      progress: progress, configuration: configuration, network: network, optimizer: optimizer
    ).write(to: path)
    removeOldCheckpoints()
    logger.debug("checkpoint \(path)")
    try observe(.checkpoint(step: progress.step, path: path))
  }

  /// All but the last and the one before it. Those of later steps the run did not go on from, for they were damaged.
  private func removeOldCheckpoints() {
    let steps = folder.checkpointSteps
    let kept = steps.filter { $0 <= progress.step }.suffix(2)
    for step in steps where !kept.contains(step) { removeOutput(folder.checkpoint(step: step)) }
  }

  /// The last checkpoint that is whole and of this run, as rank 0 sees it: others may look at a slower copy of the file
  /// system.
  ///
  /// - Throws: why the last one is neither, where no other is.
  private static func lastCheckpoint(
    _ folder: RunFolder, _ configuration: TrainingConfiguration, _ sampling: Sampling,
    _ communicator: any Communicator, _ logger: Logger
  ) throws -> Int? {
    var step = try communicator.together {
      guard communicator.rank == 0 else { return -1 }
      var problems: [any Error] = []
      for step in folder.checkpointSteps.reversed() {
        let path = folder.checkpoint(step: step)
        do {
          let checkpoint = try Checkpoint(path: path)
          // Of another configuration it will be refused for that.
          if configuration.differences(from: checkpoint.configuration).isEmpty {
            try checkpoint.requireProgress(sampling, step: step, path: path)
          }
          for problem in problems {
            logger.warning("\(problem); going on from the checkpoint of step \(step)")
          }
          return step
        } catch {
          problems.append(error)
        }
      }
      if let problem = problems.first { throw problem }
      return -1
    }
    try withUnsafeMutableBytes(of: &step) { try communicator.broadcast($0, root: 0) }
    return step >= 0 ? step : nil
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
      steps: progress.step, epochs: progress.completedEpochs, trainLoss: values[0],
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
