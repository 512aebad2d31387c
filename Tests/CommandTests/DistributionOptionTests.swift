import Foundation
import Testing

/// The options that `plan` and `contract` share for several ranks, and what they refuse.
@Suite struct DistributionOptionTests {
  /// Options that neither command takes, and the beginning of the message.
  static let refused: [(options: [String], message: String)] = [
    (["--ranks", "0"], "convoy: error: --ranks 0: expected at least 1, e.g. --ranks 4…"),
    (["--ranks=-3"], "convoy: error: --ranks -3: expected at least 1, e.g. --ranks 4…"),
    (["--ranks", "-3"], "convoy: error: …"),
    (["--ranks", "x"], "convoy: error: the value 'x' is invalid for '--ranks <ranks>'…"),
    (["--ranks", "1.5"], "convoy: error: the value '1.5' is invalid for '--ranks <ranks>'…"),
    (["--ranks", ""], "convoy: error: the value '' is invalid for '--ranks <ranks>'…"),
    (["--ranks", "65537"], "convoy: error: --ranks 65537: expected at most 65536…"),
    (
      ["--ranks", "99999999999999999999"],
      "convoy: error: the value '99999999999999999999' is invalid for '--ranks <ranks>'…"
    ),
    (
      ["--memory", "0"],
      "convoy: error: the value '0' is invalid for '--memory <bytes>': '0' is no size…"
    ),
    (
      ["--memory=-1"],
      "convoy: error: the value '-1' is invalid for '--memory <bytes>': '-1' is no size: expected a number "
        + "of bytes, alone or with a unit, e.g. 2GiB or 1.5e9…"
    ),
    (
      ["--memory", "12parsecs"],
      "convoy: error: the value '12parsecs' is invalid for '--memory <bytes>'…"
    ),
    (["--memory", ""], "convoy: error: the value '' is invalid for '--memory <bytes>'…"),
    (["--memory", "GiB"], "convoy: error: the value 'GiB' is invalid for '--memory <bytes>'…"),
    (["--memory", "nan"], "convoy: error: the value 'nan' is invalid for '--memory <bytes>'…"),
    (["--memory", "inf"], "convoy: error: the value 'inf' is invalid for '--memory <bytes>'…"),
    (["--memory", "1e300"], "convoy: error: the value '1e300' is invalid for '--memory <bytes>'…"),
    (
      ["--memory", "8388608TiB"], "convoy: error: the value '8388608TiB' is invalid for '--memory…"
    ),
    (
      ["--objective", "speed"],
      "convoy: error: the value 'speed' is invalid for '--objective <macs|bytes|time>'…"
    ),
    (
      ["--ranks", "2", "--machine", "none.json"],
      "convoy: error: none.json: there is no such file; 'convoy calibrate --out none.json' writes a "
        + "whole one"
    ),
    (["--machine", "text.json"], "convoy: error: text.json: is not a JSON object; expected a …"),
    (
      ["--ranks", "3", "--machine", "part.json"],
      "convoy: error: part.json: the key 'memoryBytesPerSecond' is missing; 'convoy calibrate --out "
        + "part.json' writes a whole one"
    ),
    (
      ["--machine", "folder"],
      "convoy: error: folder: is a folder, a device or a pipe; expected a file, …"
    ),
  ]

