import Foundation
import Testing

/// Outputs that would replace what is read or written elsewhere, and names that mean another format.
@Suite struct OutputNameTests {
  /// `a.npy`, and `sub` with a link back to it.
  private static func folder() throws -> TestFolder {
    let folder = try TestFolder()
    try folder.writeCounting("a.npy", shape: [3, 3])
    try folder.writeCounting("g.npy", shape: [3, 3])
    try folder.write("machine.json", "{}")
    try folder.makeFolder("sub")
    for (link, target) in [
      ("link.npy", "a.npy"), ("sub/link.npy", "../a.npy"), ("chain.npy", "sub/link.npy"),
      ("here", "."), ("dangling.npy", "sub/new.npy"),
    ] {
      try FileManager.default.createSymbolicLink(
        atPath: "\(folder.path)/\(link)", withDestinationPath: target)
    }
    try FileManager.default.linkItem(
      atPath: "\(folder.path)/a.npy", toPath: "\(folder.path)/hard.npy")
    return folder
  }

  static let contract = ["contract", "ij,jk->ik", "a.npy", "a.npy"]

  @Test(
    arguments: [
      "a.npy", "./a.npy", "sub/../a.npy", "here/a.npy", "link.npy", "sub/link.npy", "chain.npy",
      "hard.npy", "{folder}/a.npy",
    ], ["--out", "--report", "--trace"])
  func anOperandIsNotReplacedByWhateverName(name: String, option: String) throws {
    let folder = try Self.folder()
    let name = name.replacing("{folder}", with: folder.path)
    try BadInput(
      name, Self.contract + (option == "--out" ? [] : ["--out", "c.npy"]) + [option, name],
      "convoy: error: \(option) \(name) would replace operand 0, a.npy; give it another name"
    ).check(in: folder)
  }

  @Test(arguments: [
    (["--out", "here/new.npy", "--report", "new.npy"], "--report new.npy", "--out, here/new.npy"),
    (
      ["--out", "dangling.npy", "--trace", "sub/new.npy"], "--trace sub/new.npy",
      "--out, dangling.npy"
    ),
    (
      ["--out", "c.npy", "--result-gradient", "g.npy", "--gradients", "d", "--report", "d-1.npy"],
      "--gradients d-1.npy", "--report, d-1.npy"
    ),
    (
      ["--out", "g.npy", "--result-gradient", "./g.npy", "--gradients", "d"], "--out g.npy",
      "--result-gradient, ./g.npy"
    ),
    (
      ["--out", "machine.json", "--machine", "machine.json"], "--out machine.json",
      "--machine, machine.json"
    ),
  ])
  func noOutputReplacesAnotherFileOfTheCommand(
    options: [String], output: String, other: String
  ) throws {
    try BadInput(
      output, Self.contract + options,
      "convoy: error: \(output) would replace \(other); give it another name"
    ).check(in: Self.folder())
  }

  @Test func drawingsDoNotReplaceWhatIsRead() throws {
    let folder = try Self.folder()
    try folder.write("cases.json", "[]")
    for (arguments, other) in [
      (["plan", "i->i", "--shape", "2", "--machine", "machine.json"], "machine.json"),
      (["bench", "scaling", "--cases", "cases.json"], "cases.json"),
    ] {
      try BadInput(
        other, arguments + ["--svg", "here/\(other)"],
        "convoy: error: --svg here/\(other) would replace …"
      ).check(in: folder)
    }
  }

  /// A device takes whatever comes, from several outputs too.
  @Test func aDeviceMayStandTwice() throws {
    let run = try Convoy.run(
      Self.contract + ["--out", "/dev/null", "--report", "/dev/null"], in: Self.folder())
    #expect(run.code == 0, "it says: \(run.errors)")
  }

  @Test(
    arguments: ["tree.png", "tree.PDF", "a.b/tree.jpeg"],
    [
      ["plan", "i->i", "--shape", "2"], ["bench", "scaling", "--cases", "none.json"],
    ])
  func aDrawingHasNotTheNameOfAnotherFormat(name: String, command: [String]) throws {
    let fixed = name.split(separator: ".").dropLast().joined(separator: ".") + ".svg"
    try BadInput(
      name, command + ["--svg", name],
      "convoy: error: --svg \(name): what is drawn is SVG; name it \(fixed), and convert it if need be, "
        + "e.g. rsvg-convert -o \(name) \(fixed)"
    ).check(in: TestFolder())
  }

  @Test(arguments: ["tree.svg", "tree", "tree.2"]) func otherNamesAreTaken(name: String) throws {
    let folder = try TestFolder()
    let run = try Convoy.run(["plan", "i->i", "--shape", "2", "--svg", name], in: folder)
    #expect(run.code == 0, "it says: \(run.errors)")
    #expect(folder.text(name).hasPrefix("<svg"))
  }

  /// A shell leaves `--out=~/c.npy` as it is.
  @Test func aTildeIsTheHomeFolder() throws {
    let folder = try Self.folder()
    let home = ["HOME": folder.path + "/sub"]
    var run = try Convoy.run(
      Self.contract + ["--out=~/c.npy", "--report", "~/r.json"], in: folder, environment: home)
    #expect(run.code == 0, "it says: \(run.errors)")
    #expect(folder.exists("sub/c.npy") && folder.exists("sub/r.json"))
    run = try Convoy.run(
      ["contract", "ij->ji", "~/c.npy", "--out", "~/d.npy"], in: folder, environment: home)
    #expect(run.code == 0 && folder.exists("sub/d.npy"), "it says: \(run.errors)")
    run = try Convoy.run(
      ["plan", "i->i", "--shape", "2", "--svg=~/p.svg"], in: folder, environment: home)
    #expect(run.code == 0 && folder.exists("sub/p.svg"), "it says: \(run.errors)")
    try folder.write("run.yaml", SmallRun.configuration())
    run = try Convoy.run(
      ["train", "run.yaml", "--set", "output=~/run", "--set", "training.maxSteps=1"], in: folder,
      environment: home)
    #expect(run.code == 0 && folder.exists("sub/run/weights.safetensors"), "it says: \(run.errors)")
  }
}
