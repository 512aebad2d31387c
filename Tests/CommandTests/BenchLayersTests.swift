import Foundation
import Testing

@testable import ConvoyCommand

/// `convoy bench layers`: its output as other programs read it, and its errors.
@Suite struct BenchLayersTests {
  struct Timing: Decodable {
    var name: String
    var milliseconds: Double
    var gflops: Double
    var roofline: Double
    var leastMilliseconds: Double
    var allocations: Int
    var repetitions: Int
    var path: [[Int]]
  }

  private static let cases = """
    [{"name": "CP small", "form": "CP", "expression": "bshw,rt,rs,rh,rw->bthw|hw",
      "conv": "*:kind=correlation,padding=same",
      "shapes": [[2, 5, 6, 6], [3, 4], [3, 5], [3, 3], [3, 3]]},
     {"name": "product", "expression": "ij,jk->ik", "shapes": [[30, 20], [20, 10]]}]
    """

  /// A machine whose rates are given: measuring them takes seconds.
  private static let machine = """
    {"name": "given", "flopsPerSecond": 1e9, "memoryBytesPerSecond": 1e15,
     "insideNode": {"latencySeconds": 1e-6, "bytesPerSecond": 1e9},
     "betweenNodes": {"latencySeconds": 1e-6, "bytesPerSecond": 1e9},
     "ranksPerNode": 1, "threadsPerRank": 1}
    """

  private func folder() throws -> TestFolder {
    let folder = try TestFolder()
    try folder.write("cases.json", Self.cases)
    try folder.write("machine.json", Self.machine)
    return folder
  }

  private static let common = [
    "bench", "layers", "--cases", "cases.json", "--machine", "machine.json", "--seconds", "0.001",
  ]

  @Test func oneCaseIsAnObjectOnTheLastLine() throws {
    let run = try Convoy.run(Self.common + ["--filter", "PRODUCT", "--json"], in: folder())
    #expect(run.code == 0, "\(run.errors)")
    let last = try #require(run.output.split(separator: "\n").last)
    let timing = try JSONDecoder().decode(Timing.self, from: Data(last.utf8))
    #expect(timing.name == "product")
    #expect(timing.repetitions >= 3)
    #expect(timing.leastMilliseconds > 0 && timing.leastMilliseconds <= timing.milliseconds)
    // Once it has run twice, a layer finds all its buffers in the pool.
    #expect(timing.allocations == 0)
    #expect(timing.path == [[0, 1]])
    // Forward and two gradients: 3 · 2 · 30 · 20 · 10 operations, at 1 GFLOP/s.
    #expect(abs(timing.roofline - 0.036) < 1e-9)
    #expect(abs(timing.gflops * timing.milliseconds / 0.036 - 1) < 1e-9)
  }

  @Test func severalCasesAreAListOrRows() throws {
    let folder = try folder()
    let json = try Convoy.run(Self.common + ["--json"], in: folder)
    let last = try #require(json.output.split(separator: "\n").last)
    let timings = try JSONDecoder().decode([Timing].self, from: Data(last.utf8))
    #expect(timings.map(\.name) == ["CP small", "product"])
    #expect(timings.allSatisfy { $0.milliseconds > 0 })
    #expect(timings[0].path.count == 4)
    let table = try Convoy.run(Self.common, in: folder)
    let rows = table.output.split(separator: "\n")
    #expect(rows.count == 3)
    #expect(rows[1].hasSuffix("CP small") && rows[2].hasSuffix("product"))
  }

  /// Of two steps their results and both gradients each, with what ran them.
  @Test func stepsAreTimedOneByOne() throws {
    struct Steps: Decodable {
      struct Step: Decodable {
        var step: String
        var writes: String
        var milliseconds: Double
        var estimatedMilliseconds: Double
        var kernel: String
      }
      var milliseconds: Double
      var steps: [Step]
    }
    let folder = try TestFolder()
    try folder.write(
      "cases.json",
      """
      [{"name": "chain", "expression": "ij,jk,kl->il", "shapes": [[64, 80], [80, 96], [96, 4]]}]
      """)
    try folder.write("machine.json", Self.machine)
    let json = try Convoy.run(Self.common + ["--steps", "--json"], in: folder)
    #expect(json.code == 0, "\(json.errors)")
    let last = try #require(json.output.split(separator: "\n").last)
    let timing = try JSONDecoder().decode(Steps.self, from: Data(last.utf8))
    #expect(
      timing.steps.map(\.writes) == ["result", "result", "first", "second", "first", "second"])
    #expect(Set(timing.steps.map(\.step)).count == 2)
    #expect(timing.steps.allSatisfy { $0.milliseconds > 0 && $0.estimatedMilliseconds > 0 })
    #expect(timing.steps.allSatisfy { !$0.kernel.isEmpty })
    let table = try Convoy.run(Self.common + ["--steps"], in: folder)
    #expect(table.output.split(separator: "\n").count == 2 + 6)
  }

  @Test(arguments: [
    (["--filter", "dense"], "no case has 'dense' in its name"),
    (["--seconds", "0"], "--seconds 0.0: expected a number above 0"),
    (["--cases", "none.json"], "none.json: there is no such file"),
  ])
  func badUseIsRefused(arguments: [String], message: String) throws {
    let run = try Convoy.run(Self.common + arguments, in: folder())
    #expect(run.code == 64)
    #expect(run.output.isEmpty)
    #expect(run.errors.contains(message), "\(run.errors)")
  }
}
