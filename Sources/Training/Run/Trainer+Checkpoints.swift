import Collectives
import Formats
import Logging

/// What a run goes on from.
extension Trainer {
  /// Writes a checkpoint, and only then removes all but the one before it.
  mutating func saveCheckpoint(_ observe: (TrainingEvent) throws -> Void) throws {
    guard lastCheckpoint != progress else { return }
    enter("write a checkpoint")
    // The loss was finite before the update; a step that went wrong must not replace a good state.
    if let name = network.firstNonFiniteParameter {
      throw TrainingError.nonFiniteParameter(
        name: name, step: progress.step, epoch: progress.epoch)
    }
    lastCheckpoint = progress
    guard communicator.rank == 0 else { return }
    try metrics?.synchronize()
    let path = folder.checkpoint(step: progress.step)
    try Checkpoint(progress: progress, configuration: configuration, network: network)
      .write(to: path)
    removeOldCheckpoints()
    logger.debug("checkpoint \(path)")
    try observe(.checkpoint(step: progress.step, path: path))
  }

  /// All but the last and the one before it. Those of later steps the run did not go on from, for they were damaged.
  func removeOldCheckpoints() {
    let steps = folder.checkpointSteps
    let kept = steps.filter { $0 <= progress.step }.suffix(2)
    for step in steps where !kept.contains(step) { removeOutput(folder.checkpoint(step: step)) }
  }

  /// The last checkpoint that is whole and of this run, as rank 0 sees it: others may look at a slower copy of the file
  /// system.
  ///
  /// - Throws: why the last one is neither, where no other is.
  static func lastCheckpoint(
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
}
