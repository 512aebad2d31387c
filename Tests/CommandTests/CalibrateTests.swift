import Convoy
import Foundation
import Testing

@testable import ConvoyCommand

/// `convoy calibrate`: what it prints and writes, and links between ranks that are threads of this
/// process on hosts of any name.
@Suite(.serialized) struct CalibrateTests {
  static let oneProcess = """
    convoy: note: this is one process: the links are the standard model's, and a node is taken to \
    have a rank on each of its processors; run it under mpirun to measure links

    """

  @Test func theJSONOfOneProcessIsAModel() throws {
    let run = try Convoy.run(["calibrate", "--quick", "--json"], in: TestFolder())
    #expect(run.code == 0)
    #expect(run.errors == Self.oneProcess)
    let model = try JSONDecoder().decode(MachineModel.self, from: Data(run.output.utf8))
    #expect(try model.validated() == model)
    // Between a busy old core and a whole socket of the next decade.
    #expect(model.flopsPerSecond > 1e8 && model.flopsPerSecond < 1e13)
    #expect(model.memoryBytesPerSecond > 1e8 && model.memoryBytesPerSecond < 1e12)
    #expect(model.insideNode == MachineModel.standard.insideNode)
    #expect(model.betweenNodes == MachineModel.standard.betweenNodes)
    #expect(model.ranksPerNode == ProcessInfo.processInfo.activeProcessorCount)
    #expect(model.threadsPerRank == 1)
    #expect(model.name.hasSuffix(", 1 rank on 1 host"))
  }

  @Test func theTableIsForPeople() throws {
    let run = try Convoy.run(["calibrate", "--quick"], in: TestFolder())
    #expect(run.code == 0)
    let number = #"[0-9.]+"#
    let lines = [
      "machine         .*, 1 rank on 1 host", "arithmetic      \(number) GFLOP/s a thread",
      "memory          \(number) GB/s a rank",
      "inside a node   1 µs a message, 5 GB/s", "between nodes   20 µs a message, 1.25 GB/s",
      "a node          [0-9]+ ranks? of 1 thread",
    ]
    let pattern = try Regex(lines.joined(separator: "\n") + "\n")
    #expect(run.output.wholeMatch(of: pattern) != nil, "it says: \(run.output)")
  }

  @Test func theFileIsTheModelThatIsPrintedAndCanBeRead() throws {
    let folder = try TestFolder()
    let run = try Convoy.run(
      ["calibrate", "--quick", "--json", "--out", "machine.json"], in: folder)
    #expect(run.code == 0)
    #expect(folder.names == ["machine.json"])
    #expect(folder.text("machine.json") == run.output)
    let model = try machineModel(path: folder.path + "/machine.json")
    #expect(try JSONDecoder().decode(MachineModel.self, from: Data(run.output.utf8)) == model)
  }

  static let badOutputs = [
    BadInput(
      "no name", ["calibrate", "--out", ""],
      "convoy: error: the name of an output is empty; expected a file"),
    BadInput(
      "a folder", ["calibrate", "--out", "."], code: 64,
      "convoy: error: cannot write the file .: it is a folder; name a file in it"),
    BadInput(
      "no such folder", ["calibrate", "--out", "/nowhere/machine.json"], code: 1,
      "convoy: error: cannot write into the folder /nowhere: there is no such folder"),
  ]

  @Test(arguments: badOutputs) func anOutputThatCannotBeIsRefusedFirst(_ input: BadInput) throws {
    try input.check(in: TestFolder())
  }

  @Test func aFullDiskIsAFailure() throws {
    let run = try Convoy.run(["calibrate", "--quick", "--out", "/dev/full"], in: TestFolder())
    #expect(run.code == 1)
    #expect(run.output == "")
    #expect(run.errors.contains("convoy: error: /dev/full: "))
  }

  /// Ranks on hosts: which of the two links are measured. All ranks find the same.
  @Test(arguments: [
    (["a", "a"], true, false), (["a", "b"], false, true), (["a", "a", "b", "b"], true, true),
    (["a", "a", "a"], true, false), (["a", "b", "c"], false, true), (["a"], false, false),
  ])
  func linksAreMeasuredWhereThereAreAny(hosts: [String], inside: Bool, between: Bool) throws {
    let found = try ThreadCommunicator.run(ranks: hosts.count) { communicator in
      let links = try LinkMeasurement(communicator, host: hosts[communicator.rank])
      return (
        links.hosts, try links.insideNode(repetitions: 1), try links.betweenNodes(repetitions: 1)
      )
    }
    for (names, insideNode, betweenNodes) in found {
      #expect(names == hosts)
      #expect((insideNode != nil) == inside)
      #expect((betweenNodes != nil) == between)
      #expect(insideNode == found[0].1)
      #expect(betweenNodes == found[0].2)
      for link in [insideNode, betweenNodes].compactMap({ $0 }) {
        #expect(link.latencySeconds > 0 && link.latencySeconds < 1)
        #expect(link.bytesPerSecond > 1e6 && link.bytesPerSecond < 1e12)
      }
    }
  }

  struct Placement: Sendable, CustomTestStringConvertible {
    let hosts: String
    let ranksPerNode: Int
    let inside: [Int?]
    let between: [Int?]
    var testDescription: String { hosts }
  }

  static let placements = [
    Placement(hosts: "a", ranksPerNode: 1, inside: [nil], between: [nil]),
    Placement(hosts: "aaa", ranksPerNode: 3, inside: [1, 0, nil], between: [nil, nil, nil]),
    Placement(
      hosts: "aabb", ranksPerNode: 2, inside: [1, 0, 3, 2], between: [2, 3, 0, 1]),
    Placement(
      hosts: "abab", ranksPerNode: 2, inside: [2, 3, 0, 1], between: [1, 0, 3, 2]),
    Placement(
      hosts: "aaab", ranksPerNode: 3, inside: [1, 0, nil, nil], between: [3, nil, nil, 0]),
    Placement(
      hosts: "abc", ranksPerNode: 1, inside: [nil, nil, nil], between: [1, 0, nil]),
  ]

