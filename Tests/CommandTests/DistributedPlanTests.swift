import Foundation
import Testing

/// `plan --ranks P`: the table, the JSON and the drawing of plans for several ranks.
@Suite struct DistributedPlanTests {
  /// The keys of a plan alone, and those that several ranks add.
  @dynamicMemberLookup
  struct Report: Decodable {
    struct Step: Decodable {
      var operands: [Int]
      var result: Int
      var contraction: String
      var shape: [Int]
      var macs: Double
      var grid: String
      var operandLayouts: [String]
      var layout: String
      var macsOfBusiestRank: Double
      var bytesIn: Int
      var bytesOut: Int
      var seconds: Double
      var lowerBoundBytes: Double
      var slices: Int
    }

    struct Slices: Decodable {
      var mode: String
      var count: Int
    }

    struct Distribution: Decodable {
      var mesh: [Int]
      var objective: String
      var objectiveCost: Double
      var exact: Bool
      var lowerBound: Double
      var summary: String?
      var slices: Slices?
      var inputLayouts: [String]
      var outputLayout: String
    }

    let plan: PlanKeys<Step, Int>
    let distribution: Distribution

    init(from decoder: any Decoder) throws {
      plan = try PlanKeys(from: decoder)
      distribution = try Distribution(from: decoder)
    }

    subscript<Value>(dynamicMember key: KeyPath<PlanKeys<Step, Int>, Value>) -> Value {
      plan[keyPath: key]
    }

    subscript<Value>(dynamicMember key: KeyPath<Distribution, Value>) -> Value {
      distribution[keyPath: key]
    }
  }

  /// 64³ on 8 ranks for the least bytes.
  static let product = [
    "plan", "ij,jk->ik", "--shape", "64,64", "--shape", "64,64", "--ranks", "8", "--objective",
    "bytes",
  ]

  /// A CP layer.
  static let layer =
    [
      "plan", "bshw,rt,rs,rh,rw->bthw|hw", "--conv", "*:kind=correlation", "--shape",
      "4096,64,32,32", "--shape", "27,64", "--shape", "27,64", "--shape", "27,3", "--shape", "27,3",
    ]

  static func report(_ arguments: [String], timeout: Double = 60) throws -> Report {
    let run = try Convoy.run(arguments + ["--json"], in: TestFolder(), timeout: timeout)
    #expect(run.code == 0, "it says: \(run.errors)")
    #expect(run.errors == "")
    return try JSONDecoder().decode(Report.self, from: Data(run.output.utf8))
  }

  /// Each rank needs a 32 × 32 box of either operand, of which it has half, and receives half of a
  /// box of terms of the result.
  @Test func theJSONHasTheNumbersWorkedOutByHand() throws {
    let report = try Self.report(Self.product)
    let half = 4 * 32 * 32 / 2
    #expect(report.expression == "ij,jk->ik")
    #expect(report.path == [[0, 1]])
    #expect(report.macs == 64 * 64 * 64)
    #expect(report.cost == report.macs)
    #expect(report.trainingMacs == 3 * report.macs)
    #expect(report.leftToRightMacs == report.macs)
    #expect(report.largestIntermediate == 64 * 64)
    #expect(report.ranks == 8)
    #expect(report.mesh.reduce(1, *) == 8)
    #expect(report.objective == "bytes")
    #expect(report.objectiveCost == Double(3 * half))
    #expect(report.exact)
    #expect(abs(report.lowerBound - Double(3 * half)) < 1e-6)
    #expect(report.bytesReceivedPerRank == Array(repeating: 3 * half, count: 8))
    #expect(report.inputLayouts.count == 2)
    #expect(report.summary == nil)
    #expect(report.slices == nil)
    #expect(report.peakBytesAreExact)
    // At least the two operands' boxes and the terms of the result, and no more than thrice that.
    let boxes = 3 * 4 * 32 * 32
    #expect(report.peakBytesPerRank.count == 8)
    #expect(report.peakBytesPerRank.allSatisfy { (boxes...3 * boxes).contains($0) })
    let step = try #require(report.steps.first)
    #expect(report.steps.count == 1)
    #expect(step.operands == [0, 1])
    #expect(step.result == 2)
    #expect(step.contraction == "ij,jk->ik")
    #expect(step.shape == [64, 64])
    #expect(step.macs == report.macs)
    #expect(step.macsOfBusiestRank == 32 * 32 * 32)
    #expect(step.grid == "i2 j2 k2")
    #expect(step.operandLayouts == ["i/2 j/2 ×2", "j/2 k/2 ×2"])
    #expect(step.layout == report.outputLayout)
    #expect(step.bytesIn == 2 * half)
    #expect(step.bytesOut == half)
    #expect(step.seconds > 0)
    #expect(step.slices == 1)
  }

