import Foundation
import Testing

/// Pipes and devices as input, links and old files as output, and names that a terminal would obey.
@Suite struct BadPlaceTests {
  static let plan = ["plan", "ij->ji", "--shape", "2,3"]

  /// Without a writer, whoever opens a pipe waits for ever.
  @Test(arguments: [
    BadInput(
      "configuration", ["train", "pipe"],
      "convoy: error: pipe: this is not a file (a folder, a device or a pipe); expected a regular "
        + "file"),
    BadInput(
      "machine", plan + ["--machine", "pipe", "--ranks", "2"],
      "convoy: error: pipe: is a folder, a device or a pipe; expected a file, a machine model in "
        + "JSON"),
    BadInput(
      "cases", ["bench", "layers", "--cases", "pipe"],
      "convoy: error: pipe: is a folder, a device or a pipe; expected a JSON list of cases, e.g. "
        + "that of cluster/cases/scaling.json"),
    BadInput(
      "operand", ["contract", "ij->ji", "pipe", "--out", "c.npy"],
      "convoy: error: pipe: this is not a file (a folder, a device or a pipe); expected a regular "
        + "file"),
    BadInput(
      "data", ["train", "run.yaml", "--set", "data.kind=idx", "--set", "data.path=data"],
      "convoy: error: data/train-images-idx3-ubyte: this is not a file (a folder, a device or a "
        + "pipe); expected a regular file"),
  ])
  func aPipeAsInputIsRefusedAtOnce(row: BadInput) throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    try folder.writeDataSet("data")
    try FileManager.default.removeItem(atPath: "\(folder.path)/data/train-images-idx3-ubyte")
    for name in ["pipe", "data/train-images-idx3-ubyte"] {
      try #require(mkfifo("\(folder.path)/\(name)", 0o600) == 0)
    }
    // `check` reads the files of the folder, and would wait for these.
    let run = try Convoy.run(row.arguments, in: folder)
    #expect(run.code == row.code && run.output == "")
    #expect(run.errors == row.message + "\n")
  }

  @Test func anOutputPipeThatNobodyReadsIsRefusedAtOnce() throws {
    let folder = try TestFolder()
    try folder.writeCounting("a.npy", shape: [2, 3])
    try #require(mkfifo("\(folder.path)/pipe", 0o600) == 0)
    let run = try Convoy.run(["contract", "ij->ji", "a.npy", "--out", "pipe"], in: folder)
    #expect(run.code == 1 && run.output == "")
    #expect(
      run.errors
        == "convoy: error: pipe: this is a pipe that nobody reads; start what reads it first, or name "
        + "a file\n")
  }

  /// Found before anything is computed: a result beside a report that cannot be written is no whole one.
  @Test(arguments: ["--report", "--trace"])
  func anOutputNameThatIsTooLongLeavesNothing(option: String) throws {
    let folder = try TestFolder()
    try folder.writeCounting("a.npy", shape: [2, 3])
    let name = String(repeating: "n", count: 256)
    let run = try Convoy.run(
      ["contract", "ij->ji", "a.npy", "--out", "c.npy", "--ranks", "2", option, name], in: folder)
    #expect(run.code == 1 && run.output == "")
    #expect(run.errors.hasSuffix(": cannot create: File name too long\n"), "\(run.errors)")
    #expect(folder.names == ["a.npy"])
  }

  static let outputs: [(name: String, arguments: [String])] = [
    ("c.npy", ["contract", "ij->ji", "a.npy", "--out", "theirs/c.npy"]),
    ("c.npy", ["contract", "ij->ji", "a.npy", "--out", "theirs/c.npy", "--ranks", "2"]),
    ("r.json", ["contract", "ij->ji", "a.npy", "--out", "c.npy", "--report", "theirs/r.json"]),
    (
      "t.json",
      ["contract", "ij->ji", "a.npy", "--out", "c.npy", "--ranks", "2", "--trace", "theirs/t.json"]
    ),
    ("p.svg", plan + ["--svg", "theirs/p.svg"]),
    ("m.json", ["calibrate", "--quick", "--out", "theirs/m.json"]),
  ]

  @Test(
    .enabled(if: geteuid() == 0, "only root meets what others made"), arguments: outputs.indices)
  func rootDoesNotFollowTheLinksOfOthers(index: Int) throws {
    let (name, arguments) = Self.outputs[index]
    let folder = try TestFolder()
    try folder.writeCounting("a.npy", shape: [2, 3])
    try folder.write("precious", "kept")
    try folder.makeFolder("theirs")
    let place = "\(folder.path)/theirs/\(name)"
    try #require(symlink("\(folder.path)/precious", place) == 0)
    try #require(lchown(place, 65534, 65534) == 0)
    try #require(chown("\(folder.path)/theirs", 65534, 65534) == 0)
    let run = try Convoy.run(arguments, in: folder)
    #expect(run.code == 0, "it says: \(run.errors)")
    #expect(folder.text("precious") == "kept")
    #expect(try folder.status("theirs/\(name)").st_mode & S_IFMT == S_IFREG)
    #expect(!folder.names.contains { $0.hasSuffix(".partial") })
  }

  /// A run's own folders and files, as somebody else may have put them there while it stood still.
  @Test(
    .enabled(if: geteuid() == 0, "only root meets what others made"),
    arguments: [
      "metrics.jsonl", "plot.svg", "weights.safetensors", "configuration.yaml", "checkpoints",
    ])
  func aResumedRunDoesNotFollowTheLinksOfOthers(name: String) throws {
    let folder = try TestFolder()
    try folder.write("run.yaml", SmallRun.configuration())
    #expect(
      try Convoy.run(["train", "run.yaml", "--set", "training.maxSteps=4"], in: folder).code == 0)
    try folder.makeFolder("precious")
    let target = name == "checkpoints" ? "precious" : "precious/\(name)"
    if name != "checkpoints" {
      try FileManager.default.moveItem(
        atPath: "\(folder.path)/run/\(name)", toPath: "\(folder.path)/\(target)")
    } else {
      for file in try FileManager.default.contentsOfDirectory(atPath: folder.path + "/run/\(name)")
      {
        try FileManager.default.moveItem(
          atPath: "\(folder.path)/run/\(name)/\(file)", toPath: "\(folder.path)/\(target)/\(file)")
      }
      try FileManager.default.removeItem(atPath: "\(folder.path)/run/\(name)")
    }
    let before = folder.contents.filter { $0.key.hasPrefix("precious") }
    try #require(symlink("\(folder.path)/\(target)", "\(folder.path)/run/\(name)") == 0)
    try #require(lchown("\(folder.path)/run/\(name)", 65534, 65534) == 0)
    let run = try Convoy.run(["train", "run.yaml", "--resume", "run"], in: folder)
    #expect(folder.contents.filter { $0.key.hasPrefix("precious") } == before)
    if name == "checkpoints" {
      #expect(run.code == 1)
      #expect(
        run.errors.contains("is a symbolic link of another user, which root does not follow"),
        "it says: \(run.errors)")
    } else {
      #expect(run.code == 0, "it says: \(run.errors)")
      #expect(try folder.status("run/\(name)").st_mode & S_IFMT == S_IFREG)
    }
  }

  @Test(arguments: [[], ["--ranks", "2"]]) func aReplacedResultKeepsItsMode(options: [String])
    throws
  {
    let folder = try TestFolder()
    try folder.writeCounting("a.npy", shape: [2, 3])
    try folder.write("c.npy", "old")
    try #require(chmod("\(folder.path)/c.npy", 0o600) == 0)
    let run = try Convoy.run(
      ["contract", "ij->ji", "a.npy", "--out", "c.npy"] + options, in: folder)
    #expect(run.code == 0)
    #expect(try folder.status("c.npy").st_mode & 0o777 == 0o600)
    #expect(try Npy.read(folder.bytes("c.npy")).shape == [3, 2])
  }

  /// Where a name, a key, a value or a path comes back: of options, files, keys and cases.
  static let evil = "\u{1B}[31m"
  static let quotations: [[String]] = [
    ["contract", "ij->ji", "\(evil).npy", "--out", "c.npy"],
    ["contract", "ij->ji", "a.npy", "--out", "\(evil)/c.npy"],
    ["train", "\(evil).yaml"], ["train", "evil.yaml"],
    ["train", "run.yaml", "--set", "\(evil)=1"],
    ["train", "run.yaml", "--set", "training.epochs=\(evil)"],
    ["train", "run.yaml", "--set", "output=run.yaml/\(evil)"],
    ["train", "run.yaml", "--set", "data.kind=idx", "--set", "data.path=\(evil)"],
    ["train", "run.yaml", "--resume", evil],
    plan + ["--machine", "evil.json", "--ranks", "2"], plan + ["--machine", evil, "--ranks", "2"],
    plan + [evil], plan + ["--\(evil)"], plan + ["--optimizer", evil],
    ["plan", "i(\(evil))->i", "--shape", "2,3"], ["plan", "i\(evil)->i", "--shape", "2"],
    ["plan", "ij->ij", "--shape", "2,\(evil)"], ["plan", "ij|j", "--shape", "2,3", "--conv", evil],
    ["bench", "layers", "--cases", "cases.json"],
    ["bench", "scaling", "--cases", "cases.json", "--filter", evil], [evil],
  ]

  @Test(arguments: quotations.indices) func nothingObeyedIsPrinted(index: Int) throws {
    let folder = try TestFolder()
    try folder.writeCounting("a.npy", shape: [2, 3])
    try folder.write("run.yaml", SmallRun.configuration())
    try folder.write("evil.yaml", "training:\n  \"\\e[31m\": 3\n")
    try folder.write("evil.json", #"{"\u001b[31m": 1}"#)
    try folder.write(
      "cases.json", #"[{"name": "\u001b[31m", "expression": "i", "shapes": [[1, 2]]}]"#)
    let run = try Convoy.run(Self.quotations[index], in: folder)
    #expect(run.code == 64 || run.code == 1)
    for text in [run.output, run.errors] {
      #expect(
        text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F || $0 == "\n" },
        "it says: \(text)")
    }
  }
}

extension TestFolder {
  /// Of what has this name, links not followed.
  func status(_ name: String) throws -> stat {
    var status = stat()
    try #require(lstat("\(path)/\(name)", &status) == 0)
    return status
  }
}
