import Foundation
import Testing

@testable import Training

@Suite struct ConfigurationTests {
  @Test func keysReachTheirValues() throws {
    let configuration = try TrainingConfiguration(
      yaml: """
        # A comment.
        seed: 18446744073709551615
        output: runs/a b
        model: {form: TK, compression: 0.25}
        data:
          kind: synthetic
          path: null
          trainingSamples: 100
          testSamples: ~
          padding: 2
          height: 8
          width: 9
          channels: 3
          classes: 4
        training:
          epochs: 7
          batchSize: 32
          dropLast: True
          maxSteps: 11
          schedule: step
          warmUpEpochs: 0.5
          stepEpochs: 3
          stepFactor: 0.2
          precision: float64
          checkpointing: recompute
          checkpointSteps: 5
          parallelism: auto
          memory: 1.5GiB
        optimizer:
          kind: adam
          learningRate: 1e-3
          momentum: 0
          weightDecay: 0.01
          beta1: 0.8
          beta2: 0.99
          epsilon: 1e-7
        """, source: "run.yaml")
    var expected = TrainingConfiguration()
    expected.seed = .max
    expected.output = "runs/a b"
    expected.model = ModelConfiguration(form: "tk", compression: 0.25, checkpointing: .recompute)
    expected.data = DataConfiguration(kind: .synthetic, trainingSamples: 100)
    expected.data.padding = 2
    (expected.data.height, expected.data.width) = (8, 9)
    (expected.data.channels, expected.data.classes) = (3, 4)
    expected.training.epochs = 7
    expected.training.batchSize = 32
    expected.training.dropLast = true
    expected.training.maxSteps = 11
    expected.training.schedule = .step
    expected.training.warmUpEpochs = 0.5
    expected.training.stepEpochs = 3
    expected.training.stepFactor = 0.2
    expected.training.precision = .float64
    expected.training.checkpointSteps = 5
    expected.training.parallelism = .auto
    expected.training.memory = MemorySize(bytes: 3 << 29)
    expected.optimizer.kind = .adam
    expected.optimizer.learningRate = 1e-3
    expected.optimizer.momentum = 0
    expected.optimizer.weightDecay = 0.01
    expected.optimizer.beta1 = 0.8
    expected.optimizer.beta2 = 0.99
    expected.optimizer.epsilon = 1e-7
    #expect(configuration == expected)
  }

  @Test(arguments: ["", "# nothing\n", "---\n", "model:\ntraining:\n", "null"])
  func whatIsNotSaidHasItsDefault(yaml: String) throws {
    #expect(try TrainingConfiguration(yaml: yaml, source: "run.yaml") == TrainingConfiguration())
  }

  @Test func overridesComeLastAndInOrder() throws {
    let configuration = try TrainingConfiguration(
      yaml: "seed: 1\ntraining: {epochs: 2, maxSteps: 3}", source: "run.yaml",
      overrides: [
        "training.epochs=4", "training.epochs = 5", "training.maxSteps=null", "output=a=b",
      ])
    #expect(configuration.seed == 1)
    #expect(configuration.training.epochs == 5)
    #expect(configuration.training.maxSteps == nil)
    #expect(configuration.output == "a=b")
  }

  @Test func aTildeInAPathIsTheHomeFolder() throws {
    let home = try #require(ProcessInfo.processInfo.environment["HOME"])
    for yaml in ["output: ~/a\ndata: {path: ~/b}", "output: '~/a'\ndata: {path: \"~/b\"}"] {
      let configuration = try TrainingConfiguration(yaml: yaml, source: "run.yaml")
      #expect(configuration.output == home + "/a")
      #expect(configuration.data.path == home + "/b")
    }
    // Alone it is null, as in all of YAML.
    let configuration = try TrainingConfiguration(yaml: "data: {path: ~}", source: "run.yaml")
    #expect(configuration.data.path == nil)
  }

