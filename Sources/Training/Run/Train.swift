import Collectives
import Formats
import Logging

/// Trains a network as a configuration says; every rank of the communicator makes this call.
///
/// The run folder is `configuration.output`, which must be new or empty, or `resume`, the folder of
/// an earlier run, which then goes on from its last checkpoint with the same bits as if it had never
/// stopped (on as many ranks). When resuming, keys that define the run must not have changed;
/// `training.epochs` and `training.maxSteps` may.
///
/// ```swift
/// let summary = try train(configuration, communicator: SingleCommunicator()) { print($0) }
/// ```
///
/// - Parameters:
///   - logger: gets what people may want to know but no caller needs to act on.
///   - observe: called on rank 0 at every event; what it throws ends the run.
/// - Throws: `TrainingError`, `NetworkError`, `FormatError`, `CollectiveError`. If a rank throws in
///   the middle of a run, the others may wait for it: the caller must then end the job
///   (`Communicator.abort`). What can go wrong before the first step, and a loss that is no number,
///   ends the call on all ranks: see `TrainingError.failedElsewhere` and `isSameOnAllRanks`.
public func train(
  _ configuration: TrainingConfiguration, communicator: any Communicator, resume: String? = nil,
  logger: Logger = Logger(label: "convoy.training"),
  observe: (TrainingEvent) throws -> Void = { _ in }
) throws -> TrainingSummary {
  let folder = RunFolder(path: resume ?? configuration.output)
  var configuration = configuration
  configuration.output = folder.path
  var made: [String] = []
  var trainer: Trainer
  do {
    // Ranks that were not given the same would wait for each other.
    try requireEqualConfigurations(configuration, communicator)
    try together(communicator) {
      guard communicator.rank == 0 else { return }
      if resume == nil { made = try folder.create() } else { try folder.open() }
    }
    let material = try Trainer.load(configuration, communicator)
    trainer = try Trainer(
      configuration, material, folder: folder, isResuming: resume != nil,
      communicator: communicator, logger: logger)
  } catch {
    // A run that never started leaves nothing.
    RunFolder.remove(made)
    // Whatever goes wrong here goes wrong on all ranks together, but for the communicator itself.
    // The rank that reports it ends the job: not before the folder is gone.
    if !(error is CollectiveError) { try? communicator.barrier() }
    throw error
  }
  return try trainer.run(observe)
}

/// Does something on every rank, and throws on all ranks if it throws on one: the error itself on
/// the first of the ranks where it happened, `TrainingError.failedElsewhere` on the others. So one
/// mistake that all ranks make is reported once, and none of them waits for one that is gone.
///
/// ```swift
/// let configuration = try together(communicator) { try TrainingConfiguration(file: file) }
/// ```
public func together<R>(_ communicator: any Communicator, _ body: () throws -> R) throws -> R {
  let result = Result(catching: body)
  var failed = [Double](repeating: 0, count: communicator.size)
  if case .failure = result { failed[communicator.rank] = 1 }
  try failed.withUnsafeMutableBufferPointer { try communicator.allReduce($0) }
  let ranks = failed.indices.filter { failed[$0] > 0 }
  guard let first = ranks.first, first != communicator.rank else { return try result.get() }
  throw TrainingError.failedElsewhere(ranks: ranks)
}

private func requireEqualConfigurations(
  _ configuration: TrainingConfiguration, _ communicator: any Communicator
) throws {
  // Two halves of 32 bits, which Double holds exactly, in this rank's place.
  let hash = UInt64(bitPattern: Int64(stableHash(configuration.yaml)))
  var halves = [Double](repeating: 0, count: 2 * communicator.size)
  halves[2 * communicator.rank] = Double(hash >> 32)
  halves[2 * communicator.rank + 1] = Double(hash & 0xFFFF_FFFF)
  try halves.withUnsafeMutableBufferPointer { try communicator.allReduce($0) }
  let other = (0..<communicator.size).first { rank in
    halves[2 * rank] != halves[0] || halves[2 * rank + 1] != halves[1]
  }
  if let other { throw TrainingError.configurationsDiffer(rank: other) }
}
