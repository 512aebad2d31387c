import Foundation
import Testing

/// Bad configurations, data and run folders of `train`.
@Suite struct BadTrainingTests {
  /// The configuration `run.yaml` is good, and its output folder `run` is not there yet.
  static func setting(_ name: String, _ settings: String..., code: Int32 = 64, says: String)
    -> BadInput
  {
    BadInput(
      name, ["train", "run.yaml"] + settings.flatMap { ["--set", $0] }, code: code,
      "convoy: error: " + says)
  }

  static let settings = [
    setting(
      "unknown key", "training.epoch=3",
      says: "--set: there is no key 'training.epoch'; did you mean 'training.epochs'?"),
    setting(
      "unknown section", "optimiser.learningRate=3",
      says: "--set: there is no key 'optimiser.learningRate'; did you mean "
        + "'optimizer.learningRate'?"),
    setting(
      "no value", "training.epochs",
      says: "--set 'training.epochs': expected key=value, such as training.epochs=3"),
    setting(
      "compression 0", "model.compression=0",
      says: "--set: model.compression is 0; expected a number above 0, at most 1"),
    setting(
      "compression below 0", "model.compression=-1",
      says: "--set: model.compression is -1; expected a number above 0, at most 1"),
    setting(
      "compression above 1", "model.compression=1.5",
      says: "--set: model.compression is 1.5; expected a number above 0, at most 1"),
    setting(
      "compression no number", "model.compression=nan",
      says: "--set: model.compression is nan; expected a number above 0, at most 1"),
    setting("unknown form", "model.form=xx", says: "--set: model.form is xx; expected one of …"),
    setting(
      "images too small for the pools", "data.height=1", "data.width=1",
      says: """
        node "pool2" (max-pool 2×2 /2 over 1,2): the window 2 /2 over 1 does not fit the extent 1 of axis 1
          inputs: relu2 float32 [16, 1, 1, 64]
        Fix: let the window and its stride be at least 1, padding on each side smaller than the window, \
        and the window no longer than axis 1 with its padding
        """),
    setting(
      "more images than memory", "data.trainingSamples=999999999999",
      says: "1000000000015 synthetic images of 8×8×1 do not fit in memory; lower "
        + "data.trainingSamples, data.testSamples or the extents"),
    setting(
      "a run folder below a file", "output=run.yaml/run", code: 1,
      says: "run.yaml/run: cannot be used as the run folder: Not a directory; choose a folder you "
        + "can write to with --set output=…"),
    setting(
      "a run folder where none can be made", "output=/proc/run", code: 1,
      says: "/proc/run: cannot be used as the run folder: No such file or directory; choose a "
        + "folder you can write to with --set output=…"),
    setting(
      "a folder with other files", "output=.",
      says: ". is not empty, and holds no run of convoy; choose a new or empty folder with "
        + "--set output=…"),
  ]

  static let configurations = [
    BadInput(
      "missing configuration", ["train", "nowhere.yaml"],
      "convoy: error: nowhere.yaml: there is no such file; expected a YAML configuration"),
    BadInput(
      "unknown key in the file", ["train", "unknown.yaml"],
      "convoy: error: unknown.yaml:2: there is no key 'training.epoch'; did you mean "
        + "'training.epochs'?"),
    BadInput("no YAML", ["train", "damaged.yaml"], "convoy: error: damaged.yaml: …"),
    BadInput(
      "no configuration", ["train"], "convoy: error: missing expected argument '<configuration>'…"),
    BadInput(
      "nothing to resume", ["train", "run.yaml", "--resume", "nowhere"],
      "convoy: error: nowhere: there is no such folder to resume; expected the output folder of an "
        + "earlier run"),
    BadInput(
      "no run in the folder to resume", ["train", "run.yaml", "--resume", "data"],
      "convoy: error: data: there is no run here to resume; expected the output folder of an "
        + "earlier run"),
  ]

