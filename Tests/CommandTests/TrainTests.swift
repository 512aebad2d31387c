import Foundation
import Testing

/// Good runs of `train`: what they print, where, and what they leave.
@Suite struct TrainTests {
  @Test func aRunLeavesItsFilesAndPrintsItsAccuracy() throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    let run = try Convoy.run(["train", "run.yaml"], in: folder)
    #expect(run.code == 0, "it says: \(run.errors)")
    #expect(
      folder.names == [
        "run", "run.yaml", "run/checkpoints", "run/checkpoints/step-000000006.safetensors",
        "run/checkpoints/step-000000008.safetensors", "run/configuration.yaml",
        "run/metrics.jsonl", "run/plot.svg", "run/weights.safetensors",
      ])
    let output = try Regex(
      """
      test accuracy \\d+\\.\\d\\d % after 2 epochs \\(8 steps\\), [0-9,]+ images/s
      plot          run/plot.svg
      weights       run/weights.safetensors

      """)
    #expect(try output.wholeMatch(in: run.output) != nil, "it says: \(run.output)")
  }

  /// Progress is for terminals: a file gets lines, without the control characters of a bar.
  @Test func standardErrorHasNoProgressBar() throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    let run = try Convoy.run(["train", "run.yaml", "--threads", "2"], in: folder)
    #expect(!run.errors.contains("\r") && !run.errors.contains("\u{1B}"))
    // A machine of one core warns of two threads.
    let lines = run.errors.split(separator: "\n").filter { !$0.contains("warning: --threads") }
    #expect(lines.count == 3, "it says: \(run.errors)")
    #expect(lines.first?.hasPrefix("training ") == true)
    #expect(lines.first?.hasSuffix(" on 64 images, 1 rank × 2 threads, into run") == true)
    #expect(lines.dropFirst().allSatisfy { $0.hasPrefix("epoch ") })
  }

  private static let stepKeys: Set = [
    "kind", "step", "epoch", "loss", "learningRate", "imagesPerSecond", "seconds",
  ]

  /// `{"kind":"step",…}` for every step, and a line at the end of every epoch.
  @Test func everyStepAndEveryEpochIsALineOfMetrics() throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    #expect(try Convoy.run(["train", "run.yaml"], in: folder).code == 0)
    let records = try folder.text("run/metrics.jsonl").split(separator: "\n").map { line in
      try #require(
        try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any], "\(line)")
    }
    let steps = records.filter { $0["kind"] as? String == "step" }
    #expect(steps.map { $0["step"] as? Int } == Array(1...8))
    #expect(steps.map { $0["epoch"] as? Int } == [1, 1, 1, 1, 2, 2, 2, 2])
    #expect(steps.allSatisfy { Set($0.keys) == Self.stepKeys })
    #expect(
      steps.allSatisfy { step in
        ["learningRate", "imagesPerSecond", "seconds"].allSatisfy { step[$0] as? Double ?? 0 > 0 }
      })
    let epochs = records.filter { $0["kind"] as? String == "epoch" }
    #expect(epochs.map { $0["epoch"] as? Int } == [1, 2])
    for (epoch, losses) in zip(epochs, [steps.prefix(4), steps.suffix(4)]) {
      #expect(
        Set(epoch.keys) == [
          "kind", "epoch", "trainLoss", "trainAccuracy", "testLoss", "testAccuracy",
          "imagesPerSecond", "seconds",
        ])
      // Batches of equal size, so the mean over the samples is that over the steps.
      let mean = losses.compactMap { $0["loss"] as? Double }.reduce(0, +) / 4
      let trainLoss = try #require(epoch["trainLoss"] as? Double)
      #expect(abs(trainLoss - mean) < 1e-6)
      let accuracy = try #require(epoch["testAccuracy"] as? Double)
      #expect((accuracy * 16).rounded() == accuracy * 16 && 0 <= accuracy && accuracy <= 1)
    }
  }

  /// What is in the file, what `--set` says, and what the run says it did are one.
  @Test func overridesAreInTheResolvedConfiguration() throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    let run = try Convoy.run(
      [
        "train", "run.yaml", "--set", "model.form=tr", "--set", "training.maxSteps=3", "--set",
        "output=runs/{model.form}-{seed}",
      ], in: folder)
    #expect(run.code == 0, "it says: \(run.errors)")
    let resolved = folder.text("runs/tr-5/configuration.yaml")
    for line in ["seed: 5\n", "  form: tr\n", "  maxSteps: 3\n", "  batchSize: 16\n"] {
      #expect(resolved.contains(line), "\(line)")
    }
    #expect(folder.text("runs/tr-5/metrics.jsonl").contains(#""step":3,"#))
    #expect(!folder.text("runs/tr-5/metrics.jsonl").contains(#""step":4,"#))
  }

  @Test func aRunOnIDXFilesReadsThem() throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    try folder.writeDataSet("data")
    let run = try Convoy.run(
      [
        "train", "run.yaml", "--set", "data.kind=idx", "--set", "data.path=data", "--set",
        "data.trainingSamples=null",
      ], in: folder)
    #expect(run.code == 0, "it says: \(run.errors)")
    #expect(run.errors.contains(" on 12 images, "))
  }

  @Test func equalRunsHaveEqualBits() throws {
    let runs = try (0..<2).map { _ in
      let folder = try TestFolder()
      try folder.write("run.yaml", SmallRun.configuration())
      #expect(try Convoy.run(["train", "run.yaml"], in: folder).code == 0)
      return folder
    }
    #expect(try SmallRun.timelessMetrics(runs[0]) == SmallRun.timelessMetrics(runs[1]))
    for file in ["weights.safetensors", "plot.svg", "checkpoints/step-000000008.safetensors"] {
      #expect(try runs[0].bytes("run/\(file)") == runs[1].bytes("run/\(file)"), "\(file)")
    }
  }

  @Test func aBatchOfMoreThanAllSamplesIsWarnedOf() throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    let warning =
      "convoy: warning: training.batchSize is 65, but there are 64 training images: every step takes all of them"
    for (size, warned) in [(65, 1), (64, 0)] {
      let run = try Convoy.run(
        ["train", "run.yaml", "--set", "training.batchSize=\(size)", "--set", "output=run\(size)"],
        in: folder)
      #expect(run.code == 0)
      #expect(run.errors.split(separator: "\n").count { $0 == warning } == warned)
      #expect(run.output.contains("after 2 epochs (2 steps)"))
    }
  }

  @Test func oneEpochOfOneStepIsOne() throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration(steps: 1))
    let run = try Convoy.run(
      ["train", "run.yaml", "--set", "training.epochs=1"], in: folder)
    #expect(run.code == 0, "it says: \(run.errors)")
    #expect(run.output.contains(" after 1 epoch (1 step), "))
  }

  /// What the library logs is told as everything else.
  @Test func aDamagedCheckpointIsWarnedOf() throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    #expect(try Convoy.run(["train", "run.yaml"], in: folder).code == 0)
    let last = "run/checkpoints/step-000000008.safetensors"
    try folder.write(last, folder.bytes(last).dropLast())
    let run = try Convoy.run(["train", "run.yaml", "--resume", "run"], in: folder)
    #expect(run.code == 0)
    let warnings = run.errors.split(separator: "\n").filter { $0.contains("going on from") }
    #expect(warnings.count == 1, "it says: \(run.errors)")
    #expect(warnings.first?.hasPrefix("convoy: warning: \(last): ") == true)
  }
}
