import Collectives
import Execution
import Kernels

/// How the ranks share the images of a step, and what that takes of memory.
extension Trainer {
  /// The network as it starts, on every rank; how the ranks share the images is as rank 0 finds it best.
  static func network(
    _ configuration: TrainingConfiguration, _ data: LabelledData, _ sampling: Sampling,
    _ communicator: any Communicator, _ context: Context
  ) throws -> NetworkSteps {
    let images = data.training
    var programs = configuration.stepPrograms(
      extents: [images.height, images.width], channels: images.channels, classes: data.classes,
      ranks: communicator.size, context: context)
    if configuration.training.parallelism == .auto {
      var rows = try communicator.together {
        guard communicator.rank == 0 else { return 1 }
        return try programs.bestSharding(
          samples: sampling.batch(0).count, memory: configuration.training.memory?.bytes
        ).rows
      }
      try withUnsafeMutableBytes(of: &rows) { try communicator.broadcast($0, root: 0) }
      programs.sharding = Sharding(batch: communicator.size / rows, rows: rows)
    }
    return try communicator.together {
      try NetworkSteps(
        programs, seed: configuration.seed, communicator: communicator, meter: MemoryMeter())
    }
  }

  /// - Parameters:
  ///   - sharing: ranks that share this machine's memory.
  ///   - limitBytes: per rank; by default its share.
  /// - Throws: `TrainingError.notEnoughHostMemory`, for an allocation that fails would end the process
  ///   without a word.
  static func requireMemory(
    _ programs: StepPrograms, rank: Int, sharing: Int, step: Int, evaluation: Int,
    limitBytes: Int? = nil
  ) throws {
    let available = limitBytes ?? HostMemory.limitBytes / sharing
    let passes: [(String, NetworkMode, Int)] = [
      ("training step", .training, step), ("evaluation", .evaluation, evaluation),
    ]
    for (name, mode, samples) in passes {
      let needed = try programs.peakBytes(mode, samples: samples, rank: rank)
      guard needed > available else { continue }
      throw TrainingError.notEnoughHostMemory(
        pass: name, needed: needed, available: available, sharing: sharing)
    }
  }
}
