import Foundation
import Testing

/// Signals that ask a run to stop, and what it goes on to; streams that nobody reads.
@Suite struct StopTests {
  private static let configuration = SmallRun.configuration(steps: 40, checkpointSteps: nil)
  private static let names = [SIGTERM: "TERM", SIGINT: "INT", SIGHUP: "HUP", SIGUSR1: "USR1"]

  private static let whole = Result {
    let folder = try TestFolder()
    try folder.write("run.yaml", configuration)
    let run = try Convoy.run(["train", "run.yaml"], in: folder)
    #expect(run.code == 0, "it says: \(run.errors)")
    return folder
  }

  /// Weights, state and history are those of the run that was left alone.
  private static func expectSameEnd(_ folder: TestFolder) throws {
    let whole = try whole.get()
    #expect(try SmallRun.timelessMetrics(folder) == SmallRun.timelessMetrics(whole))
    for name in ["weights.safetensors", "checkpoints/step-000000080.safetensors", "plot.svg"] {
      #expect(try folder.bytes("run/\(name)") == whole.bytes("run/\(name)"), "\(name)")
    }
  }

  private static func stepLines(_ folder: TestFolder) -> Int {
    folder.text("run/metrics.jsonl").split(separator: "\n").count { $0.contains("\"step\",") }
  }