  private static func folder() throws -> TestFolder {
    let folder = try TestFolder()
    try folder.writeCounting("a.npy", shape: [2, 3])
    try folder.writeCounting("b.npy", shape: [3, 4])
    try folder.write("text.json", "ranks: 4\n")
    try folder.write("part.json", #"{"name": "half", "flopsPerSecond": 1e9}"#)
    try folder.makeFolder("folder")
    return folder
  }

  static let plan = ["plan", "ij,jk->ik", "--shape", "2,3", "--shape", "3,4"]
  static let contract = ["contract", "ij,jk->ik", "a.npy", "b.npy", "--out", "c.npy"]

  @Test(arguments: refused.indices, [plan, contract])
  func badOptionsEndInOneMessage(row: Int, command: [String]) throws {
    let (options, message) = Self.refused[row]
    try BadInput(options.joined(separator: " "), command + options, message)
      .check(in: Self.folder())
  }

  @Test(arguments: ["0", "-1", "nan", "inf", "soon"])
  func badTimeoutsEndInOneMessage(timeout: String) throws {
    try BadInput(
      "a timeout", Self.contract + ["--ranks", "2", "--timeout=\(timeout)"], "convoy: error: …"
    )
    .check(in: Self.folder())
  }

  /// Whichever of the ranks, which are threads, is the first to wait gives up.
  @Test(arguments: [2, 5]) func ranksThatDoNotComeInTimeEndInOneMessage(ranks: Int) throws {
    try BadInput(
      "no time", Self.contract + ["--ranks", "\(ranks)", "--timeout", "1e-9"], code: 1,
      "convoy: error: rank …"
    ).check(in: Self.folder())
  }

  /// One message, also where one rank alone notices and the others hear of it.
  static let failures = [
    BadInput(
      "a missing operand", ["contract", "ij,jk->ik", "a.npy", "none.npy", "--out", "c.npy"],
      "convoy: error: none.npy: cannot open: No such file or directory"),
    BadInput(
      "shapes that do not fit", ["contract", "ij,jk->ik", "a.npy", "a.npy", "--out", "c.npy"],
      "convoy: error: …"),
    BadInput(
      "no result's name", ["contract", "ij,jk->ik", "a.npy", "b.npy", "--out", ""],
      "convoy: error: the name of an output is empty; expected a file"),
    BadInput(
      "a folder as the result", ["contract", "ij,jk->ik", "a.npy", "b.npy", "--out", "folder"],
      "convoy: error: cannot write the file folder: it is a folder; name a file in it"),
    BadInput(
      "no folder", ["contract", "ij,jk->ik", "a.npy", "b.npy", "--out", "none/c.npy"], code: 1,
      "convoy: error: cannot write into the folder …"),
    BadInput(
      "a folder where nothing can be made",
      ["contract", "ij,jk->ik", "a.npy", "b.npy", "--out", "/proc/c.npy"], code: 1,
      "convoy: error: /proc/c.npy: cannot create: No such file or directory"),
    BadInput(
      "the report as the result", contract + ["--report", "./c.npy"],
      "convoy: error: --report ./c.npy would replace --out, c.npy; give it another name"),
    BadInput(
      "the trace as an operand", contract + ["--trace", "b.npy"],
      "convoy: error: --trace b.npy would replace operand 1, b.npy; give it another name"),
    BadInput(
      "the trace as the report", contract + ["--report", "r.json", "--trace", "r.json"],
      "convoy: error: --trace r.json would replace --report, r.json; …"),
    BadInput(
      "no folder for the trace", contract + ["--trace", "none/t.json"], code: 1,
      "convoy: error: cannot write into the folder …"),
  ]

  @Test(arguments: failures, [1, 2, 7])
  func failuresOfRanksEndInOneMessage(row: BadInput, ranks: Int) throws {
    let folder = try Self.folder()
    // Ranks are threads: who is first is chance.
    for _ in 0..<4 {
      try BadInput(
        row.name, row.arguments + ["--ranks", "\(ranks)", "--objective", "bytes"],
        code: row.code, row.message
      ).check(in: folder)
    }
  }

  /// 36 TB, which no machine has: refused before anything is allocated.
  @Test func aResultBeyondMemoryEndsInOneMessage() throws {
    let folder = try TestFolder()
    try folder.write(
      "x.npy",
      Npy.header(element: "<f4", isFortranOrder: false, shape: [3_000_000])
        + Data(count: 12_000_000))
    try BadInput(
      "outer product",
      ["contract", "i,j->ij", "x.npy", "x.npy", "--out", "y.npy", "--ranks", "2"], code: 1,
      "convoy: error: cannot contract 'i,j->ij'…"
    ).check(in: folder)
  }

  /// A run that fails leaves what was there before.
  @Test func theResultOfAnEarlierRunStays() throws {
    let folder = try Self.folder()
    let arguments = Self.contract + ["--ranks", "3", "--objective", "bytes"]
    #expect(try Convoy.run(arguments, in: folder).code == 0)
    let result = try folder.bytes("c.npy")
    try BadInput(
      "too little memory", arguments + ["--memory", "8"], code: 1,
      "convoy: error: cannot contract 'ij,jk->ik' on 3 ranks with 8 bytes each: …"
    ).check(in: folder)
    #expect(try folder.bytes("c.npy") == result)
  }

  /// Links that take a second a message leave all the work to one rank; for free they serve all.
  @Test func theMachineFileDecides() throws {
    let folder = try TestFolder()
    let files = try DistributedContractTests.write([[64, 64], [64, 64]], in: folder)
    for (name, latency, bandwidth, working) in [("slow", 1.0, 1.0, 1), ("fast", 1e-12, 1e15, 4)] {
      let link = #"{"latencySeconds": \#(latency), "bytesPerSecond": \#(bandwidth)}"#
      try folder.write(
        "\(name).json",
        #"{"name": "test", "flopsPerSecond": 1e10, "memoryBytesPerSecond": 1e10, "#
          + #""insideNode": \#(link), "betweenNodes": \#(link), "ranksPerNode": 4, "#
          + #""threadsPerRank": 1}"#)
      let run = try Convoy.run(
        ["contract", "ij,jk->ik"] + files + ["--out", "\(name).npy", "--ranks", "4"]
          + ["--machine", "\(name).json", "--report", "report.json"], in: folder)
      #expect(run.code == 0, "it says: \(run.errors)")
      let report = try DistributedContractTests.report(folder)
      #expect(report.predicted == report.measured)
      #expect(report.measured.peakBytesPerRank.count { $0 > 0 } == working)
    }
    #expect(try folder.bytes("slow.npy") == folder.bytes("fast.npy"))
  }

  /// A refusal for want of memory, taken apart.
  struct Refusal: Equatable {
    var ranks: Int
    var memory: Int
    var needed: Int
    var excess: Int
    var tensor: String
    var sufficient: Int

    init?(_ errors: String) throws {
      let pattern = try Regex(
        #"convoy: error: cannot contract '.*' on (\d+) ranks? with (\d+) bytes each: the plan that "#
          + #"needs least needs (\d+), (\d+) too many; most of it is (.+); (\d+) ranks would do\n"#,
        as: (Substring, Substring, Substring, Substring, Substring, Substring, Substring).self)
      guard let match = try pattern.wholeMatch(in: errors)?.output else { return nil }
      ranks = Int(match.1) ?? 0
      memory = Int(match.2) ?? 0
      needed = Int(match.3) ?? 0
      excess = Int(match.4) ?? 0
      tensor = String(match.5)
      sufficient = Int(match.6) ?? 0
    }
  }

  struct Tight: Sendable, CustomTestStringConvertible {
    let expression: String
    let shapes: [[Int]]
    let ranks: Int
    /// Times what operands and result take when they are shared evenly.
    let share: Double

    var testDescription: String { "\(expression) on \(ranks)" }
    var evenShare: Int {
      let result = [shapes[0][0], shapes[shapes.count - 1][1]]
      return 4 * (shapes + [result]).reduce(0) { $0 + $1[0] * $1[1] } / ranks
    }
    var memory: Int { Int(share * Double(evenShare)) }
  }

  static let tight = [
    Tight(expression: "ij,jk->ik", shapes: [[60, 60], [60, 60]], ranks: 4, share: 1.45),
    Tight(expression: "ij,jk->ik", shapes: [[64, 48], [48, 80]], ranks: 3, share: 1.5),
    Tight(
      expression: "ij,jk,kl->il", shapes: [[40, 36], [36, 44], [44, 40]], ranks: 4, share: 1.6),
  ]

  /// Operands and result do not fit one rank, and no step fits as a whole.
  @Test(arguments: tight, ["bytes", "time"])
  func slicesKeepWithinTheLimit(_ example: Tight, objective: String) throws {
    let folder = try TestFolder()
    let files = try DistributedContractTests.write(example.shapes, in: folder)
    let arguments = ["contract", example.expression] + files
    #expect(try Convoy.run(arguments + ["--out", "one.npy"], in: folder).code == 0)
    let options = [
      "--ranks", "\(example.ranks)", "--memory", "\(example.memory)", "--objective", objective,
    ]
    let plan = try DistributedPlanTests.report(
      ["plan", example.expression] + options
        + example.shapes.flatMap { ["--shape", $0.map(String.init).joined(separator: ",")] })
    #expect((plan.slices?.count ?? 1) > 1)
    #expect(plan.peakBytesPerRank.allSatisfy { $0 <= example.memory })
    let run = try Convoy.run(
      arguments + options + ["--out", "many.npy", "--report", "report.json"], in: folder)
    try #require(run.code == 0, "it says: \(run.errors)")
    #expect(try folder.bytes("many.npy") == folder.bytes("one.npy"))
    let report = try DistributedContractTests.report(folder)
    #expect(report.predicted == report.measured)
    #expect(report.measured.peakBytesPerRank == plan.peakBytesPerRank)
    #expect(report.measured.bytesReceivedPerRank == plan.bytesReceivedPerRank)
  }

  /// What the refusal says is so: that many ranks do, and one fewer do not.
  @Test(arguments: tight, [0.8, 1.02])
  func theRefusalNamesTheRanksThatWouldDo(_ example: Tight, share: Double) throws {
    let folder = try TestFolder()
    let files = try DistributedContractTests.write(example.shapes, in: folder)
    let memory = Int(share * Double(example.evenShare))
    func run(ranks: Int) throws -> Convoy.Run {
      try Convoy.run(
        ["contract", example.expression] + files
          + ["--ranks", "\(ranks)", "--memory", "\(memory)", "--objective", "bytes"]
          + ["--out", "c.npy", "--report", "report.json"], in: folder, timeout: 200)
    }
    let refused = try run(ranks: example.ranks)
    #expect(refused.code == 1)
    #expect(refused.output == "")
    #expect(folder.names == files)
    let refusal = try #require(try Refusal(refused.errors), "it says: \(refused.errors)")
    #expect(refusal.ranks == example.ranks)
    #expect(refusal.memory == memory)
    #expect(refusal.needed - memory == refusal.excess)
    #expect(refusal.excess > 0)
    #expect(
      ["operand ", "the result"].contains { refusal.tensor.hasPrefix($0) }, "\(refusal.tensor)")
    #expect(refusal.sufficient > example.ranks)
    if refusal.sufficient - 1 > example.ranks {
      let fewer = try run(ranks: refusal.sufficient - 1)
      #expect(fewer.code == 1)
      #expect(try Refusal(fewer.errors)?.sufficient == refusal.sufficient)
      #expect(folder.names == files)
    }
    let enough = try run(ranks: refusal.sufficient)
    #expect(enough.code == 0, "it says: \(enough.errors)")
    let report = try DistributedContractTests.report(folder)
    #expect(report.predicted == report.measured)
    #expect(report.measured.peakBytesPerRank.allSatisfy { $0 <= memory })
  }
}
