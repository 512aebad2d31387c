import Execution
import Graph
import Kernels
import Planning
import Synchronization
import Testing

@testable import Training

/// What is told of steps beforehand, and recordings of them.
@Suite(.serialized) struct StepProgramsTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let description: NetworkDescription
    let channels: Int
  }

  static let networks = [
    Case(testDescription: "demo", description: NetworkStepsTests.demo("cp"), channels: 1),
    Case(testDescription: "resnet20", description: .resnet20(), channels: 3),
  ]

  static func programs(_ network: Case, _ sharding: Sharding) -> StepPrograms {
    StepPrograms(
      network.description, extents: [12, 12], channels: network.channels, classes: 4,
      sharding: sharding, options: ProgramOptions(threads: 1))
  }

  /// 5 samples, so that ranks have different parts.
  @Test(arguments: networks, [(1, 1), (2, 1), (1, 2), (3, 1), (1, 3)])
  func aRunMeasuresWhatIsPredicted(network: Case, grid: (batch: Int, rows: Int)) throws {
    let sharding = Sharding(batch: grid.batch, rows: grid.rows)
    let prediction = try Self.programs(network, sharding).prediction(samples: 5)
    let outcomes = try NetworkStepsTests.train(
      network.description, batch: 5, extents: [12, 12], channels: network.channels, classes: 4,
      steps: 2, ranks: sharding.ranks, sharding: sharding)
    #expect(outcomes.map(\.measuredPeak) == prediction.peakBytesPerRank)
    // Before the first step the ranks compare their programs.
    #expect(outcomes.map { $0.received[1] } == prediction.receivedBytesPerRank)
    #expect(prediction.seconds > 0)
  }

  /// Ranks with equal parts share a program: 7 samples on 5 ranks, and on more than there are samples.
  @Test(arguments: [5, 9, 64]) func everyRankIsToldAsItsOwnProgramSays(ranks: Int) throws {
    let programs = Self.programs(Self.networks[0], Sharding(batch: ranks, rows: 1))
    let prediction = try programs.prediction(samples: 7)
    #expect(prediction.peakBytesPerRank.count == ranks)
    for rank in [0, 1, 3, ranks - 2, ranks - 1] {
      let program = try programs.program(.training, samples: 7, rank: rank)
      #expect(program.peakBytes == prediction.peakBytesPerRank[rank])
      #expect(program.receivedBytes == prediction.receivedBytesPerRank[rank])
    }
  }

  /// Rows of images travel, and no rank can be told of from another.
  @Test func programsThatMoveBoxesAreOneRanksOwn() throws {
    let programs = Self.programs(Self.networks[0], Sharding(batch: 1, rows: 3))
    let program = try programs.program(.training, samples: 2, rank: 0)
    #expect(program.receivedBytes(asRank: 1) == nil)
  }

  @Test func messagesTakeTheLongerTheSlowerTheLink() throws {
    let programs = Self.programs(Self.networks[0], Sharding(batch: 2, rows: 1))
    var slow = MachineModel.standard
    slow.insideNode.bytesPerSecond /= 1000
    let fast = try programs.prediction(samples: 4)
    #expect(try programs.prediction(samples: 4, machine: slow).seconds > fast.seconds)
    let alone = try Self.programs(Self.networks[0], Sharding(batch: 1, rows: 1))
      .program(.training, samples: 4, rank: 0)
    #expect(alone.communicationSeconds(on: slow) == 0)
    #expect(alone.seconds(on: slow) == alone.nodeSeconds.reduce(0, +))
  }

  // MARK: Owners

  @Test func everyNodeHasItsOwner() throws {
    let made = try Self.programs(Self.networks[1], Sharding(batch: 1, rows: 1))
      .graph(.training, samples: 2)
    let step = try made.trainingStep(OptimizerConfiguration(), ranks: 1)
    let owners = made.owners(of: step)
    #expect(owners.count == step.nodes.count)
    for (number, layer) in made.layers.enumerated() {
      #expect(layer.nodes.allSatisfy { owners[$0] == .layer(number) })
    }
    func owner(_ name: String) -> NodeOwner? {
      step.nodes.firstIndex { $0.name == name }.map { owners[$0] }
    }
    #expect(owner("loss") == .loss && owner("correct") == .loss)
    #expect(owner("ranks that stop") == .loss)
    for parameter in step.parameters {
      let name = step[parameter].name
      #expect(owner("\(name).update") == .update)
      #expect(owner("\(name).mean-gradient") == .update)
    }
    // Back through every layer with parameters.
    for (number, layer) in made.layers.enumerated() where layer.contraction != nil {
      let back = zip(step.nodes, owners).filter { node, owner in
        owner == .layer(number) && node.operation.base is Operators.ContractionAdjoint
      }
      #expect(back.count == 1, "\(layer.name)")
    }
    let updates = owners.count { $0 == .update }
    #expect(updates == 2 * step.parameters.count)
    #expect(owners.count { $0 == .loss } < 8)
  }

  /// A name that begins as another does, and layers within layers.
  @Test func theLongestNameIsTheOwner() throws {
    let description = NetworkDescription([
      .convolution(ConvolutionSettings(channels: 2, kernel: 3)).named("a"),
      .convolution(ConvolutionSettings(channels: 2, kernel: 3)).named("ab"),
      .repetition(1, [.convolution(ConvolutionSettings(channels: 2, kernel: 3)).named("a")])
        .named("stage"),
      .globalMean, .linear(),
    ])
    let made = try description.graph(
      NetworkInput(batch: 2, extents: [6, 6], channels: 1), classes: 3, mode: .training)
    let step = try made.trainingStep(OptimizerConfiguration(), ranks: 1)
    let owners = made.owners(of: step)
    for (node, owner) in zip(step.nodes, owners)
    where node.operation.base is Operators.ContractionAdjoint {
      guard case .layer(let layer) = owner else {
        Issue.record("\(node.name) has no layer")
        continue
      }
      #expect(node.name.hasPrefix(made.layers[layer].name + "."), "\(node.name)")
    }
    #expect(made.layers.map(\.name).prefix(3) == ["a", "ab", "stage.0.a"])
  }

  // MARK: Recordings

  /// Two epochs of four steps on 3 ranks, the last of which has fewer samples.
  @Test(arguments: [0, 1, 2, 100]) func theFirstStepsAreRecorded(steps: Int) throws {
    try withTemporaryFolder { folder in
      let configuration = smallRun(in: folder)
      let recordings = Mutex<[[StepRecording]]>([[], [], []])
      try trainOnThreads(configuration, ranks: 3, recordedSteps: steps) { rank, recording in
        recordings.withLock { $0[rank].append(recording) }
      }
      for own in recordings.withLock({ $0 }) {
        #expect(own.map(\.step) == Array((1...8).prefix(steps)))
        for recording in own {
          #expect(recording.receivedBytes == recording.program.receivedBytes)
          #expect(recording.owners.count == recording.program.nodeSeconds.count)
          #expect(recording.program.names.count == recording.owners.count)
          let events = recording.timeline.events
          #expect(recording.timeline.seconds > 0)
          #expect(events.allSatisfy { recording.owners.indices.contains($0.name) })
          #expect(
            events.allSatisfy {
              $0.start >= 0 && $0.start + $0.duration <= recording.timeline.seconds + 1e-6
            })
          #expect(Set(events.map(\.kind)) == [.compute, .communication])
        }
        if let first = own.first { #expect(first.peakBytes == first.program.peakBytes) }
      }
    }
  }

  /// A run that goes on records its own first step, whose inputs may be of a smaller batch.
  @Test func aResumedRunRecordsItsOwnFirstStep() throws {
    try withTemporaryFolder { folder in
      var configuration = smallRun(in: folder)
      configuration.training.maxSteps = 3
      try trainOnThreads(configuration, ranks: 2)
      configuration.training.maxSteps = 5
      let found = Mutex<[StepRecording]>([])
      try trainOnThreads(
        configuration, ranks: 2, resume: configuration.output, recordedSteps: 1
      ) { rank, recording in
        if rank == 0 { found.withLock { $0.append(recording) } }
      }
      let recordings = found.withLock { $0 }
      #expect(recordings.map(\.step) == [4])
      for recording in recordings { #expect(recording.peakBytes == recording.program.peakBytes) }
    }
  }

  /// Every layer takes time, as predicted and as measured, and nothing is counted twice.
  @Test func predictionsAreByNode() throws {
    let programs = Self.programs(Self.networks[1], Sharding(batch: 1, rows: 1))
    let made = try programs.graph(.training, samples: 4)
    let owners = made.owners(of: try programs.step(.training, samples: 4))
    let program = try programs.program(.training, samples: 4, rank: 0)
    var seconds: [NodeOwner: Double] = [:]
    for (owner, time) in zip(owners, program.nodeSeconds) { seconds[owner, default: 0] += time }
    for (number, layer) in made.layers.enumerated() where layer.contraction != nil {
      #expect(seconds[.layer(number), default: 0] > 0, "\(layer.name)")
    }
    #expect(seconds[.update, default: 0] > 0)
    let total = seconds.values.reduce(0, +)
    #expect(abs(total - program.seconds(on: .standard)) <= 1e-9 * total)
  }
}
