import Collectives
import Formats
import Kernels
import Logging

/// Trains a network as a configuration says; every rank of the communicator makes this call.
///
/// The run folder is `configuration.output`, which must be new or empty, or `resume`, the folder of
/// an earlier run, which then goes on from its last checkpoint with the same bits as if it had never
/// stopped (on as many ranks). One run at a time has the folder. When resuming, keys that define the run must not have changed;
/// `training.epochs` and `training.maxSteps` may.
///
/// ```swift
/// let summary = try train(configuration, communicator: SingleCommunicator()) { print($0) }
/// ```
///
/// A rank that is asked to stop takes all of them to the end of the step: the run ends with a checkpoint,
/// from which it goes on to the same bits.
///
/// - Parameters:
///   - startsIfNew: whether, where `resume` holds no run, one is started there.
///   - context: the kernels that compute; equal on all ranks.
///   - recorder: gets recordings of the first steps of this call, on every rank.
///   - logger: gets what people may want to know but no caller needs to act on.
///   - observe: called on rank 0 at every event; what it throws ends the run.
///   - shouldStop: asked on every rank once a step; a step ends on all ranks or on none.
/// - Throws: `TrainingError`, `NetworkError`, `FormatError`, `CollectiveError`. If a rank throws in
///   the middle of a run, the others may wait for it: the caller must then end the job
///   (`Communicator.abort`). What can go wrong before the first step, and a loss that is no number,
///   ends the call on all ranks: see `CollectiveError.failedElsewhere` and `isSameOnAllRanks`.
public func train(
  _ configuration: TrainingConfiguration, communicator: any Communicator, resume: String? = nil,
  startsIfNew: Bool = false, context: Context = .process, recorder: StepRecorder? = nil,
  logger: Logger = Logger(label: "convoy.training"),
  observe: (TrainingEvent) throws -> Void = { _ in },
  shouldStop: @escaping () -> Bool = { false }
) throws -> TrainingSummary {
  let folder = RunFolder(path: resume ?? configuration.output)
  var configuration = configuration
  configuration.output = folder.path
  var made: [String] = []
  var lock: RunLock?
  var trainer: Trainer
  var isResuming: UInt8 = resume == nil ? 0 : 1
  do {
    // Ranks that were not given the same would wait for each other.
    try requireEqualConfigurations(configuration, communicator)
    // Before the folder, whose own problems would hide those of the configuration.
    try communicator.together { if communicator.rank == 0 { try configuration.check() } }
    try communicator.together {
      guard communicator.rank == 0 else { return }
      if startsIfNew && !folder.isResumable { isResuming = 0 }
      if isResuming == 0 { (made, lock) = try folder.create() } else { lock = try folder.open() }
    }
    // Others may look at a slower copy of the file system.
    try withUnsafeMutableBytes(of: &isResuming) { try communicator.broadcast($0, root: 0) }
    let data = try Trainer.load(configuration, communicator)
    trainer = try Trainer(
      configuration, data, folder: folder, isResuming: isResuming != 0,
      communicator: communicator, context: context, recorder: recorder, logger: logger,
      shouldStop: shouldStop)
  } catch {
    // A run that never started leaves nothing.
    lock = nil
    RunFolder.remove(made)
    // Whatever goes wrong here goes wrong on all ranks together, but for the communicator itself.
    // The rank that reports it ends the job: not before the folder is gone.
    if isAgreedOn(error) { try? communicator.barrier() }
    throw error
  }
  return try withExtendedLifetime(lock) { try trainer.run(observe) }
}

/// Whether all ranks come to the end of a call that throws this: what one rank finds out all have
/// agreed on, but a communicator that fails does so for each rank apart.
private func isAgreedOn(_ error: any Error) -> Bool {
  switch error {
  case CollectiveError.failedElsewhere: true
  default: !(error is CollectiveError)
  }
}

private func requireEqualConfigurations(
  _ configuration: TrainingConfiguration, _ communicator: any Communicator
) throws {
  let hash = UInt64(bitPattern: Int64(stableHash(configuration.yaml)))
  do {
    try communicator.requireEqual(hash, what: "configuration")
  } catch let error as CollectiveError {
    // What users gave is theirs to mend: an error of training, not of the ranks.
    guard case .differentValues(_, let ranks) = error, let rank = ranks.first else { throw error }
    throw TrainingError.configurationsDiffer(rank: rank)
  }
}