  @Test func outputMayNameOtherKeys() throws {
    let configuration = try TrainingConfiguration(
      yaml: "output: runs/{model.form}-{model.compression}-{data.kind}/{seed}", source: "run.yaml",
      overrides: ["model.form=tr", "seed=3"])
    #expect(configuration.output == "runs/tr-0.1-fashion-mnist/3")
  }

  /// A resolved configuration read back is the same configuration.
  @Test(arguments: [
    [], ["model.form=dense"], ["optimizer.kind=adam", "optimizer.epsilon=1e-12"],
    ["training.parallelism=auto", "training.memory=3GiB"], ["training.precision=float64"],
    ["training.parallelism=AUTO"],
    [
      "data.kind=synthetic", "data.padding=1024", "data.height=12", "training.schedule=step",
      "training.stepFactor=0.3",
    ],
    [#"output=a "quoted" \ path: {seed} # ü"#, "data.path=/x y/z", "seed=18446744073709551615"],
  ])
  func resolvedTextReadsBack(overrides: [String]) throws {
    let configuration = try TrainingConfiguration(yaml: "", source: "", overrides: overrides)
    let again = try TrainingConfiguration(yaml: configuration.yaml, source: "again")
    #expect(again == configuration)
    #expect(again.yaml == configuration.yaml)
  }

  @Test func resolvedTextOfTheDefaults() {
    #expect(
      TrainingConfiguration().yaml == """
        seed: 0
        output: "runs/convoy"
        model:
          network: demo
          form: cp
          compression: 0.1
        data:
          kind: fashion-mnist
          path: null
          trainingSamples: null
          testSamples: null
          padding: 0
        training:
          epochs: 5
          batchSize: 128
          dropLast: false
          maxSteps: null
          schedule: cosine
          warmUpEpochs: 0.0
          precision: float32
          checkpointing: keep
          checkpointSteps: null
          parallelism: data
        optimizer:
          kind: sgd
          learningRate: 0.05
          momentum: 0.9
          weightDecay: 0.0005

        """)
  }

  @Test func everyKeyIsExplained() {
    for key in ConfigurationKey.all {
      #expect(TrainingConfiguration.keyReference.contains("\(key.name): \(key.summary)\n"))
      #expect(!key.summary.isEmpty && !key.expected.isEmpty)
    }
  }

  @Test func onlyKeysThatDefineTheRunAreDifferences() throws {
    let saved = TrainingConfiguration()
    var requested = saved
    requested.training.epochs = 50
    requested.training.maxSteps = 3
    requested.training.checkpointSteps = 4
    requested.model.checkpointing = .recompute
    requested.training.parallelism = .auto
    requested.training.memory = MemorySize(bytes: 1)
    requested.output = "elsewhere"
    requested.data.path = "/moved"
    // Adam's numbers do not matter to SGD.
    requested.optimizer.beta1 = 0.5
    #expect(requested.differences(from: saved).isEmpty)
    requested.model.form = "dense"
    requested.training.precision = .float64
    requested.optimizer.learningRate = 0.1
    #expect(
      requested.differences(from: saved) == [
        .init(key: "model.form", saved: "cp", requested: "dense"),
        .init(key: "training.precision", saved: "float32", requested: "float64"),
        .init(key: "optimizer.learningRate", saved: "0.05", requested: "0.1"),
      ])
  }

  @Test func theExamplesAreValid() throws {
    var root = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
    for _ in 1...4 { root.deleteLastPathComponent() }
    let configuration = try TrainingConfiguration(
      file: root.appendingPathComponent("examples/fashion-mnist.yaml").path)
    #expect(configuration.data.kind == .fashionMNIST)
    #expect(configuration.model.form == "cp")
    #expect(configuration.training.epochs <= 5)
    let resnet = try TrainingConfiguration(
      file: root.appendingPathComponent("examples/fashion-resnet18.yaml").path)
    #expect(resnet.model.network == .resnet18 && resnet.model.stem == .large)
    #expect(resnet.data.padding == 2)
  }
}
