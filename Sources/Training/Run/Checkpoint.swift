import Formats
import Foundation
import Kernels

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
/// `parameters/…`, `state/…` and `optimizer/…`, and in the metadata the progress, the configuration, and a checksum of
/// everything else.
///
/// One file, so that one rename makes it whole: a crash at any moment leaves the checkpoint before.
struct Checkpoint {
  var progress: RunProgress
  var configuration: TrainingConfiguration
  var tensors: [(name: String, value: Tensor<Float>)]

  private static let format = "convoy checkpoint 3"
  private static let checksumKey = "checksum"

  init(
    progress: RunProgress, configuration: TrainingConfiguration, network: Network,
    optimizer: any GradientOptimizer
  ) {
    self.progress = progress
    self.configuration = configuration
    tensors =
      network.parameters.map { ("parameters/" + $0.name, $0.value) }
      + network.state.map { ("state/" + $0.name, $0.value) }
      + optimizer.state.map { ("optimizer/" + $0.name, $0.value) }
  }

  /// - Throws: `FormatError`, if the file is no whole safetensors file, or more than memory;
  ///   `TrainingError.checkpointOfOtherRun`, if it is no checkpoint; `.checkpointDamaged`, if it is not as it was written.
  init(path: String) throws {
    // Its elements are held twice, as they are read and as tensors.
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
    tensors = try file.tensors.map { tensor in
      guard case .float32(let elements) = tensor.elements else {
        throw TrainingError.checkpointOfOtherRun(
          path: path, problem: "tensor '\(tensor.name)' is not of float32")
      }
      return (tensor.name, Tensor(shape: tensor.shape, elements: elements))
    }
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
      tensors: tensors.map(namedTensor),
      metadata: [
        "format": Self.format, "step": "\(progress.step)", "epoch": "\(progress.epoch)",
        "seed": "\(configuration.seed)", "configuration": configuration.yaml,
        "progress": String(decoding: try encoder.encode(progress), as: UTF8.self),
      ])
    file.metadata[Self.checksumKey] = Self.checksum(of: file)
    try file.write(to: path)
  }

  /// Puts everything back; `path` is for errors.
  func restore(
    _ network: Network, _ optimizer: inout any GradientOptimizer, path: String
  ) throws {
    let values = Dictionary(tensors.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
    for (prefix, parameters) in [("parameters/", network.parameters), ("state/", network.state)] {
      for parameter in parameters {
        guard let value = values[prefix + parameter.name] else {
          throw TrainingError.checkpointOfOtherRun(
            path: path, problem: "it has no tensor '\(prefix + parameter.name)'")
        }
        guard value.shape == parameter.value.shape else {
          throw TrainingError.checkpointOfOtherRun(
            path: path,
            problem: "tensor '\(prefix + parameter.name)' has shape \(value.shape), but the "
              + "network needs \(parameter.value.shape)")
        }
        parameter.value = value
      }
    }
    let state = tensors.filter { $0.name.hasPrefix("optimizer/") }.map {
      (String($0.name.dropFirst("optimizer/".count)), $0.value)
    }
    try optimizer.restore(
      Dictionary(state, uniquingKeysWith: { $1 }), parameters: network.parameters)
  }
}

/// The trained network for others to load: parameters and running statistics by their names.
func writeWeights(_ network: Network, model: ModelConfiguration, to path: String) throws {
  try Safetensors(
    tensors: (network.parameters + network.state).map { namedTensor($0.name, $0.value) },
    metadata: ["form": model.form, "compression": "\(model.compression)"]
  ).write(to: path)
}

private func namedTensor(_ name: String, _ value: Tensor<Float>) -> Safetensors.NamedTensor {
  Safetensors.NamedTensor(name: name, shape: value.shape, elements: .float32(value.elements))
}
