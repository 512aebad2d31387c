import Formats
import Foundation
import Graph

/// How far a run has got, to the step.
struct RunProgress: Hashable, Codable, Sendable {
  /// Steps done, over all epochs.
  var step = 0
  var completedEpochs = 0
  /// Steps done of the epoch after those: all of them where the run was stopped before the epoch's test.
  var epochStep = 0
  /// Over the samples of these steps.
  var lossSum = 0.0
  var samples = 0
  /// Of these, those that were told right, each with the weights of its step.
  var correct = 0
  /// Wall time of these steps.
  var seconds = 0.0

  /// The epoch that the next step belongs to, from 1.
  var epoch: Int { completedEpochs + 1 }

  /// Whether a run that samples so can have got there: in a checkpoint that was made by hand any number may stand.
  func isPossible(_ sampling: Sampling) -> Bool {
    let (steps, overflow) = completedEpochs.multipliedReportingOverflow(by: sampling.batches)
    return !overflow && (0...sampling.batches).contains(epochStep) && completedEpochs >= 0
      && step.subtractingReportingOverflow(steps) == (epochStep, false)
      && samples == (epochStep == 0 ? 0 : sampling.batch(epochStep - 1).upperBound)
      && (0...max(0, samples)).contains(correct) && lossSum.isFinite && lossSum >= 0
      && seconds.isFinite && seconds >= 0
      && (epochStep > 0 || lossSum == 0 && seconds == 0)
  }

  mutating func completeEpoch() {
    self = RunProgress(step: step, completedEpochs: completedEpochs + 1)
  }
}

/// All that a run needs to go on as if it had never stopped, in one safetensors file:
/// `parameters/…`, `state/…` and `optimizer/…`, of float32 or float64 as `training.precision` says, and in the metadata the progress, the configuration, and a checksum of
/// everything else.
///
/// One file, so that one rename makes it whole: a crash at any moment leaves the checkpoint before.
struct Checkpoint {
  var progress: RunProgress
  var configuration: TrainingConfiguration
  var tensors: [Safetensors.NamedTensor]

  private static let format = "convoy checkpoint 3"
  private static let checksumKey = "checksum"

  init(progress: RunProgress, configuration: TrainingConfiguration, network: NetworkSteps) {
    self.progress = progress
    self.configuration = configuration
    tensors = network.tensors.map { namedTensor(Self.name($0), $0) }
    if configuration.optimizer.kind == .adam {
      let steps = Float(min(progress.step, 1 << 24))
      tensors.append(.init(name: Self.stepsName, shape: [], elements: .float32([steps])))
    }
  }

  /// The number of steps is part of what Adam remembers.
  private static let stepsName = "optimizer/adam.steps"

  /// What a tensor of a network is called in the file.
  private static func name(_ tensor: NetworkSteps.Named) -> String {
    if case .parameter = tensor.kind { return "parameters/\(tensor.name)" }
    return (tensor.isOptimizers ? "optimizer/" : "state/") + tensor.name
  }

  /// - Throws: `FormatError`, if the file is no whole safetensors file, or more than memory;
  ///   `TrainingError.checkpointOfOtherRun`, if it is no checkpoint; `.checkpointDamaged`, if it is not as it was written.
  init(path: String) throws {
    // Its elements are held twice, as they are read and in the network.
    let file = try Safetensors(path: path, memory: availableMemory / 2)
    guard file.metadata["format"] == Self.format, let checksum = file.metadata[Self.checksumKey]
    else { throw Self.foreign(path) }
    guard checksum == Self.checksum(of: file) else {
      throw TrainingError.checkpointDamaged(path: path)
    }
    guard let text = file.metadata["progress"],
      let progress = try? JSONDecoder().decode(RunProgress.self, from: Data(text.utf8)),
      let yaml = file.metadata["configuration"]
    else { throw Self.foreign(path) }
    self.progress = progress
    configuration = try TrainingConfiguration(yaml: yaml, source: path)
    tensors = file.tensors
  }

  private static func foreign(_ path: String) -> TrainingError {
    .checkpointOfOtherRun(path: path, problem: "its metadata is not that of '\(format)'")
  }

  private static func checksum(of file: Safetensors) -> String {
    let digits = String(file.checksum(leavingOut: checksumKey), radix: 16)
    return String(repeating: "0", count: 8 - digits.count) + digits
  }

  /// - Throws: `TrainingError.checkpointOfOtherRun`, if a run that samples so cannot have made this progress in so many
  ///   steps; `path` is for it.
  func requireProgress(_ sampling: Sampling, step: Int, path: String) throws {
    guard progress.isPossible(sampling), progress.step == step else {
      throw TrainingError.checkpointOfOtherRun(
        path: path,
        problem: "it is of step \(progress.step), after \(progress.completedEpochs) epochs, "
          + "\(progress.epochStep) steps and \(progress.samples) samples, but an epoch has "
          + "\(sampling.batches) steps and \(sampling.count) samples")
    }
  }

  func write(to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    var file = Safetensors(
      tensors: tensors,
      metadata: [
        "format": Self.format, "step": "\(progress.step)", "epoch": "\(progress.epoch)",
        "seed": "\(configuration.seed)", "configuration": configuration.yaml,
        "progress": String(decoding: try encoder.encode(progress), as: UTF8.self),
      ])
    file.metadata[Self.checksumKey] = Self.checksum(of: file)
    try file.write(to: path)
  }

  /// Puts everything back; `path` is for errors.
  func restore(_ network: NetworkSteps, path: String) throws {
    let values = Dictionary(tensors.map { ($0.name, $0) }, uniquingKeysWith: { $1 })
    for tensor in network.tensors {
      let name = Self.name(tensor)
      guard let value = values[name] else {
        throw TrainingError.checkpointOfOtherRun(
          path: path, problem: "it has no tensor '\(name)'")
      }
      guard value.shape == tensor.value.shape else {
        throw TrainingError.checkpointOfOtherRun(
          path: path,
          problem: "tensor '\(name)' has shape \(value.shape), but the network needs "
            + "\(tensor.value.shape)")
      }
      guard Self.type(of: value.elements) == tensor.value.type else {
        throw TrainingError.checkpointOfOtherRun(
          path: path, problem: "tensor '\(name)' is not of \(tensor.value.type.rawValue)")
      }
    }
    for tensor in network.tensors { (values[Self.name(tensor)]?.elements).map(tensor.set) }
  }

  private static func type(of elements: Safetensors.Elements) -> ElementType {
    switch elements {
    case .float32: .float32
    case .float64: .float64
    case .int64: .int64
    case .uint8: .uint8
    }
  }
}

/// The trained network for others to load: parameters and running statistics by their names.
func writeWeights(_ network: NetworkSteps, model: ModelConfiguration, to path: String) throws {
  try Safetensors(
    tensors: network.tensors.filter { !$0.isOptimizers }.map { namedTensor($0.name, $0) },
    metadata: ["form": model.form, "compression": "\(model.compression)"]
  ).write(to: path)
}

private func namedTensor(
  _ name: String, _ tensor: NetworkSteps.Named
) -> Safetensors.NamedTensor {
  Safetensors.NamedTensor(name: name, shape: tensor.value.shape, elements: tensor.elements)
}
