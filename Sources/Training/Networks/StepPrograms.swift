import Execution
import Graph
import Kernels
import Partitioning
import Planning

/// The programs of a network's steps: by mode, number of samples and rank. No rank has to be there for
/// what they say of memory, messages and time.
///
/// ```swift
/// let programs = StepPrograms(
///   .resnet20(), extents: [32, 32], channels: 3, classes: 10,
///   sharding: Sharding(batch: 64, rows: 1))
/// try programs.prediction(samples: 128).peakBytesPerRank  // of 64 ranks
/// ```
public struct StepPrograms: Sendable {
  public let description: NetworkDescription
  public let extents: [Int]
  public let channels: Int
  public let classes: Int
  /// Of images, parameters and state: float32 or float64.
  public let type: ElementType
  public let optimizer: OptimizerConfiguration
  public internal(set) var sharding: Sharding
  /// What all programs share.
  public let passes: ContractionPasses
  /// Of all programs: what they need of memory depends on the threads that there are.
  public let options: ProgramOptions

  /// - Parameters:
  ///   - extents: Of an image: depth, height, width, as many as there are.
  ///   - type: Of images, parameters and state: float32 or float64.
  public init(
    _ description: NetworkDescription, extents: [Int], channels: Int, classes: Int,
    type: ElementType = .float32,
    optimizer: OptimizerConfiguration = OptimizerConfiguration(), sharding: Sharding,
    passes: ContractionPasses = ContractionPasses(), options: ProgramOptions = ProgramOptions()
  ) {
    self.description = description
    self.extents = extents
    self.channels = channels
    self.classes = classes
    self.type = type
    self.optimizer = optimizer
    self.sharding = sharding
    self.passes = passes
    self.options = options
  }

  /// The network over so many samples.
  ///
  /// - Throws: `LayerError`, `NetworkError`, `GraphError`, of a network that cannot be made.
  public func graph(_ mode: NetworkMode, samples: Int) throws -> NetworkGraph {
    try description.graph(
      NetworkInput(batch: samples, extents: extents, channels: channels), classes: classes,
      mode: mode, type: type)
  }

  /// The graph of a step over so many samples of all ranks together.
  public func step(_ mode: NetworkMode, samples: Int) throws -> Graph {
    let made = try graph(mode, samples: samples)
    let ofRank = (samples + sharding.batch - 1) / max(1, sharding.batch)
    let isTrained = mode == .training
    let forward = NetworkGraph(
      graph: try passes.takingOutParameterProducts(
        of: made.graph, samples: ofRank, isTrained: isTrained),
      layers: made.layers, initializations: made.initializations)
    return isTrained
      ? try forward.trainingStep(optimizer, ranks: sharding.ranks)
      : try forward.evaluationStep(ranks: sharding.ranks)
  }

  /// The program of a rank for a step over so many samples of all ranks together.
  public func program(_ mode: NetworkMode, samples: Int, rank: Int) throws -> Program {
    let step = try step(mode, samples: samples)
    return try Program(
      step, sharding.distribution(of: step), rank: rank, passes: passes, options: options)
  }

  /// A rank's part of a batch: samples, rows, … of the images.
  public func part(of samples: Int, rank: Int) -> Box {
    let axes = NetworkInput(batch: samples, extents: extents, channels: channels).axes
    let value = Value(name: StepName.images, type: type, axes: axes)
    return sharding.layout(of: value).box(of: rank)
  }

  /// The most bytes that a rank needs at once for a step over so many samples.
  public func peakBytes(_ mode: NetworkMode, samples: Int, rank: Int) throws -> Int {
    let program = try program(mode, samples: samples, rank: rank)
    let there = Set(program.externals.map(\.name))
    // Of an evaluation the optimizer's state and the rest live on.
    let training = try graph(.training, samples: 1).trainingStep(optimizer, ranks: sharding.ranks)
    return training.sources.reduce(program.peakBytes) { bytes, source in
      let value = training[source.value]
      return source.kind == .input || there.contains(value.name) ? bytes : bytes + value.bytes
    }
  }
}

/// What a training step takes, as its programs say.
///
/// ```swift
/// let prediction = try programs.prediction(samples: 128)
/// prediction.peakBytesPerRank.max()
/// ```
public struct StepPrediction: Hashable, Sendable {
  public let peakBytesPerRank: [Int]
  public let receivedBytesPerRank: [Int]
  /// Rough seconds of the rank that takes longest, on one thread (`Program.seconds(on:)`).
  public let seconds: Double
}

extension StepPrograms {
  /// What a training step over so many samples of all ranks together takes.
  ///
  /// - Throws: What making a program throws.
  public func prediction(
    samples: Int, machine: MachineModel = .standard
  ) throws -> StepPrediction {
    let step = try step(.training, samples: samples)
    let distribution = sharding.distribution(of: step)
    // Ranks with as many samples do the same with others.
    var known: [[Int]: Program] = [:]
    var (peaks, received) = ([Int](), [Int]())
    var seconds = 0.0
    for rank in 0..<sharding.ranks {
      let shape = part(of: samples, rank: rank).shape
      if sharding.isDataParallel, let program = known[shape],
        let bytes = program.receivedBytes(asRank: rank)
      {
        peaks.append(program.peakBytes)
        received.append(bytes)
        continue
      }
      let program = try Program(
        step, distribution, rank: rank, passes: passes, options: options)
      known[shape] = program
      peaks.append(program.peakBytes)
      received.append(program.receivedBytes)
      seconds = max(seconds, program.seconds(on: machine))
    }
    return StepPrediction(
      peakBytesPerRank: peaks, receivedBytesPerRank: received, seconds: seconds)
  }
}

extension StepPrograms {
  /// The fastest way for as many ranks that fits, by the steps' programs; of equals that with the most parts
  /// of the batch.
  ///
  /// Samples alone are cut where there is one for every rank and memory is no issue: nothing else moves
  /// as little.
  ///
  /// - Parameter memory: Bytes that a rank may hold.
  /// - Throws: `TrainingError.notEnoughMemory` where none fits.
  func bestSharding(samples: Int, memory: Int?) throws -> Sharding {
    let ranks = sharding.ranks
    let data = Sharding(batch: ranks, rows: 1)
    if ranks <= samples && memory == nil { return data }
    var least = Int.max
    var best: (sharding: Sharding, seconds: Double)?
    var programs = self
    for sharding in [data] + Sharding.all(ranks: ranks).filter({ $0.rows > 1 }) {
      guard sharding.batch <= samples || sharding == data else { continue }
      programs.sharding = sharding
      let prediction = try programs.prediction(samples: samples)
      let bytes = prediction.peakBytesPerRank.max() ?? 0
      least = min(least, bytes)
      if bytes <= memory ?? .max, prediction.seconds < best?.seconds ?? .infinity {
        best = (sharding, prediction.seconds)
        if sharding == data && ranks <= samples { break }
      }
    }
    guard let best else {
      throw TrainingError.notEnoughMemory(needed: least, memory: memory ?? 0, ranks: ranks)
    }
    return best.sharding
  }
}
