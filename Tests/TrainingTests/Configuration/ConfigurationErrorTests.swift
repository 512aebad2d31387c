import Formats
import Foundation
import Testing

@testable import Training

@Suite struct ConfigurationErrorTests {
  struct Bad: Sendable, CustomTestStringConvertible {
    var yaml = ""
    var overrides: [String] = []
    var message: String
    var testDescription: String { message }
  }

  static let table: [Bad] = [
    Bad(
      yaml: #"output: "a\0b""#,
      message: #"run.yaml:1: output is "a\x00b"; expected text that is not empty"#),
    Bad(
      yaml: "seed: 1\ntraining:\n  epoch: 3\n",
      message: "run.yaml:3: there is no key 'training.epoch'; did you mean 'training.epochs'?"),
    Bad(
      yaml: "batchsize: 3\n",
      message: "run.yaml:1: there is no key 'batchsize'; did you mean 'training.batchSize'?"),
    Bad(
      yaml: "model:\n  learningRate: 3\n",
      message: "run.yaml:2: there is no key 'model.learningRate'; did you mean "
        + "'optimizer.learningRate'?"),
    Bad(
      yaml: "optimiser:\n  momentun: 0.9\n",
      message: "run.yaml:2: there is no key 'optimiser.momentun'; did you mean "
        + "'optimizer.momentum'?"),
    Bad(
      overrides: ["trainin.epochs=3"],
      message: "--set: there is no key 'trainin.epochs'; did you mean 'training.epochs'?"),
    Bad(
      yaml: "training:\n  epochs: many\n",
      message: "run.yaml:2: training.epochs is many; expected an integer from 1 to 1000000"),
    Bad(
      yaml: "training:\n  epochs: 0\n",
      message: "run.yaml:2: training.epochs is 0; expected an integer from 1 to 1000000"),
    Bad(
      yaml: "training:\n  epochs: 1.5\n",
      message: "run.yaml:2: training.epochs is 1.5; expected an integer from 1 to 1000000"),
    Bad(
      yaml: "training:\n  epochs: \"3\"\n",
      message: "run.yaml:2: training.epochs is \"3\"; expected an integer from 1 to 1000000"),
    Bad(
      yaml: "training:\n  epochs: [3, 4]\n",
      message: "run.yaml:2: training.epochs is a list; expected an integer from 1 to 1000000"),
    Bad(
      yaml: "output:\n  folder: x\n",
      message: "run.yaml:1: output is a mapping; expected text that is not empty"),
    Bad(
      yaml: "training:\n  batchSize:\n",
      message: "run.yaml:2: training.batchSize is empty; expected an integer from 1 to 1000000"),
    Bad(
      yaml: "training:\n  maxSteps: -1\n",
      message: "run.yaml:2: training.maxSteps is -1; expected an integer of at least 1, or null"),
    Bad(
      yaml: "data:\n  padding: 1025\n",
      message: "run.yaml:2: data.padding is 1025; expected an integer from 0 to 1024"),
    Bad(
      overrides: ["data.padding=-1"],
      message: "--set: data.padding is -1; expected an integer from 0 to 1024"),
    Bad(
      overrides: ["data.pad=1"],
      message: "--set: there is no key 'data.pad'; did you mean 'data.padding'?"),
    Bad(
      overrides: ["seed=-1"],
      message: "--set: seed is -1; expected an integer from 0 to 2^64 - 1"),
    Bad(
      overrides: ["model.compression=0"],
      message: "--set: model.compression is 0; expected a number above 0, at most 1"),
    Bad(
      overrides: ["model.compression=nan"],
      message: "--set: model.compression is nan; expected a number above 0, at most 1"),
    Bad(
      overrides: ["optimizer.learningRate=inf"],
      message: "--set: optimizer.learningRate is inf; expected a number above 0"),
    Bad(
      overrides: ["optimizer.momentum=1"],
      message: "--set: optimizer.momentum is 1; expected a number from 0, below 1"),
    Bad(
      overrides: ["training.schedule=linear"],
      message: "--set: training.schedule is linear; expected one of constant, step, cosine"),
    Bad(
      overrides: ["training.precision=float16"],
      message: "--set: training.precision is float16; expected one of float32, float64"),
    Bad(
      overrides: ["training.dtype=float64"],
      message: "--set: there is no key 'training.dtype'; did you mean 'training.precision'?"),
    Bad(
      overrides: ["training.checkpointing=yes"],
      message: "--set: training.checkpointing is yes; expected one of keep, recompute"),
    Bad(
      overrides: ["training.parallelism=rows"],
      message: "--set: training.parallelism is rows; expected one of data, auto"),
    Bad(
      overrides: ["training.memory=lots"],
      message: "--set: training.memory is lots; expected a size such as 512MiB or 2GiB, or null"),
    Bad(
      overrides: ["data.kind=cifar"],
      message: "--set: data.kind is cifar; expected one of fashion-mnist, idx, synthetic"),
    Bad(
      overrides: ["output="], message: "--set: output is empty; expected text that is not empty"),
    Bad(
      overrides: ["output=runs/{name}"],
      message: "--set: output is runs/{name}; expected a path, in which {model.form} and the like "
        + "stand for the key's value"),
    Bad(
      overrides: ["optimizer=adam"],
      message: "--set: 'optimizer' is a section and cannot be adam; set one of its keys: "
        + "optimizer.kind, optimizer.learningRate, optimizer.momentum, optimizer.weightDecay, "
        + "optimizer.beta1, optimizer.beta2, optimizer.epsilon"),
    Bad(
      overrides: ["seed"],
      message: "--set 'seed': expected key=value, such as training.epochs=3"),
    Bad(
      overrides: ["=3"], message: "--set '=3': expected key=value, such as training.epochs=3"),
    Bad(
      yaml: "- 1\n- 2\n",
      message: "run.yaml: the file must be a mapping of keys to values, such as 'seed: 1'"),
    Bad(
      yaml: "hello",
      message: "run.yaml: the file must be a mapping of keys to values, such as 'seed: 1'"),
  ]

  @Test(arguments: table)
  func messages(bad: Bad) {
    let error = #expect(throws: TrainingError.self) {
      try TrainingConfiguration(yaml: bad.yaml, source: "run.yaml", overrides: bad.overrides)
    }
    #expect(error?.description == bad.message)
  }