  @Test func theElementTypeCounts() throws {
    let single = try Self.report(Self.product)
    let double = try Self.report(Self.product + ["--dtype", "float64"])
    #expect(double.bytesReceivedPerRank == single.bytesReceivedPerRank.map { 2 * $0 })
    #expect(double.peakBytesPerRank == single.peakBytesPerRank.map { 2 * $0 })
  }

  /// With the gradients of both operands everything travels once more, the other way. The way back
  /// holds gradients beside what the way there kept.
  @Test func trainingCountsTheWayBack() throws {
    let forward = try Self.report(Self.product)
    let training = try Self.report(Self.product + ["--training"])
    #expect(training.bytesReceivedPerRank == forward.bytesReceivedPerRank.map { 2 * $0 })
    #expect(
      zip(training.peakBytesPerRank, forward.peakBytesPerRank).allSatisfy { $0 > $1 })
    let table = try Convoy.run(Self.product + ["--training"], in: TestFolder()).output
    #expect(
      table.contains(
        "\ntraining bytes  at most 12,288 on a rank, at least 12,288, received forward and back\n"))
  }

  @Test func theTableIsForPeople() throws {
    let run = try Convoy.run(Self.product + ["--cost", "paper"], in: TestFolder())
    #expect(run.code == 0)
    #expect(run.errors == "")
    let lines = run.output.split(separator: "\n").map(String.init)
    for line in [
      "expression      ij,jk->ik", "shapes          64x64 64x64", "ranks           8, mesh 2×2×2",
      "objective       bytes, 6,144 received by the busiest rank of every step",
      "search          exact: no order and no grid is better",
      "lower bound     the cost is 1.00 times the sum of the steps' own bounds",
      "bytes received  at most 6,144 on a rank, at least 6,144, 49,152 in all",
      "cost            262,144 (the paper's count)",
    ] {
      #expect(lines.contains(line), "\(line)")
    }
    #expect(lines.contains { $0.hasPrefix("operands start  0: ") })
    #expect(lines.contains { $0.hasPrefix("result ends     ") })
    #expect(lines.contains { $0.hasPrefix("peak memory     at most ") })
    #expect(lines.contains { $0.hasSuffix("4,096      2,048  5.05 µs  6,144   1.00  ij,jk->ik") })
  }

  /// All ranks of a large machine, each step with its numbers.
  @Test func aLayerIsPlannedFor4096Ranks() throws {
    let run = try Convoy.run(Self.layer + ["--ranks", "4096"], in: TestFolder())
    #expect(run.code == 0, "it says: \(run.errors)")
    #expect(run.output.contains("\nranks           4096, mesh "))
    let report = try Self.report(Self.layer + ["--ranks", "4096"])
    #expect(report.bytesReceivedPerRank.count == 4096)
    #expect(report.peakBytesPerRank.count == 4096)
    #expect(!report.exact)
    // A rank holds at least its part of the input and of the result.
    let least = 2 * 4096 * 64 * 32 * 32 * 4 / 4096
    #expect(report.peakBytesPerRank.allSatisfy { $0 >= least })
    // No rank receives more than the busiest ranks of all steps.
    let most = report.steps.reduce(0) { $0 + $1.bytesIn + $1.bytesOut }
    #expect(report.bytesReceivedPerRank.allSatisfy { $0 <= most })
    for step in report.steps { #expect(run.output.contains("  \(step.contraction)\n")) }
  }

  @Test func oneRankIsAsItWas() throws {
    let arguments = Array(Self.product.prefix(6))
    for flags in [[], ["--json"], ["--training"]] {
      let before = try Convoy.run(arguments + flags, in: TestFolder())
      #expect(before.code == 0)
      let after = try Convoy.run(arguments + ["--ranks", "1"] + flags, in: TestFolder())
      #expect(after.output == before.output)
    }
  }

  @Test func equalQuestionsGetEqualBytes() throws {
    let arguments = Self.layer + ["--ranks", "12", "--json"]
    let first = try Convoy.run(arguments, in: TestFolder())
    #expect(first.code == 0)
    #expect(try Convoy.run(arguments, in: TestFolder()).output == first.output)
    let other = try Self.report(Self.layer + ["--ranks", "6"])
    #expect(try Self.report(Self.layer + ["--ranks", "12"]).hash != other.hash)
  }

  /// The order is the optimizer's; only the layouts are searched.
  @Test func anOptimizerFixesTheOrder() throws {
    let chain = [
      "plan", "ij,jk,kl->il", "--shape", "50,2", "--shape", "2,50", "--shape", "50,2", "--ranks",
      "2",
    ]
    let leftToRight = try Self.report(chain + ["--optimizer", "left-to-right"])
    #expect(leftToRight.path == [[0, 1], [0, 1]])
    #expect(leftToRight.macs == 10_000)
    #expect(leftToRight.optimizer == "left-to-right")
  }

  /// On a machine whose links are hopeless nobody shares; where they cost nothing, everybody does.
  @Test func theMachineDecides() throws {
    let folder = try TestFolder()
    func machine(latency: Double, bandwidth: Double) -> String {
      let link = #"{"latencySeconds": \#(latency), "bytesPerSecond": \#(bandwidth)}"#
      return #"{"name": "test", "flopsPerSecond": 1e10, "memoryBytesPerSecond": 1e10, "#
        + #""insideNode": \#(link), "betweenNodes": \#(link), "ranksPerNode": 4, "#
        + #""threadsPerRank": 1}"#
    }
    try folder.write("slow.json", machine(latency: 1, bandwidth: 1))
    try folder.write("fast.json", machine(latency: 1e-12, bandwidth: 1e15))
    let arguments = Array(Self.product.prefix(8))
    let slow = try Convoy.run(arguments + ["--machine", "slow.json"], in: folder)
    #expect(
      slow.output.contains(
        "\nin short        one rank is best: communication would cost more than it saves; ranks 1 "
          + "to 7 stay idle\n"))
    let fast = try Convoy.run(arguments + ["--machine", "fast.json", "--json"], in: folder)
    let report = try JSONDecoder().decode(Report.self, from: Data(fast.output.utf8))
    #expect(report.objective == "time")
    #expect(report.mesh.reduce(1, *) == 8)
  }

  /// Within a limit the peak keeps to it; a limit that all ranks together cannot meet is refused.
  @Test func memoryIsALimit() throws {
    let free = try Self.report(Self.product)
    let peak = try #require(free.peakBytesPerRank.max())
    let same = try Self.report(Self.product + ["--memory", "\(peak)"])
    #expect(same.hash == free.hash)
    let limit = peak * 3 / 4
    let tight = try Self.report(Self.product + ["--memory", "\(limit)"])
    #expect(tight.peakBytesPerRank.allSatisfy { $0 <= limit })
    let refused = try Convoy.run(Self.product + ["--memory", "3KiB"], in: TestFolder())
    #expect(refused.code == 1)
    #expect(refused.output == "")
    #expect(
      refused.errors.hasPrefix(
        "convoy: error: cannot contract 'ij,jk->ik' on 8 ranks with 3072 bytes each: "))
  }

  /// The way there fits, the way back only in slices.
  @Test func memoryIsALimitForTrainingToo() throws {
    let forward = try #require(try Self.report(Self.product).peakBytesPerRank.max())
    let free = try Self.report(Self.product + ["--training"])
    #expect(free.peakBytesPerRank.contains { $0 > forward })
    let limited = try Self.report(Self.product + ["--training", "--memory", "\(forward)"])
    #expect(limited.peakBytesPerRank.allSatisfy { $0 <= forward })
    // Operands, and as much for their gradients.
    #expect(limited.peakBytesPerRank.allSatisfy { $0 >= 2 * 2 * 64 * 64 / 8 * 4 })
  }

  @Test func theDrawingIsWrittenBesideTheTable() throws {
    let folder = try TestFolder()
    for arguments in [Self.product, Array(Self.product.prefix(6))] {
      let plain = try Convoy.run(arguments, in: folder)
      let drawn = try Convoy.run(arguments + ["--svg", "tree.svg"], in: folder)
      #expect(drawn.code == 0, "it says: \(drawn.errors)")
      #expect(drawn.output == plain.output)
      let svg = folder.text("tree.svg")
      #expect(svg.hasPrefix("<svg xmlns="))
      #expect(svg.hasSuffix("</svg>\n"))
      #expect(svg.contains(">ij,jk-&gt;ik</text>"))
      #expect(folder.names == ["tree.svg"])
    }
  }

  static let arguments = ["plan", "ij,jk->ik", "--shape", "2,3", "--shape", "3,4"]

  static let mistakes = [
    BadInput(
      "no ranks", arguments + ["--ranks", "0"],
      "convoy: error: --ranks 0: expected at least 1, e.g. --ranks 4…"),
    BadInput(
      "negative ranks", arguments + ["--ranks=-3"],
      "convoy: error: --ranks -3: expected at least 1, e.g. --ranks 4…"),
    BadInput(
      "too many ranks", arguments + ["--ranks", "100000000"],
      "convoy: error: --ranks 100000000: expected at most…"),
    BadInput(
      "ranks that are no number", arguments + ["--ranks", "many"],
      "convoy: error: the value 'many' is invalid for '--ranks…"),
    BadInput(
      "unknown objective", arguments + ["--ranks", "4", "--objective", "money"],
      "convoy: error: the value 'money' is invalid for '--objective <macs|bytes|time>'…"),
    BadInput(
      "unknown unit", arguments + ["--ranks", "4", "--memory", "2XB"],
      "convoy: error: the value '2XB' is invalid for '--memory <bytes>': '2XB' is no size: expected a number "
        + "of bytes, alone or with a unit, e.g. 2GiB or 1.5e9…"),
    BadInput(
      "no memory", arguments + ["--ranks", "4", "--memory", "0"],
      "convoy: error: the value '0' is invalid for '--memory <bytes>': '0' is no size…"),
    BadInput(
      "no machine file", arguments + ["--ranks", "4", "--machine", "none.json"],
      "convoy: error: none.json: there is no such file…"),
    BadInput(
      "bad expression", ["plan", "ij,jk->iq", "--shape", "2,3", "--shape", "3,4", "--ranks", "4"],
      "convoy: error: output mode q is in no operand, expected a mode of the operands…"),
    BadInput(
      "a drawing without a name", arguments + ["--svg", ""],
      "convoy: error: the name of an output is empty; expected a file"),
    BadInput(
      "a drawing nowhere", arguments + ["--ranks", "4", "--svg", "none/tree.svg"], code: 1,
      "convoy: error: cannot write into the folder…"),
  ]

  @Test(arguments: mistakes) func mistakesAreSaid(_ mistake: BadInput) throws {
    try mistake.check(in: TestFolder())
  }

  /// What the units stand for: the limit that is named in the refusal.
  @Test(arguments: [
    ("3KiB", 3072), ("3kB", 3000), ("2.5 KiB", 2560), ("3.5e3", 3500), ("3e-6GB", 3000),
    ("3100b", 3100), ("3333", 3333),
  ])
  func sizesAreRead(text: String, bytes: Int) throws {
    let run = try Convoy.run(Self.product + ["--memory", text], in: TestFolder())
    #expect(run.code == 1)
    #expect(run.errors.contains(" with \(bytes) bytes each: "), "it says: \(run.errors)")
  }
}
