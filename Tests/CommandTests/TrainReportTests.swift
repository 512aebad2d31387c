import Foundation
import Testing

/// `train --report` and `--trace`: what they write, and where they refuse to.
@Suite struct TrainReportTests {
  struct Report: Decodable {
    struct Bytes: Decodable, Equatable {
      var bytesReceivedPerRank: [Int]
      var peakBytesPerRank: [Int]
    }

    struct Times: Decodable {
      var predictedSeconds: Double
      var measuredSeconds: Double
    }

    struct Layer: Decodable {
      var name: String
      var predictedSeconds: Double
      var measuredSeconds: Double
    }

    var ranks: Int
    var step: Int
    var seconds: Double
    var predicted: Bytes
    var measured: Bytes
    var highWaterBytesPerRank: [Int]
    var layers: [Layer]
    var loss: Times
    var update: Times
    var communication: Times
  }

  struct Trace: Decodable {
    struct Event: Decodable {
      struct Arguments: Decodable {
        var name: String?
        var layer: String?
      }

      var name: String
      var ph: String
      var pid: Int
      var tid: Int?
      var cat: String?
      var ts: Double?
      var dur: Double?
      var args: Arguments?
    }

    var traceEvents: [Event]
  }

  static func folder() throws -> TestFolder {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    return folder
  }

  static func report(_ folder: TestFolder, _ name: String = "report.json") throws -> Report {
    try JSONDecoder().decode(Report.self, from: folder.bytes(name))
  }

  /// The networks that `describe` knows, demo and one with residuals, on one rank.
  @Test(arguments: ["demo", "resnet20"]) func theReportIsWhatDescribePredicts(
    network: String
  ) throws {
    let folder = try Self.folder()
    let settings = ["--set", "model.network=\(network)", "--threads", "1"]
    let run = try Convoy.run(
      ["train", "run.yaml", "--report", "report.json", "--set", "training.maxSteps=2"] + settings,
      in: folder)
    #expect(run.code == 0, "it says: \(run.errors)")
    let report = try Self.report(folder)
    #expect(report.ranks == 1 && report.step == 1 && report.seconds > 0)
    #expect(report.predicted == report.measured)
    #expect(report.measured.bytesReceivedPerRank == [0])
    let description = try Convoy.run(
      ["describe", "run.yaml", "--json"] + settings, in: folder)
    let described = try JSONDecoder().decode(
      DescribeTests.Report.self, from: Data(description.output.utf8))
    #expect(described.peakBytesPerRank == report.measured.peakBytesPerRank)
    #expect(described.bytesReceivedPerRank == report.measured.bytesReceivedPerRank)
    #expect(described.layers.map(\.name) == report.layers.map(\.name))
    for (layer, known) in zip(report.layers, described.layers) where known.expression != nil {
      #expect(layer.predictedSeconds > 0 && layer.measuredSeconds > 0, "\(layer.name)")
    }
    #expect(report.update.predictedSeconds > 0 && report.update.measuredSeconds > 0)
    #expect(report.loss.measuredSeconds > 0)
    #expect(report.communication.predictedSeconds == 0)
    #expect(report.communication.measuredSeconds == 0)
    let all =
      report.layers.reduce(0) { $0 + $1.measuredSeconds } + report.loss.measuredSeconds
      + report.update.measuredSeconds
    #expect(all <= report.seconds)
  }

