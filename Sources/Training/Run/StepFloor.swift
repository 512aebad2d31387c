import Collectives
import Kernels
import Partitioning

/// The bytes that a training step and an evaluation hold on a rank whatever the kernels do, to be
/// compared with the memory before anything is computed: an allocation that fails ends the process
/// without a word.
///
/// A floor, not an estimate: what contractions work on comes on top, and each of them is checked before
/// it starts (`Contraction`).
///
/// ```swift
/// let floor = StepFloor(network, stateCount: 0)
/// try floor.stepBytes(images: sharding.layout(of: [128, 28, 28, 1]))
/// ```
struct StepFloor {
  private let network: Network
  private let stateCount: Int

  /// - Parameter stateCount: elements of the optimizer's state.
  init(_ network: Network, stateCount: Int) {
    self.network = network
    self.stateCount = stateCount
  }

  /// Of a step over images in this layout, on the rank that holds most: the parameters, their gradients
  /// and the buffer in which these are summed, the optimizer's state, and the inputs of those layers
  /// that keep theirs until the way back.
  func stepBytes(images: Layout) throws -> Int {
    let kept = zip(network.layers, try layouts(from: images)).filter { Self.keepsInput($0.0) }
    return bytes(ranks: images.mesh.ranks) { rank in
      kept.reduce(0) { $0 + $1.1.box(of: rank).count }
    }
  }

  private static func keepsInput(_ layer: any Layer) -> Bool {
    layer is FactorizedConvolution || layer is Linear || layer is BatchNormalization
      || layer is NormalizedMaxPool
  }

  /// Of an evaluation: a layer's input and output at a time.
  func evaluationBytes(images: Layout) throws -> Int {
    let layouts = try layouts(from: images)
    return bytes(ranks: images.mesh.ranks) { rank in
      let counts = layouts.map { $0.box(of: rank).count }
      return zip(counts, counts.dropFirst()).reduce(counts.first ?? 0) { max($0, $1.0 + $1.1) }
    }
  }

  private func layouts(from images: Layout) throws -> [Layout] {
    var layouts = [images]
    var layout = images
    for layer in network.layers {
      layout = try layer.outputLayout(layout)
      layouts.append(layout)
    }
    return layouts
  }

  private func bytes(ranks: Int, _ elements: (Int) -> Int) -> Int {
    let constant = 3 * network.parameterCount + stateCount
    let most = (0..<ranks).reduce(0) { max($0, elements($1)) }
    return (constant + most) * MemoryLayout<Float>.stride
  }
}

extension Trainer {
  /// Makes sure that this rank's share of the machine's memory holds a step and an evaluation.
  ///
  /// - Parameters:
  ///   - step: the images of a step, of all ranks together.
  ///   - evaluation: those of a batch of the test.
  ///   - limitBytes: the share; by default the machine's memory divided by the ranks on it.
  /// - Throws: `TrainingError.notEnoughHostMemory`.
  static func requireMemory(
    _ floor: StepFloor, step: (shape: [Int], sharding: Sharding), evaluation: [Int],
    communicator: any Communicator, limitBytes: Int? = nil
  ) throws {
    let sharing = communicator.ranksOnHost
    let available = limitBytes ?? HostMemory.limitBytes / sharing
    let whole = Sharding(batch: communicator.size, rows: 1)
    let passes = [
      ("training step", try floor.stepBytes(images: step.sharding.layout(of: step.shape))),
      ("evaluation", try floor.evaluationBytes(images: whole.layout(of: evaluation))),
    ]
    for (pass, needed) in passes where needed > available {
      throw TrainingError.notEnoughHostMemory(
        pass: pass, needed: needed, available: available, sharing: sharing)
    }
  }
}