  @Test(arguments: settings + configurations)
  func aBadConfigurationEndsInOneMessage(row: BadInput) throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    try folder.write("unknown.yaml", "training:\n  epoch: 3\n")
    try folder.write("damaged.yaml", "training: [1,\n")
    try folder.writeDataSet("data")
    try row.check(in: folder)
  }

  static let data = ["data.kind=idx", "data.path=data"]

  @Test func aMissingDataSetEndsInOneMessage() throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    try Self.setting(
      "no path", "data.kind=idx",
      says: "data.path is not set; data.kind idx needs the folder of the IDX files"
    ).check(in: folder)
    try Self.setting(
      "no folder", "data.kind=idx", "data.path=data",
      says: "data: there is no train-images-idx3-ubyte nor train-images-idx3-ubyte.gz; data.path "
        + "must hold four IDX files named as MNIST's are"
    ).check(in: folder)
  }

  /// Every file of a data set, cut short.
  @Test(arguments: [
    ("train-images-idx3-ubyte", "truncated in the data: expected at least 784 bytes, found 783"),
    ("train-labels-idx1-ubyte", "truncated in the data: expected at least 20 bytes, found 19"),
    ("t10k-images-idx3-ubyte", "truncated in the data: expected at least 400 bytes, found 399"),
    ("t10k-labels-idx1-ubyte", "truncated in the data: expected at least 14 bytes, found 13"),
  ])
  func aTruncatedFileEndsInOneMessage(file: String, problem: String) throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    try folder.writeDataSet("data")
    let whole = try folder.bytes("data/\(file)")
    try folder.write("data/\(file)", whole.dropLast())
    try Self.setting(file, Self.data[0], Self.data[1], says: "data/\(file): \(problem)")
      .check(in: folder)
    try folder.write("data/\(file)", whole.prefix(3))
    try Self.setting(file, Self.data[0], Self.data[1], says: "data/\(file): truncated in …")
      .check(in: folder)
  }

  @Test func damagedCompressionAndWrongCountsEndInOneMessage() throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    try folder.writeDataSet("data")
    let labels = "data/train-labels-idx1-ubyte"
    try folder.write(labels, Idx.file(shape: [11], [UInt8](repeating: 1, count: 11)))
    try Self.setting(
      "fewer labels", Self.data[0], Self.data[1],
      says: "data/train-images-idx3-ubyte has 12 images, but data/train-labels-idx1-ubyte has 11 "
        + "labels; expected as many"
    ).check(in: folder)
    try FileManager.default.removeItem(atPath: "\(folder.path)/\(labels)")
    try folder.write(labels + ".gz", Data([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3, 0xFF, 0xFF, 1, 2]))
    try Self.setting(
      "damaged gzip", Self.data[0], Self.data[1], says: "data/train-labels-idx1-ubyte.gz: …"
    ).check(in: folder)
  }

  /// A run goes on from records that no run writes: they are shown, and drawn, as they are.
  @Test(arguments: ["1e26", "1.7e308", "5e-324", "-1e300", "9223372036854775808"])
  func recordsOfAnyNumbersAreGoneOnFrom(number: String) throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    #expect(
      try Convoy.run(["train", "run.yaml", "--set", "training.epochs=1"], in: folder).code == 0)
    let records = folder.text("run/metrics.jsonl").replacing(
      try Regex(
        #""(loss|trainLoss|trainAccuracy|testLoss|testAccuracy|imagesPerSecond|seconds)":[0-9.e+-]+"#
      )
    ) { match in "\(match[0].substring?.prefix { $0 != ":" } ?? ""):\(number)" }
    try folder.write("run/metrics.jsonl", records)
    let run = try Convoy.run(
      ["train", "run.yaml", "--resume", "run", "--set", "training.epochs=1"], in: folder)
    #expect(run.code == 0, "it says: \(run.errors)")
    #expect(run.output.hasPrefix("test accuracy "))
  }

  /// A history that cannot be read is no empty one.
  @Test(arguments: ["1e999", "half", "null", "[]"])
  func aHistoryThatIsNoneIsAnError(number: String) throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    #expect(try Convoy.run(["train", "run.yaml"], in: folder).code == 0)
    let records = folder.text("run/metrics.jsonl").replacing(
      #""step":3,"#, with: #""step":\#(number),"#)
    try folder.write("run/metrics.jsonl", records)
    try BadInput(
      number, ["train", "--resume", "run"],
      "convoy: error: run/metrics.jsonl:3: is no record of a step or an epoch; put the file right, or …"
    ).check(in: folder)
  }

  /// The loss of an absurd learning rate: the run ends, and what it wrote until then is whole.
  @Test func aLossThatIsNoNumberEndsTheRun() throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration(checkpointSteps: 1))
    let run = try Convoy.run(
      ["train", "run.yaml", "--set", "optimizer.learningRate=1e30"], in: folder)
    #expect(run.code == 1)
    #expect(run.output == "")
    let messages = run.errors.split(separator: "\n").filter { $0.contains("error:") }
    #expect(messages.count == 1)
    let message = try Regex(
      #"convoy: error: the (test )?loss became (NaN|inf|-inf) (at|after) step \d+ \(epoch \d+.*\); "#
        + "try a lower optimizer.learningRate or a longer training.warmUpEpochs")
    #expect(try message.wholeMatch(in: messages.first ?? "") != nil, "it says: \(run.errors)")

    #expect(!folder.exists("run/weights.safetensors"))
    #expect(!folder.names.contains { $0.hasSuffix(".partial") })
    // Every step that is written down has a loss that is a number.
    for line in try SmallRun.timelessMetrics(folder) {
      let record = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      #expect((record?["loss"] as? Double)?.isFinite == true, "\(line)")
    }
  }
}