  /// Ends after the step, with a checkpoint of it, and prints the command that goes on, literally.
  @Test(arguments: [SIGTERM, SIGINT, SIGHUP, SIGUSR1])
  func aSignalEndsTheRunAfterItsStep(signal: Int32) throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", Self.configuration)
    let running = try Convoy.Running(["train", "run.yaml", "--threads", "1"], in: folder)
    #expect(running.waits { Self.stepLines(folder) >= 5 })
    running.send(signal)
    try #require(running.ends(within: 60))
    #expect(running.code == 128 + signal && !running.wasKilled, "it says: \(running.errors)")
    #expect(running.output == "")
    let name = try #require(Self.names[signal])
    let message = try Regex(
      #"stopped by SIG\#(name) after step (\d+) of 80, with a checkpoint; to go on:\n  convoy "#
        + #"(train --resume run --threads 1)\n$"#)
    let match = try #require(
      try message.firstMatch(in: running.errors), "it says: \(running.errors)")
    let step = try #require(match.output[1].substring.flatMap { Int($0) })
    #expect(Self.stepLines(folder) == step)
    let digits = String(step)
    let checkpoint = "step-" + String(repeating: "0", count: 9 - digits.count) + digits
    #expect(folder.names.contains("run/checkpoints/\(checkpoint).safetensors"))
    #expect(!folder.names.contains { $0.hasSuffix(".partial") || $0.hasSuffix("lock") })
    let words = try #require(match.output[2].substring).split(separator: " ").map(String.init)
    let last = try Convoy.run(words, in: folder)
    #expect(last.code == 0, "it says: \(last.errors)")
    try Self.expectSameEnd(folder)
  }

  /// One command for the first start, every restart, and a run that is over.
  @Test func resumeOrStartStartsAndResumes() throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", Self.configuration)
    let arguments = ["train", "run.yaml", "--resume-or-start"]
    for steps in [5, 50] {
      let running = try Convoy.Running(arguments, in: folder)
      #expect(running.waits { Self.stepLines(folder) >= steps })
      running.send(SIGUSR1)
      try #require(running.ends(within: 60))
      #expect(running.code == 128 + SIGUSR1, "it says: \(running.errors)")
    }
    let last = try Convoy.run(arguments, in: folder)
    #expect(last.code == 0 && last.errors.contains(", from step "), "it says: \(last.errors)")
    #expect(try Convoy.run(arguments, in: folder).output == last.output)
    try Self.expectSameEnd(folder)
    // Files of somebody else are not taken for a run.
    try folder.makeFolder("other")
    try folder.write("other/letter.txt", "Dear")
    try BadInput(
      "a folder with other files", arguments + ["--set", "output=other"],
      "convoy: error: other is not empty, and holds no run of convoy; …"
    ).check(in: folder)
    try BadInput(
      "both", arguments + ["--resume", "run"],
      "convoy: error: --resume-or-start takes the folder from…"
    ).check(in: folder)
  }

  /// The second signal does not wait for a step that takes many seconds.
  @Test func aSecondSignalEndsTheRunAtOnce() throws {
    let folder = try TestFolder()
    try folder.write(
      "run.yaml",
      """
      output: run
      data: {kind: synthetic, trainingSamples: 4096, testSamples: 16, height: 32, width: 32, \
      classes: 3}
      training: {epochs: 1, batchSize: 4096}

      """)
    let running = try Convoy.Running(["train", "run.yaml", "--threads", "1"], in: folder)
    #expect(running.waits { running.errors.contains("training ") })
    running.send(SIGINT)
    #expect(!running.ends(within: 0.2))
    running.send(SIGINT)
    try #require(running.ends(within: 60))
    #expect(running.code == 128 + SIGINT && !running.wasKilled)
    #expect(Self.stepLines(folder) == 0 && !running.errors.contains("stopped by"))
    #expect(!folder.names.contains { $0.hasSuffix(".partial") || $0.hasSuffix("lock") })
  }

  /// However far it has got, a process that is ended leaves the whole result or none.
  @Test func contractLeavesNothingHalfWritten() throws {
    let folder = try TestFolder()
    try folder.writeCounting("x.npy", shape: [8000])
    for attempt in 0..<3 {
      let running = try Convoy.Running(
        ["contract", "i,j->ij", "x.npy", "x.npy", "--out", "out\(attempt).npy"], in: folder)
      #expect(running.waits { folder.names.contains { $0.hasPrefix(".out\(attempt)") } })
      running.send(SIGTERM)
      try #require(running.ends(within: 60))
      #expect(running.code == 128 + SIGTERM, "it says: \(running.errors)")
      #expect(folder.names == ["x.npy"])
    }
  }

  private static func shell(_ script: String, in folder: TestFolder) throws -> Int32 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", script, try Convoy.binary().path]
    process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    try process.run()
    process.waitUntilExit()
    return process.terminationStatus
  }

  /// A reader that has ended is told of, and is no reason to end without a word.
  @Test func aReaderThatIsGoneIsAnError() throws {
    let folder = try TestFolder()
    _ = try Self.shell(
      #"{ sleep 0.3; "$0" plan 'ij,jk->ik' --shape 2,3 --shape 3,4 2>errors; echo $? >code; } | :"#,
      in: folder)
    #expect(folder.text("code") == "1\n")
    #expect(
      folder.text("errors")
        == "convoy: error: cannot write to standard output: the disk is full, or what "
        + "reads it has ended\n")
  }

  /// Nothing else gets the numbers of streams that are closed.
  @Test func closedStreamsLandInNoFile() throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    #expect(try Self.shell(#""$0" train run.yaml 2>&- >output"#, in: folder) == 0)
    #expect(folder.text("output").hasPrefix("test accuracy "))
    let lines = folder.text("run/metrics.jsonl").split(separator: "\n")
    #expect(lines.count == 10 && lines.allSatisfy { $0.hasPrefix("{\"kind\":") })
    // A result that is lost is a failure.
    #expect(
      try Self.shell(#""$0" plan 'i->' --shape 2 >&- 2>errors"#, in: folder) == 1)
    #expect(folder.text("errors").hasPrefix("convoy: error: cannot write to standard output"))
  }

  /// Log lines of a run into a pipe that nobody reads are lost, and the run is not.
  @Test func aRunOutlivesItsLog() throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    _ = try Self.shell(
      #"{ sleep 0.3; "$0" train run.yaml 2>&1 >output; echo $? >code; } | :"#, in: folder)
    #expect(folder.text("code") == "0\n" && folder.exists("run/weights.safetensors"))
  }
}
