import Collectives
import Formats
import Foundation
import Graph
import Kernels
import Testing

@testable import Training

/// Networks and runs in float64.
@Suite(.serialized) struct PrecisionTests {
  struct Outcome: Sendable {
    var losses: [Double] = []
    var elements: [String: [Double]] = [:]
    var measuredPeak = 0
    var predictedPeak = 0
  }

  static func network(_ name: String) -> (NetworkDescription, extents: [Int]) {
    name == "demo"
      ? (.demo(factorization: Factorization("cp", compression: 0.2)), [9, 7])
      : (.resnet20(factorization: Factorization("tk", compression: 0.2)), [12, 12])
  }

  /// Two steps of one batch.
  static func train(
    _ name: String, _ type: ElementType, ranks: Int, sharding: Sharding? = nil, batch: Int = 5
  ) throws -> [Outcome] {
    let (description, extents) = network(name)
    let images = NetworkStepsTests.images(batch, extents + [3])
    let labels = NetworkStepsTests.labels(batch, 4)
    return try ThreadCommunicator.run(ranks: ranks) { communicator in
      let meter = MemoryMeter()
      let network = try NetworkSteps(
        description, extents: extents, channels: 3, classes: 4, type: type, seed: 3,
        sharding: sharding, communicator: communicator, meter: meter)
      let part = network.part(of: batch)
      let mine = box(images, part)
      var outcome = Outcome()
      for step in 0..<2 {
        let sums = try network.train(batch, learningRate: 0.05, step: step + 1) {
          pixels, classes in
          mine.withElements {
            pixels.update(from: $0.baseAddress ?? .init(pixels), count: $0.count)
          }
          for (number, sample) in part.ranges[0].enumerated() {
            classes[number] = Int32(labels[sample])
          }
        }
        outcome.losses.append(sums.loss)
      }
      for tensor in network.tensors {
        switch tensor.elements {
        case .float32(let numbers): outcome.elements[tensor.name] = numbers.map(Double.init)
        case .float64(let numbers): outcome.elements[tensor.name] = numbers
        default: Issue.record("\(tensor.name) is of integers")
        }
        #expect(tensor.tensor.elements == outcome.elements[tensor.name]?.map(Float.init))
      }
      outcome.predictedPeak = try network.programs.program(
        .training, samples: batch, rank: communicator.rank
      ).peakBytes
      outcome.measuredPeak = meter.peakBytes
      return outcome
    }
  }

  /// The largest difference of a tensor relative to its norm, or of small ones to that of all.
  static func difference(_ found: Outcome, _ expected: Outcome) -> Double {
    func norm(_ numbers: [Double]) -> Double {
      numbers.reduce(0) { $0 + $1 * $1 }.squareRoot()
    }
    let least = 1e-3 * (expected.elements.values.map(norm).max() ?? 0)
    return expected.elements.reduce(0) { worst, entry in
      let other = found.elements[entry.key] ?? []
      let differences = zip(other, entry.value).map { $0 - $1 }
      guard differences.count == entry.value.count else { return .infinity }
      return max(worst, norm(differences) / max(norm(entry.value), least))
    }
  }

  @Test(arguments: ["demo", "resnet20"]) func ranksAgreeInDouble(name: String) throws {
    let one = try Self.train(name, .float64, ranks: 1)[0]
    #expect(one.measuredPeak == one.predictedPeak)
    for sharding in [nil, Sharding(batch: 1, rows: 2)] {
      for outcome in try Self.train(name, .float64, ranks: 2, sharding: sharding) {
        for (found, expected) in zip(outcome.losses, one.losses) {
          #expect(abs(found - expected) < 1e-10 * abs(expected))
        }
        #expect(Self.difference(outcome, one) < 1e-10)
        #expect(outcome.measuredPeak == outcome.predictedPeak)
      }
    }
    // A rank without samples has nothing to make double.
    let few = try Self.train(name, .float64, ranks: 1, batch: 2)[0]
    for outcome in try Self.train(name, .float64, ranks: 3, batch: 2) {
      #expect(Self.difference(outcome, few) < 1e-10)
    }
  }