  @Test func anUnknownFormNamesTheForms() throws {
    let error = #expect(throws: TrainingError.self) {
      try TrainingConfiguration(yaml: "model: {form: cpp}", source: "run.yaml")
    }
    let message = try #require(error).description
    #expect(message.hasPrefix("run.yaml:1: model.form is cpp; expected one of dense, cp, tk, tt"))
  }

  @Test(arguments: ["seed: [1, 2", "seed: 1\nseed: 2\n", "a:\n\t- b", "\"open"])
  func brokenYAMLNamesTheFile(yaml: String) {
    let error = #expect(throws: TrainingError.self) {
      try TrainingConfiguration(yaml: yaml, source: "run.yaml")
    }
    #expect(error?.description.hasPrefix("run.yaml: ") == true)
  }

  @Test func filesThatCannotBeRead() throws {
    try withTemporaryFolder { folder in
      let missing = folder + "/missing.yaml"
      let error = #expect(throws: TrainingError.self) { try TrainingConfiguration(file: missing) }
      #expect(error == .unreadableConfiguration(file: missing, reason: .missing))
      #expect(
        error?.description == "\(missing): there is no such file; expected a YAML configuration")
      let binary = folder + "/binary.yaml"
      try Data([0xFF, 0xFE, 0x00]).write(to: URL(fileURLWithPath: binary))
      #expect(throws: TrainingError.unreadableConfiguration(file: binary, reason: .notText)) {
        try TrainingConfiguration(file: binary)
      }
      #expect(throws: FormatError.notAFile(path: folder)) {
        try TrainingConfiguration(file: folder)
      }
    }
  }

  @Test(arguments: [
    ("optimizer.lr", "optimizer.learningRate"), ("learning_rate", "optimizer.learningRate"),
    ("lr", "optimizer.learningRate"), ("training.lr", "optimizer.learningRate"),
    ("batch_size", "training.batchSize"), ("num_epochs", "training.epochs"),
    ("training.Max-Steps", "training.maxSteps"),
    ("optimizer.weight_decay", "optimizer.weightDecay"),
    ("drop_last", "training.dropLast"), ("optimizer.eps", "optimizer.epsilon"),
    ("data.root", "data.path"), ("wd", "optimizer.weightDecay"), ("gamma", "training.stepFactor"),
  ])
  func namesOfOtherLibrariesAreKnown(name: String, key: String) {
    #expect(ConfigurationKey.nearest(to: name)?.name == key)
  }

  @Test func everyOtherNameStandsForOneKey() {
    let names = ConfigurationKey.otherNames.values.flatMap { $0 }
    #expect(Set(names).count == names.count)
    for name in names { #expect(name == name.lowercased() && !name.contains("_")) }
    for key in ConfigurationKey.otherNames.keys { #expect(ConfigurationKey.byName[key] != nil) }
    // A key's own name is never another's.
    for key in ConfigurationKey.all { #expect(!names.contains(key.lastName.lowercased())) }
  }

  @Test func everyKeyIsItsOwnNearest() {
    for key in ConfigurationKey.all {
      #expect(ConfigurationKey.nearest(to: key.name)?.name == key.name)
      #expect(ConfigurationKey.nearest(to: key.name.uppercased())?.name == key.name)
    }
  }
}