  @Test(arguments: placements) func ranksArePairedByHost(_ expected: Placement) {
    let placement = RankPlacement(hosts: expected.hosts.map(String.init))
    #expect(placement.ranksPerNode == expected.ranksPerNode)
    #expect(placement.partnersInside == expected.inside)
    #expect(placement.partnersBetween == expected.between)
  }
}

/// Machine files that are not what they should be.
@Suite struct MachineFileTests {
  static let whole = """
    {"betweenNodes": {"bytesPerSecond": 1e9, "latencySeconds": 2e-5}, "flopsPerSecond": 8e10,
    "insideNode": {"bytesPerSecond": 5e9, "latencySeconds": 1e-6}, "memoryBytesPerSecond": 2e10,
    "name": "mine", "ranksPerNode": 4, "threadsPerRank": 2}
    """

  @Test func aWholeFileIsRead() throws {
    let folder = try TestFolder()
    try folder.write("machine.json", Self.whole)
    #expect(
      try machineModel(path: folder.path + "/machine.json")
        == MachineModel(
          name: "mine", flopsPerSecond: 8e10, memoryBytesPerSecond: 2e10,
          insideNode: .init(latencySeconds: 1e-6, bytesPerSecond: 5e9),
          betweenNodes: .init(latencySeconds: 2e-5, bytesPerSecond: 1e9), ranksPerNode: 4,
          threadsPerRank: 2))
  }

  struct Damage: Sendable, CustomTestStringConvertible {
    /// Text of the whole file, and what takes its place.
    let old: String
    let new: String
    /// The message after the file's name.
    let message: String
    var testDescription: String { message }
  }

  static let remedy = "; 'convoy calibrate --out FILE' writes a whole one"
  static let damages = [
    Damage(
      old: #""flopsPerSecond": 8e10,"#, new: "",
      message: "the key 'flopsPerSecond' is missing" + remedy),
    Damage(
      old: #"5e9, "latencySeconds": 1e-6"#, new: "5e9",
      message: "the key 'insideNode.latencySeconds' is missing" + remedy),
    Damage(
      old: #""name""#, new: #""cores": 4, "name""#,
      message: "there is no key 'cores' in a machine model; remove it"),
    Damage(
      old: #""insideNode": {"#, new: #""insideNode": {"mtu": 1500, "#,
      message: "there is no key 'insideNode.mtu' in a machine model; remove it"),
    Damage(
      old: "8e10", new: #""fast""#, message: "the value of 'flopsPerSecond' is not a number"),
    Damage(old: "8e10", new: "null", message: "the value of 'flopsPerSecond' is not a number"),
    Damage(
      old: #""ranksPerNode": 4"#, new: #""ranksPerNode": 4.5"#,
      message: "the value of 'ranksPerNode' is not a whole number"),
    Damage(
      old: #""mine""#, new: "17", message: "the value of 'name' is not a text"),
    Damage(
      old: #"{"bytesPerSecond": 1e9, "latencySeconds": 2e-5}"#, new: "3",
      message: "the value of 'betweenNodes' is not an object of latencySeconds and bytesPerSecond"),
    Damage(
      old: "2e10", new: "-2e10",
      message: "memoryBytesPerSecond is -20000000000.0; expected a number from 1.0 to 1e+24"),
    Damage(
      old: "2e-5", new: "0",
      message: "betweenNodes.latencySeconds is 0.0; expected a number from 1e-15 to 1000000.0"),
    Damage(
      old: #""ranksPerNode": 4"#, new: #""ranksPerNode": 0"#,
      message: "ranksPerNode is 0; expected a whole number from 1 to 1073741824"),
    Damage(
      old: whole, new: "[1, 2]", message: "is not a JSON object; expected a machine model" + remedy),
    Damage(
      old: whole, new: "flops: 8",
      message: "is not a JSON object; expected a machine model" + remedy),
    Damage(
      old: #""threadsPerRank": 2"#, new: #""threadsPerRank": 1e30"#,
      message: "the value of 'threadsPerRank' is not a whole number"),
    Damage(
      old: "8e10", new: "true", message: "the value of 'flopsPerSecond' is not a number"),
    Damage(old: whole, new: "", message: "is not a JSON object; expected a machine model" + remedy),
    Damage(
      old: whole, new: String(repeating: " ", count: 1 << 21),
      message: "is longer than 1048576 bytes; expected a machine model in JSON"),
  ]

  @Test(arguments: damages) func whatIsWrongIsNamed(_ damage: Damage) throws {
    #expect(Self.whole.contains(damage.old))
    let folder = try TestFolder()
    try folder.write("machine.json", Self.whole.replacing(damage.old, with: damage.new))
    try Self.check(folder.path + "/machine.json", damage.message)
  }

  @Test func aFileThatIsNotThereIsNamed() throws {
    let folder = try TestFolder()
    try Self.check(
      folder.path + "/machine.json",
      "there is no such file; 'convoy calibrate --out FILE' writes a whole one")
    try Self.check(
      folder.path, "is a folder, a device or a pipe; expected a file, a machine model in JSON")
  }

  private static func check(_ path: String, _ message: String) throws {
    let error = #expect(throws: MachineFileError.self) { try machineModel(path: path) }
    let thrown = try #require(error)
    #expect(thrown.description == "\(path): \(message.replacing("FILE", with: path))")
    #expect(exitCode(of: thrown) == 64)
  }
}
