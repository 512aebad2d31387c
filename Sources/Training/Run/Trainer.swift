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
  let network: NetworkSteps
  let sampling: Sampling
  let schedule: Schedule
  var progress: RunProgress
  /// On rank 0.
  private(set) var metrics: MetricsFile?
  private let firstStep: Int
  /// What the last checkpoint holds.
  var lastCheckpoint: RunProgress?
  private var isStopAsked = false
  private let shouldStop: () -> Bool
  private let recorder: StepRecorder?
  private var lastEpoch: EpochRecord?

  /// Makes the run folder a run and, if resuming, puts back the last checkpoint.
  init(
    _ configuration: TrainingConfiguration, _ data: LabelledData, folder: RunFolder,
    isResuming: Bool, communicator: any Communicator, context: Context,
    recorder: StepRecorder? = nil, logger: Logger, shouldStop: @escaping () -> Bool
  ) throws {
    self.configuration = configuration
    self.folder = folder
    self.communicator = communicator
    self.context = context
    self.logger = logger
    self.shouldStop = shouldStop
    self.recorder = recorder
    self.data = data
    sampling = Sampling(count: data.training.count, configuration.training)
    schedule = Schedule(configuration, stepsPerEpoch: sampling.batches)
    var progress = RunProgress()
    let (sampling, test) = (sampling, data.test.count)
    let network = try Self.network(configuration, data, sampling, communicator, context)
    self.network = network
    if isResuming,
      let step = try Self.lastCheckpoint(
        folder, configuration, sampling, communicator, logger)
    {
      let path = folder.checkpoint(step: step)
      progress = try communicator.together {
        let checkpoint = try Checkpoint(path: path)
        try folder.requireSameRun(configuration, as: checkpoint.configuration)
        try checkpoint.requireProgress(sampling, step: step, path: path)
        try checkpoint.restore(network, path: path)
        return checkpoint.progress
      }
      lastCheckpoint = progress
    }
    try communicator.together {
      try Self.requireMemory(
        network.programs, rank: communicator.rank, sharing: communicator.ranksOnHost,
        step: sampling.batch(0).count, evaluation: min(sampling.batchSize, test))
    }
    if communicator.rank == 0 && configuration.training.parallelism == .auto {
      logger.info("parallelism: \(network.sharding)")
    }
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

  /// The data, on every rank.
  static func load(
    _ configuration: TrainingConfiguration, _ communicator: any Communicator
  ) throws -> LabelledData {
    communicator.enter(CollectiveStep(number: 0, description: "read the data"))
    defer { communicator.enter(CollectiveStep(number: 0, description: "prepare the run")) }
    return try communicator.together {
      try LabelledData(configuration.data, seed: configuration.seed)
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
    let batch = sampling.batch(progress.epochStep)
    enter("train", of: progress.step + 1)
    let learningRate = schedule.learningRate(step: progress.step)
    network.isRecording = progress.step - firstStep < recorder?.steps ?? 0
    let sum = try network.train(
      batch.count, learningRate: Double(learningRate), step: progress.step + 1,
      isStopping: shouldStop()
    ) { images, labels in
      let part = network.part(of: batch.count)
      data.training.write(
        part.ranges[0].map { order[batch.lowerBound + $0] }, rows: part.ranges[1],
        normalization: data.normalization, images: images, labels: labels)
    }
    let seconds = (clock.now - start) / .seconds(1)
    let record = StepRecord(
      step: progress.step + 1, epoch: progress.epoch, loss: sum.loss / Double(batch.count),
      learningRate: learningRate,
      imagesPerSecond: Double(batch.count) / max(seconds, .leastNormalMagnitude), seconds: seconds)
    // Before anything is written down; all ranks see the same sum.
    guard record.loss.isFinite else {
      throw TrainingError.nonFiniteLoss(
        step: record.step, epoch: record.epoch, loss: record.loss,
        learningRate: learningRate)
    }
    progress.step += 1
    progress.epochStep += 1
    progress.lossSum += sum.loss
    progress.samples += batch.count
    progress.correct += sum.correct
    progress.seconds += (clock.now - start) / .seconds(1)
    isStopAsked = sum.stopping > 0
    if communicator.rank == 0 {
      try metrics?.append(.step(record))
      try observe(.step(record))
    }
    if network.isRecording { try describe(step: progress.step, batch: batch.count) }
  }

  /// Hands on what was recorded of a step.
  private func describe(step: Int, batch: Int) throws {
    guard let recorder, let measurement = network.measurement else { return }
    enter("describe a step")
    let made = try network.programs.graph(.training, samples: batch)
    // What comes after all nodes puts away what they have made, most of it by the update.
    let owners =
      made.owners(of: try network.programs.step(.training, samples: batch)) + [.update]
    try recorder.record(
      StepRecording(
        step: step, program: measurement.program, layers: made.layers.map(\.name), owners: owners,
        timeline: measurement.timeline, receivedBytes: measurement.receivedBytes,
        peakBytes: measurement.peakBytes))
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
    var (loss, correct) = (0.0, 0)
    for batch in 0..<sampling.batches {
      let samples = sampling.batch(batch)
      let sums = try network.evaluate(samples.count, isStopping: shouldStop()) { images, labels in
        let part = network.part(of: samples.count)
        data.test.write(
          part.ranges[0].map { samples.lowerBound + $0 }, rows: part.ranges[1],
          normalization: data.normalization, images: images, labels: labels)
      }
      if sums.stopping > 0 { return nil }
      loss += sums.loss
      correct += sums.correct
    }
    return (loss / Double(sampling.count), Double(correct) / Double(sampling.count))
  }

  /// Says what this rank does now, after the steps that are done or in the one that is not.
  func enter(_ phase: String, of step: Int? = nil) {
    communicator.enter(CollectiveStep(number: step ?? progress.step, description: phase))
  }

  private var overview: RunOverview {
    RunOverview(
      folder: folder.path, ranks: communicator.size, threads: ThreadPool.count,
      sharding: network.sharding,
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
