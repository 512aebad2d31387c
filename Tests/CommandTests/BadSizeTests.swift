import Foundation
import Testing

/// Input that claims or is more than any machine has: refused at once, not met by the end of the process.
@Suite struct BadSizeTests {
  /// An IDX file of 2^32 − 1 images of 2^8 × 1, which takes no room on the disk.
  @Test func aDataSetOfATerabyteEndsInOneMessage() throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    try folder.writeDataSet("data")
    for (name, shape) in [
      ("train-images-idx3-ubyte", [(1 << 32) - 1, 1 << 8, 1]),
      ("train-labels-idx1-ubyte", [(1 << 32) - 1]),
      ("t10k-images-idx3-ubyte", [6, 1 << 8, 1]),
    ] {
      let header = Idx.file(shape: shape, [])
      try folder.write("data/\(name)", header)
      try folder.extend("data/\(name)", to: header.count + shape.reduce(1, *))
    }
    let run = try Convoy.run(
      ["train", "run.yaml", "--set", "data.kind=idx", "--set", "data.path=data"], in: folder)
    #expect(run.code == 1 && run.output == "")
    // Images, labels, and the order of the samples in 8 bytes each; the first 64 once more; of the
    // test 6 samples.
    let needed = ((1 << 32) - 1) * (256 + 1 + 8) + (64 + 6) * 257
    #expect(
      run.errors.hasPrefix(
        "convoy: error: data/train-images-idx3-ubyte: reading it takes \(needed) bytes of memory, "
          + "but there are "), "it says: \(run.errors)")
    #expect(!folder.exists("run"))
  }

  /// 800 megabytes of images, of which a file of some bytes cannot be the packed form.
  @Test func aPackedFileThatSaysTooMuchEndsInOneMessage() throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    try folder.writeDataSet("data")
    // Python's gzip.compress of the headers of 12 and 6 images of 8192 × 8192.
    let packed: [(String, [UInt8])] = [
      (
        "train",
        [
          31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 99, 96, 224, 96, 102, 96, 96, 224, 97, 96, 80, 96, 0, 97,
          0, 45, 235, 52, 22, 16, 0, 0, 0,
        ]
      ),
      (
        "t10k",
        [
          31, 139, 8, 0, 0, 0, 0, 0, 2, 3, 99, 96, 224, 96, 102, 96, 96, 96, 99, 96, 80, 96, 0, 97,
          0, 179, 97, 26, 131, 16, 0, 0, 0,
        ]
      ),
    ]
    for (part, bytes) in packed {
      try FileManager.default.removeItem(
        atPath: "\(folder.path)/data/\(part)-images-idx3-ubyte")
      try folder.write("data/\(part)-images-idx3-ubyte.gz", Data(bytes))
    }
    let most = 1032 * packed[0].1.count
    try BadTrainingTests.setting(
      "gzip", "data.kind=idx", "data.path=data",
      says: "data/train-images-idx3-ubyte.gz: truncated in the data: expected at least "
        + "\(16 + 12 * 8192 * 8192) bytes, but what is packed can be no more than \(most)"
    ).check(in: folder)
  }

  @Test func aCheckpointOfATerabyteEndsInOneMessage() throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration(checkpointSteps: nil))
    #expect(
      try Convoy.run(["train", "run.yaml", "--set", "training.maxSteps=1"], in: folder).code == 0)
    let text =
      #"{"a":{"dtype":"F32","shape":[274877906944],"data_offsets":[0,1099511627776]}}"#
    let start = Data([UInt8(text.utf8.count), 0, 0, 0, 0, 0, 0, 0] + text.utf8)
    let name = "run/checkpoints/step-000000001.safetensors"
    try folder.write(name, start)
    try folder.extend(name, to: start.count + (1 << 40))
    let run = try Convoy.run(["train", "run.yaml", "--resume", "run"], in: folder)
    #expect(run.code == 1 && run.output == "")
    #expect(
      run.errors.hasPrefix(
        "convoy: error: \(name): reading it takes 1099511627776 bytes of memory, but there are "),
      "it says: \(run.errors)")
    // One that the file does not hold.
    try folder.write(name, start)
    try BadInput(
      "cut", ["train", "run.yaml", "--resume", "run"],
      "convoy: error: \(name): truncated in the data: expected at least 1099511627861 bytes, found "
        + "\(start.count)"
    ).check(in: folder)
  }

  /// Any number may stand in a checkpoint's progress; with its checksum too, see `CheckpointTests`.
  @Test(arguments: [
    #"{"step":-1,"completedEpochs":0,"epochStep":0,"lossSum":0,"samples":0,"seconds":0}"#,
    #"{"step":3,"completedEpochs":0,"epochStep":99,"lossSum":0,"samples":0,"seconds":0}"#,
    #"{"step":9223372036854775807,"completedEpochs":9223372036854775807,"epochStep":0,"lossSum":0,"samples":0,"seconds":0}"#,
    #"{"step":3,"completedEpochs":0,"epochStep":3,"lossSum":0,"samples":-9223372036854775808,"seconds":0}"#,
    #"{"step":3,"completedEpochs":0,"epochStep":3,"lossSum":0,"samples":9223372036854775807,"seconds":0}"#,
  ])
  func aCheckpointOfImpossibleProgressEndsInOneMessage(progress: String) throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration(checkpointSteps: nil))
    #expect(
      try Convoy.run(["train", "run.yaml", "--set", "training.maxSteps=3"], in: folder).code == 0)
    let name = "run/checkpoints/step-000000003.safetensors"
    let whole = [UInt8](try folder.bytes(name))
    let length = whole[..<8].reversed().reduce(0) { $0 << 8 | Int($1) }
    let header = String(decoding: whole[8..<(8 + length)], as: UTF8.self)
    let escaped = progress.replacingOccurrences(of: "\"", with: "\\\"")
    let changed = header.replacing(
      try Regex(#""progress":"(\\"|[^"])*""#), with: "\"progress\":\"\(escaped)\"")
    #expect(changed != header)
    let count = changed.utf8.count
    let lengthBytes = (0..<8).map { UInt8(truncatingIfNeeded: count >> (8 * $0)) }
    try folder.write(name, Data(lengthBytes + changed.utf8 + whole[(8 + length)...]))
    let run = try Convoy.run(["train", "run.yaml", "--resume", "run"], in: folder)
    #expect(run.code == 64 && run.output == "")
    #expect(
      run.errors
        == "convoy: error: \(name): is damaged: what it holds does not match its checksum\n")
  }

  /// 10¹² elements, of which not one is made.
  @Test func aLayerBeyondMemoryEndsInOneMessage() throws {
    let folder = try TestFolder()
    try folder.write(
      "cases.json",
      #"[{"name":"big","expression":"ij,jk->ik","shapes":[[1000000,1000000],[1000000,1]]}]"#)
    try folder.write("machine.json", Machine.text())
    let run = try Convoy.run(
      ["bench", "layers", "--cases", "cases.json", "--machine", "machine.json", "--json"],
      in: folder)
    #expect(run.code == 1 && run.output == "")
    let message = try Regex(
      "convoy: error: case 'big': forward and backward it takes ([0-9]+) bytes at once, but this "
        + "machine has [0-9]+; use smaller shapes, or --filter to leave it out\n",
      as: (Substring, Substring).self)
    let match = try #require(try message.wholeMatch(in: run.errors), "it says: \(run.errors)")
    // At least the operand and its gradient.
    #expect(Double(match.output.1) ?? 0 >= 8e12)
  }

  @Test(arguments: [
    BadInput(
      "ranks", ["contract", "ij,jk->ik", "a.npy", "b.npy", "--out", "c.npy", "--ranks", "65535"],
      "convoy: error: --ranks 65535: without mpirun the ranks are threads of this process, at most "
        + "256; start more with mpirun -n 65535"),
    BadInput(
      "timeout",
      ["contract", "ij,jk->ik", "a.npy", "b.npy", "--out", "c.npy", "--timeout", "1e300"],
      "convoy: error: --timeout 1e+300: expected seconds above 0, at most 1000000000, e.g. --timeout 60…"
    ),
  ])
  func optionsBeyondReason(row: BadInput) throws {
    let folder = try TestFolder()
    try folder.writeCounting("a.npy", shape: [2, 3])
    try folder.writeCounting("b.npy", shape: [3, 4])
    try row.check(in: folder)
  }

  @Test(arguments: [
    ("flopsPerSecond", "1e-300"), ("memoryBytesPerSecond", "5e-324"), ("flopsPerSecond", "1e300"),
  ])
  func ratesBeyondReason(key: String, value: String) throws {
    let folder = try TestFolder()
    try folder.write("machine.json", Machine.text(key, value))
    try BadInput(
      "rate",
      ["plan", "ij,jk->ik", "--shape", "2,3", "--shape", "3,4", "--machine", "machine.json"],
      "convoy: error: machine.json: \(key) is \(Double(value) ?? 0); expected a number from 1.0 to "
        + "1e+24"
    ).check(in: folder)
  }

  /// Nine aliases of nine aliases of …: 9¹⁰ values in some hundred bytes, as values and as keys.
  @Test(.timeLimit(.minutes(1)), arguments: ["[%]", "{x: %}", "{? [%] : 1}"])
  func aliasesOfAliasesEndInOneMessage(level: String) throws {
    let folder = try TestFolder()
    var text = "a0: &a0 [x, x]\n"
    for index in 1...10 {
      let aliases = (0..<9).map { _ in "*a\(index - 1)" }
      let inner =
        level.contains("{x")
        ? aliases.enumerated().map { "{x\($0.offset): \($0.element)}" } : aliases
      text += "a\(index): &a\(index) "
      text +=
        level.replacingOccurrences(of: "%", with: inner.joined(separator: ", "))
        .replacingOccurrences(of: "{x: {", with: "[{").replacingOccurrences(of: "}}", with: "}]")
        + "\n"
    }
    try folder.write("run.yaml", text)
    try BadInput(
      "aliases", ["train", "run.yaml"],
      "convoy: error: run.yaml: its aliases stand for too much; write the values themselves"
    ).check(in: folder)
  }

  /// Aliases that stand for one value are as good as it.
  @Test func anAliasOfANumberIsANumber() throws {
    let folder = try TestFolder()
    try folder.write(
      "run.yaml",
      SmallRun.configuration() + "optimizer: {learningRate: &rate 0.25, weightDecay: *rate}\n")
    let run = try Convoy.run(["train", "run.yaml", "--set", "training.maxSteps=1"], in: folder)
    #expect(run.code == 0, "it says: \(run.errors)")
    let saved = folder.text("run/configuration.yaml")
    #expect(saved.contains("learningRate: 0.25\n") && saved.contains("weightDecay: 0.25\n"))
  }
}

/// A machine file, by the letter of the documents.
enum Machine {
  static func text(_ key: String = "", _ value: String = "") -> String {
    var numbers = ["flopsPerSecond": "8e10", "memoryBytesPerSecond": "2e10"]
    numbers[key] = value
    let rates = numbers.filter { !$0.key.isEmpty }.sorted { $0.key < $1.key }
      .map { "\"\($0.key)\": \($0.value)" }.joined(separator: ", ")
    return """
      {"name": "m", \(rates), "insideNode": {"latencySeconds": 1e-6, "bytesPerSecond": 5e9}, \
      "betweenNodes": {"latencySeconds": 2e-5, "bytesPerSecond": 1.25e9}, "ranksPerNode": 1, \
      "threadsPerRank": 1}
      """
  }
}

extension TestFolder {
  /// Makes a file longer, by zeros that take no room on the disk.
  func extend(_ name: String, to byteCount: Int) throws {
    try #require(truncate("\(path)/\(name)", off_t(byteCount)) == 0)
  }
}
