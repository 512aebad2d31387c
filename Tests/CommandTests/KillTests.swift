import Foundation
import Testing

/// SIGKILL at any moment, then `--resume`: the run ends with the bits of one that was left alone.
@Suite struct KillTests {
  /// 40 steps, which take about half a second, with a checkpoint at every other one.
  static let configuration = SmallRun.configuration(steps: 20, checkpointSteps: 2)

  @Test(arguments: 1...8) func aKilledRunGoesOnToTheSameBits(seed: UInt64) throws {
    let whole = try TestFolder()
    try whole.write("run.yaml", Self.configuration)
    let uninterrupted = try Convoy.run(["train", "run.yaml"], in: whole)
    #expect(uninterrupted.code == 0, "it says: \(uninterrupted.errors)")

    var random = SplitMix(seed: seed)
    let folder = try TestFolder()
    try folder.write("run.yaml", Self.configuration)
    // Killed anywhere from its start to its end, up to three times.
    for _ in 0..<3 {
      let running = try Convoy.Running(Self.arguments(in: folder), in: folder)
      _ = running.ends(within: uninterrupted.seconds * random.fraction())
      running.kill()
      // It may have ended by itself before the signal came, even in the last moment.
      #expect(running.code == (running.wasKilled ? SIGKILL : 0), "it says: \(running.errors)")
      #expect(Self.isWhole(folder))
    }
    let last = try Convoy.run(Self.arguments(in: folder), in: folder)
    #expect(last.code == 0, "it says: \(last.errors)")
    try Self.expectEqual(folder, whole)
  }

  /// What a run may have left when it was killed before its first checkpoint.
  @Test(arguments: [
    [], [".configuration.yaml.0a1b.partial"], ["configuration.yaml"],
    ["configuration.yaml", "checkpoints/.step-000000002.safetensors.0a1b.partial"],
  ])
  func aRunKilledBeforeItsFirstCheckpointStarts(leftovers: [String]) throws {
    let whole = try TestFolder()
    try whole.write("run.yaml", Self.configuration)
    #expect(try Convoy.run(["train", "run.yaml"], in: whole).code == 0)

    let folder = try TestFolder()
    try folder.write("run.yaml", Self.configuration)
    try folder.makeFolder(leftovers.contains("configuration.yaml") ? "run/checkpoints" : "run")
    for name in leftovers {
      let isHalf = name.hasSuffix(".partial")
      try folder.write("run/\(name)", isHalf ? Data([1, 2]) : whole.bytes("run/\(name)"))
    }
    let run = try Convoy.run(["train", "run.yaml", "--resume", "run"], in: folder)
    #expect(run.code == 0, "it says: \(run.errors)")
    try Self.expectEqual(folder, whole)
  }

  @Test func aResumedRunMustBeTheSameRun() throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    #expect(try Convoy.run(["train", "run.yaml"], in: folder).code == 0)
    for (settings, differences) in [
      (["seed=6"], "seed was 5 and is now 6"),
      (
        ["model.form=tk", "training.batchSize=8"],
        "model.form was cp and is now tk; training.batchSize was 16 and is now 8"
      ),
    ] {
      try BadInput(
        differences,
        ["train", "run.yaml", "--resume", "run"] + settings.flatMap { ["--set", $0] },
        "convoy: error: run: cannot be resumed with another configuration: \(differences); use the "
          + "values of the run, or start a new one"
      ).check(in: folder)
    }
    // Nor is a run started in the folder of another one.
    try BadInput(
      "again", ["train", "run.yaml"],
      "convoy: error: run already holds a run; continue it with --resume run, or choose another "
        + "folder with --set output=…"
    ).check(in: folder)
  }

  /// A run that is over is resumed to nothing but its summary, or to more epochs.
  @Test func aFinishedRunCanGoOn() throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    let first = try Convoy.run(["train", "run.yaml"], in: folder)
    let arguments = ["train", "run.yaml", "--resume", "run"]
    #expect(try Convoy.run(arguments, in: folder).output == first.output)
    // The run knows its configuration.
    #expect(try Convoy.run(["train", "--resume", "run"], in: folder).output == first.output)
    let more = try Convoy.run(arguments + ["--set", "training.epochs=3"], in: folder)
    #expect(more.code == 0, "it says: \(more.errors)")
    #expect(more.errors.contains(", from step 8\n"))
    #expect(more.output.contains(" after 3 epochs (12 steps), "))
  }

  /// A folder that was not made yet has nothing to resume.
  private static func arguments(in folder: TestFolder) -> [String] {
    ["train", "run.yaml"] + (folder.exists("run") ? ["--resume", "run"] : [])
  }

  /// Files that have their names are whole, whenever the run was killed.
  private static func isWhole(_ folder: TestFolder) -> Bool {
    folder.contents.allSatisfy { name, bytes in
      guard !name.hasSuffix(".partial") else { return true }
      switch name.split(separator: ".").last {
      case "safetensors": return isWholeSafetensors(bytes)
      case "svg": return bytes.suffix(7) == Data("</svg>\n".utf8)
      case "yaml": return bytes.last == UInt8(ascii: "\n")
      default: return true
      }
    }
  }

  /// The header's length in eight bytes, the header, and as much data as its last offset says.
  private static func isWholeSafetensors(_ bytes: Data) -> Bool {
    guard bytes.count > 8 else { return false }
    let length = headerLength(bytes)
    guard 8 + length <= bytes.count,
      let header = try? JSONSerialization.jsonObject(with: bytes[8..<8 + length])
        as? [String: [String: Any]]
    else { return false }
    let ends = header.values.compactMap { ($0["data_offsets"] as? [Int])?.last }
    return 8 + length + (ends.max() ?? 0) == bytes.count
  }

  private static func headerLength(_ safetensors: Data) -> Int {
    safetensors.prefix(8).enumerated().reduce(0) { $0 + Int($1.element) << (8 * $1.offset) }
  }

  /// All files, no more and no fewer, but for the time in the metrics and in the header of a
  /// checkpoint within an epoch.
  private static func expectEqual(_ folder: TestFolder, _ whole: TestFolder) throws {
    #expect(folder.names == whole.names)
    #expect(try SmallRun.timelessMetrics(folder) == SmallRun.timelessMetrics(whole))
    let within = "run/checkpoints/step-000000038.safetensors"
    #expect(try tensorData(folder.bytes(within)) == tensorData(whole.bytes(within)))
    for name in whole.names where !["run/metrics.jsonl", within].contains(name) {
      #expect((try? folder.bytes(name)) == (try? whole.bytes(name)), "\(name)")
    }
  }

  private static func tensorData(_ safetensors: Data) -> Data {
    safetensors.dropFirst(8 + headerLength(safetensors))
  }
}

/// Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
private struct SplitMix {
  var state: UInt64

  init(seed: UInt64) { state = seed }

  /// From 0, below 1.
  mutating func fraction() -> Double {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return Double((z ^ (z >> 31)) >> 11) * 0x1p-53
  }
}