  /// What the system counts of a process is what a step needs by its program, and not much more.
  @Test func aProcessHoldsWhatWasPredicted() throws {
    let folder = try Self.folder()
    let run = try Convoy.run(
      [
        "train", "run.yaml", "--report", "report.json", "--threads", "2",
        "--set", "model.network=resnet20", "--set", "training.maxSteps=2",
        "--set", "training.batchSize=256", "--set", "data.trainingSamples=256",
        "--set", "data.height=32", "--set", "data.width=32",
      ], in: folder)
    #expect(run.code == 0, "it says: \(run.errors)")
    let report = try Self.report(folder)
    let predicted = try #require(report.predicted.peakBytesPerRank.first)
    #expect(predicted > 200_000_000)
    let held = try #require(report.highWaterBytesPerRank.first)
    #expect(held > predicted / 2, "nothing is held: \(held)")
    #expect(
      held <= predicted + predicted / 10 + 64_000_000, "\(held) bytes, of \(predicted) predicted")
  }

  /// Of two steps the second, of one the only one.
  @Test(arguments: [1, 2, 8]) func aTraceHasTheNodesOfAStep(steps: Int) throws {
    let folder = try Self.folder()
    let run = try Convoy.run(
      [
        "train", "run.yaml", "--trace", "trace.json", "--report", "report.json", "--threads", "2",
        "--set", "training.maxSteps=\(steps)",
      ], in: folder)
    #expect(run.code == 0, "it says: \(run.errors)")
    #expect(try Self.report(folder).step == 1)
    let events = try JSONDecoder().decode(Trace.self, from: folder.bytes("trace.json")).traceEvents
    let rows = events.filter { $0.ph == "M" }
    #expect(rows.map(\.name) == ["process_name"])
    #expect(rows.map(\.pid) == [0] && rows.map(\.args?.name) == ["rank 0"])
    let spans = events.filter { $0.ph == "X" }
    #expect(rows.count + spans.count == events.count)
    #expect(spans.allSatisfy { ($0.ts ?? -1) >= 0 && ($0.dur ?? -1) >= 0 && $0.pid == 0 })
    #expect(spans.allSatisfy { $0.cat == "compute" && $0.args?.layer != nil })
    #expect(Set(spans.map(\.tid)).isSubset(of: [0, 1]))
    for name in ["conv1", "conv4", "linear.weight.update"] {
      #expect(spans.contains { $0.name == name }, "\(name)")
    }
    let layers = Set(spans.compactMap(\.args?.layer))
    #expect(layers.isSuperset(of: ["conv1", "conv2", "linear", "loss", "update"]))
    #expect(
      spans.filter { $0.name.hasPrefix("conv2.") && $0.args?.layer != "update" }
        .allSatisfy { $0.args?.layer == "conv2" })
  }

  /// A run changes nothing by being looked at.
  @Test func lookingOnLeavesTheBitsAlone() throws {
    let folder = try Self.folder()
    for (name, options) in [
      ("plain", []), ("watched", ["--report", "r.json", "--trace", "t.json"]),
    ] {
      let run = try Convoy.run(
        ["train", "run.yaml", "--set", "output=\(name)"] + options, in: folder)
      #expect(run.code == 0)
    }
    #expect(
      try folder.bytes("plain/weights.safetensors")
        == folder.bytes("watched/weights.safetensors"))
  }

  @Test func aRunThatIsOverHasNothingToReport() throws {
    let folder = try Self.folder()
    #expect(try Convoy.run(["train", "run.yaml"], in: folder).code == 0)
    let run = try Convoy.run(
      ["train", "run.yaml", "--resume", "run", "--report", "report.json"], in: folder)
    #expect(run.code == 0)
    #expect(
      run.errors.contains(
        "convoy: note: there was no step to run, so --report report.json is not written"))
    #expect(!folder.exists("report.json"))
    // One that goes on has steps.
    let more = try Convoy.run(
      [
        "train", "run.yaml", "--resume", "run", "--report", "report.json", "--set",
        "training.epochs=3",
      ], in: folder)
    #expect(more.code == 0)
    #expect(try Self.report(folder).step == 9)
  }

  static let refusals = [
    BadInput(
      "no folder", ["train", "run.yaml", "--report", "nowhere/report.json"], code: 1,
      "convoy: error: cannot write into the folder …"),
    BadInput(
      "a folder", ["train", "run.yaml", "--trace", "."],
      "convoy: error: cannot write the file .: it is a folder; name a file in it"),
    BadInput(
      "no name", ["train", "run.yaml", "--report", ""],
      "convoy: error: the name of an output is empty; expected a file"),
    BadInput(
      "the configuration", ["train", "run.yaml", "--report", "run.yaml"],
      "convoy: error: --report run.yaml would replace the configuration, run.yaml; give it another "
        + "name"),
    BadInput(
      "one file for both", ["train", "run.yaml", "--report", "a.json", "--trace", "a.json"],
      "convoy: error: --trace a.json would replace --report, a.json; give it another name"),
  ]

  @Test(arguments: refusals) func whatCannotBeWrittenIsRefusedBeforeTheRun(row: BadInput) throws {
    let folder = try Self.folder()
    try row.check(in: folder)
    #expect(!folder.exists("run"))
  }
}
