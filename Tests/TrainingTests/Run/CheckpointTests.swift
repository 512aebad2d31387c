import Collectives
import Formats
import Foundation
import Kernels
import Testing

@testable import Training

/// What happens to checkpoints between two runs: damage, other runs' files, numbers that cannot be.
@Suite struct CheckpointTests {
  /// A run of eight steps, and the same stopped after the sixth, with checkpoints of steps 4 and 6.
  private struct Stopped {
    let configuration: TrainingConfiguration
    let whole: Data

    var last: String { configuration.output + "/checkpoints/step-000000006.safetensors" }
    var weights: String { configuration.output + "/weights.safetensors" }

    init(in folder: String) throws {
      var configuration = smallRun(in: folder)
      try trainOnThreads(configuration, ranks: 1)
      whole = try bytes(configuration.output + "/weights.safetensors")
      configuration.output = folder + "/stopped"
      #expect(throws: Crash.self) {
        try trainOnThreads(configuration, ranks: 1) { event in
          if case .step(let record) = event, record.step == 7 { throw Crash() }
        }
      }
      #expect(
        files(configuration.output + "/checkpoints")
          == ["step-000000004.safetensors", "step-000000006.safetensors"])
      self.configuration = configuration
    }

    /// Resumes a copy of the run whose last checkpoint has other contents.
    ///
    /// - Returns: the step that it goes on from.
    func resume(with contents: Data) throws -> Int {
      let copy = configuration.output + "-copy"
      try? FileManager.default.removeItem(atPath: copy)
      try FileManager.default.copyItem(atPath: configuration.output, toPath: copy)
      let last = last.replacing(configuration.output, with: copy)
      try contents.write(to: URL(fileURLWithPath: last))
      var first = 0
      _ = try train(configuration, communicator: SingleCommunicator(), resume: copy) { event in
        if case .started(let overview) = event { first = overview.firstStep }
      }
      let weights = try bytes(copy + "/weights.safetensors")
      #expect(weights == whole, "going on from step \(first) gives other weights")
      #expect(
        files(copy + "/checkpoints")
          == ["step-000000006.safetensors", "step-000000008.safetensors"])
      return first
    }
  }

  /// One bit of the header, of the metadata or of the tensors, or a page of zeros: the checkpoint before it is whole.
  @Test func whatIsDamagedIsNotGoneOnFrom() throws {
    try withTemporaryFolder { folder in
      let stopped = try Stopped(in: folder)
      let contents = try bytes(stopped.last)
      #expect(try stopped.resume(with: contents) == 6)
      for part in 0..<40 {
        var damaged = contents
        damaged[part * (contents.count - 1) / 39] ^= 1 << (part % 8)
        #expect(try stopped.resume(with: damaged) == 4, "part \(part)")
      }
      for page in 0..<contents.count / 4096 {
        var damaged = contents
        let bytes = page * 4096..<(page + 1) * 4096
        damaged.replaceSubrange(bytes, with: Data(count: 4096))
        guard damaged != contents else { continue }
        #expect(try stopped.resume(with: damaged) == 4, "page \(page)")
      }
    }
  }

  /// What is no whole checkpoint of this run does not stand in the way of the one that is, on any number of ranks.
  @Test(arguments: [1, 2]) func theOneBeforeIsTaken(ranks: Int) throws {
    try withTemporaryFolder { folder in
      let stopped = try Stopped(in: folder)
      let contents = try bytes(stopped.last)
      let foreign = folder + "/foreign.safetensors"
      try Safetensors(metadata: ["format": "pt"]).write(to: foreign)
      for other in [Data(), contents.prefix(contents.count / 2), try bytes(foreign)] {
        #expect(try stopped.resume(with: other) == 4)
      }
      let only = stopped.configuration.output + "/checkpoints/step-000000004.safetensors"
      try FileManager.default.removeItem(atPath: only)
      var damaged = contents
      damaged[contents.count - 1] ^= 1
      try damaged.write(to: URL(fileURLWithPath: stopped.last))
      #expect(throws: TrainingError.checkpointDamaged(path: stopped.last)) {
        try trainOnThreads(
          stopped.configuration, ranks: ranks, resume: stopped.configuration.output)
      }
    }
  }

  /// Numbers that someone wrote, with a checksum of them.
  @Test func progressMustBePossible() throws {
    try withTemporaryFolder { folder in
      let stopped = try Stopped(in: folder)
      let checkpoint = try Checkpoint(path: stopped.last)
      let changes: [(inout RunProgress) -> Void] = [
        { $0.epochStep = 7 }, { $0.epochStep = -1 }, { $0.epochStep = .max },
        { $0.completedEpochs = -1 }, { $0.completedEpochs = .max - 1 }, { $0.step = 5 },
        { $0.samples = -1 }, { $0.samples += 1 }, { $0.correct = -1 },
        { $0.correct = $0.samples + 1 }, { $0.lossSum = -1 }, { $0.seconds = -1 },
        // Possible, but of another step than the file's name says.
        { $0 = RunProgress(step: 4, completedEpochs: 1) },
      ]
      for (number, change) in changes.enumerated() {
        var changed = checkpoint
        change(&changed.progress)
        let path = folder + "/changed.safetensors"
        try changed.write(to: path)
        #expect(try stopped.resume(with: bytes(path)) == 4, "change \(number)")
      }
    }
  }

  /// A run that was killed between a checkpoint and the removal of the one before the last.
  @Test func noMoreThanTwoAreKept() throws {
    try withTemporaryFolder { folder in
      let configuration = smallRun(in: folder)
      try trainOnThreads(configuration, ranks: 1)
      let checkpoints = configuration.output + "/checkpoints"
      let two = files(checkpoints)
      try FileManager.default.copyItem(
        atPath: checkpoints + "/" + two[0], toPath: checkpoints + "/step-000000003.safetensors")
      try trainOnThreads(configuration, ranks: 1, resume: configuration.output)
      #expect(files(checkpoints) == two)
    }
  }

  @Test(arguments: [false, true]) func metricsThatVanishAreNoticed(isReplaced: Bool) throws {
    try withTemporaryFolder { folder in
      let configuration = smallRun(in: folder)
      let path = configuration.output + "/metrics.jsonl"
      #expect(throws: FormatError.vanished(path: path)) {
        try trainOnThreads(configuration, ranks: 1) { event in
          guard case .step(let record) = event, record.step == 2 else { return }
          try FileManager.default.removeItem(atPath: path)
          if isReplaced { try Data().write(to: URL(fileURLWithPath: path)) }
        }
      }
    }
  }

  /// Neither a second start nor a resume goes on beside a run; what a killed one left of the lock stops nobody.
  @Test func oneRunAtATimeHasTheFolder() throws {
    try withTemporaryFolder { folder in
      let configuration = smallRun(in: folder)
      let lock = configuration.output + "/lock"
      try trainOnThreads(configuration, ranks: 1) { event in
        guard case .step(let record) = event, record.step == 5 else { return }
        let holder = try String(contentsOfFile: lock, encoding: .utf8)
        #expect(holder.hasSuffix(" \(ProcessInfo.processInfo.processIdentifier)\n"))
        for resume in [nil, configuration.output] {
          #expect(
            throws: TrainingError.folderInUse(
              path: configuration.output, holder: String(holder.dropLast()))
          ) { try trainOnThreads(configuration, ranks: 1, resume: resume) }
        }
      }
      #expect(!FileManager.default.fileExists(atPath: lock))
      try Data("elsewhere 1\n".utf8).write(to: URL(fileURLWithPath: lock))
      try trainOnThreads(configuration, ranks: 2, resume: configuration.output)
      #expect(!FileManager.default.fileExists(atPath: lock))
    }
  }

  /// Every part of a file counts: names, shapes, elements, and metadata but the checksum's own.
  @Test func checksums() {
    func file(
      _ name: String = "a", _ shape: [Int] = [2, 3], _ elements: [Float] = [1, 2, 3, 4, 5, 6],
      _ metadata: [String: String] = ["k": "v"]
    ) -> UInt32 {
      Safetensors(
        tensors: [.init(name: name, shape: shape, elements: .float32(elements))],
        metadata: metadata
      ).checksum(leavingOut: "sum")
    }
    #expect(file() == file("a", [2, 3], [1, 2, 3, 4, 5, 6], ["k": "v", "sum": "1"]))
    let others = [
      file("b"), file("a", [3, 2]), file("a", [2, 3], [1, 2, 3, 4, 5, 7]),
      file("a", [2, 3], [1, 2, 3, 4, 5, 6], ["k": "w"]),
      file("a", [2, 3], [1, 2, 3, 4, 5, 6], ["kv": ""]),
    ]
    #expect(Set(others + [file()]).count == 6)
    // python3 -c 'import zlib; print(zlib.crc32(b"1:k1:v"))'
    #expect(Safetensors(metadata: ["k": "v"]).checksum(leavingOut: "sum") == 3_224_641_625)
  }
}