  /// They begin alike, and differ by the rounding of the one.
  @Test(arguments: ["demo", "resnet20"]) func singleIsNearDouble(name: String) throws {
    let double = try Self.train(name, .float64, ranks: 1)[0]
    let single = try Self.train(name, .float32, ranks: 1)[0]
    #expect(abs(single.losses[0] - double.losses[0]) < 1e-5 * double.losses[0])
    #expect(single.losses != double.losses)
    #expect(Self.difference(single, double) < 1e-3)
    // Half as much of all that counts, but for labels and sums that are of one type anyway.
    let ratio = Double(double.predictedPeak) / Double(single.predictedPeak)
    #expect(1.5 < ratio && ratio < 2.5)
  }

  @Test func aGraphHasTheTypeAskedFor() throws {
    var configuration = TrainingConfiguration()
    configuration.data = DataConfiguration(kind: .synthetic)
    configuration.model.network = .resnet20
    for (precision, type) in [
      (LoopConfiguration.Precision.float32, ElementType.float32), (.float64, .float64),
    ] {
      configuration.training.precision = precision
      let graph = try configuration.networkGraph().graph
      for source in graph.sources where graph[source.value].name != StepName.labels {
        #expect(graph[source.value].type == type)
      }
    }
  }

  @Test(arguments: [1, 2], OptimizerConfiguration.Kind.allCases)
  func aRunGoesOnFromItsCheckpointToTheSameBits(
    ranks: Int, optimizer: OptimizerConfiguration.Kind
  ) throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      configuration.training.precision = .float64
      configuration.optimizer.kind = optimizer
      try trainOnThreads(configuration, ranks: ranks)
      let whole = configuration.output
      for tensor in try Safetensors(path: whole + "/weights.safetensors").tensors {
        guard case .float64(let numbers) = tensor.elements else {
          Issue.record("\(tensor.name) is not of float64")
          continue
        }
        // More digits than a Float has.
        #expect(numbers.contains { Double(Float($0)) != $0 }, "\(tensor.name)")
      }
      configuration.output = folder + "/stopped"
      let run = configuration.output
      #expect(throws: Crash.self) {
        try trainOnThreads(configuration, ranks: ranks) { event in
          if case .step(let record) = event, record.step == 5 { throw Crash() }
        }
      }
      try trainOnThreads(configuration, ranks: ranks, resume: run)
      #expect(try losses(run) == losses(whole))
      #expect(try bytes(run + "/weights.safetensors") == bytes(whole + "/weights.safetensors"))

      configuration.training.precision = .float32
      let error = #expect(throws: TrainingError.self) {
        try trainOnThreads(configuration, ranks: ranks, resume: run)
      }
      #expect(
        error?.description.contains("training.precision was float64 and is now float32") == true)
    }
  }

  /// A checkpoint that someone made: of this run by its metadata, but not by its tensors.
  @Test func aTensorOfAnotherTypeIsNamed() throws {
    try withTemporaryFolder { folder in
      let configuration = smallRun(in: folder)
      try trainOnThreads(configuration, ranks: 1)
      let path = configuration.output + "/checkpoints/step-000000008.safetensors"
      var checkpoint = try Checkpoint(path: path)
      checkpoint.tensors = checkpoint.tensors.map { tensor in
        guard case .float32(let numbers) = tensor.elements, tensor.name.hasSuffix("bias") else {
          return tensor
        }
        return .init(
          name: tensor.name, shape: tensor.shape, elements: .float64(numbers.map(Double.init)))
      }
      try checkpoint.write(to: path)
      let error = #expect(throws: TrainingError.self) {
        try trainOnThreads(configuration, ranks: 1, resume: configuration.output)
      }
      #expect(error?.description.contains("linear.bias' is not of float32") == true)
    }
  }
}
