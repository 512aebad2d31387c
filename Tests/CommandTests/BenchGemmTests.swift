import Foundation
import Testing

@testable import ConvoyCommand

/// `convoy bench gemm`: its output as other programs read it, and its errors.
@Suite struct BenchGemmTests {
  struct Timing: Decodable {
    var name: String
    var m: Int
    var n: Int
    var k: Int
    var gflops: [String: Double]
    var chosen: String
    var estimatedMilliseconds: Double
    var milliseconds: Double
  }

  private static let quick = ["bench", "gemm", "--seconds", "0.0001"]

  private func run(_ arguments: [String], _ environment: [String: String] = [:]) throws
    -> Convoy.Run
  {
    try Convoy.run(Self.quick + arguments, in: TestFolder(), environment: environment)
  }

  private func last<T: Decodable>(_ type: T.Type, of run: Convoy.Run) throws -> T {
    let line = try #require(run.output.split(separator: "\n").last, "\(run.errors)")
    return try JSONDecoder().decode(type, from: Data(line.utf8))
  }

  @Test(arguments: [[], ["--double"]])
  func oneShapeIsAnObjectOnTheLastLine(options: [String]) throws {
    let timing = try last(Timing.self, of: run(["--shape", "24,32,20", "--json"] + options))
    #expect((timing.m, timing.n, timing.k) == (24, 32, 20))
    #expect(timing.name == "given 24x32x20")
    #expect(Set(timing.gflops.keys) == ["batchReduce", "blocked", "openblas", "loops"])
    #expect(timing.gflops[timing.chosen] != nil)
    #expect(timing.milliseconds > 0 && timing.estimatedMilliseconds > 0)
  }

  /// Where nothing else may be chosen the choice follows the path.
  @Test func thePathNarrowsTheChoice() throws {
    let arguments = ["--shape", "64,64,64", "--json"]
    for (path, chosen) in [("openblas", "openblas"), ("reference", "loops")] {
      let timing = try last(Timing.self, of: run(arguments, ["CONVOY_KERNELS": path]))
      #expect(timing.chosen == chosen)
    }
  }

  @Test func severalShapesAreAListOrRows() throws {
    let shapes = ["--shape", "5,6,7", "--shape", "1,1,1"]
    let timings = try last([Timing].self, of: run(shapes + ["--json"]))
    #expect(timings.map(\.name) == ["given 5x6x7", "given 1x1x1"])
    let rows = try run(shapes).output.split(separator: "\n")
    #expect(rows.count == 3)
    #expect(rows[1].contains("given 5x6x7") && rows[2].contains("given 1x1x1"))
  }

  @Test func theListIsFilteredByName() throws {
    let timings = try last([Timing].self, of: run(["--filter", "SQUARE 1", "--json"]))
    #expect(
      timings.map(\.name) == ["square 12x12x12", "square 16x16x16", "square 128x128x128"])
  }

  @Test(arguments: [
    (["--filter", "cubic"], "no shape has 'cubic' in its name; the names are square 4x4x4, "),
    (["--seconds", "0"], "--seconds 0.0: expected a number above 0"),
    (["--shape", "4,5"], "--shape 4,5: expected three whole numbers from 1 to 2147483647: m,n,k"),
    (["--shape", "4,0,5"], "--shape 4,0,5: expected three whole numbers"),
    (["--shape", "4,x,5"], "--shape 4,x,5: expected three whole numbers"),
    (["--shape", "4,4,2147483648"], "--shape 4,4,2147483648: expected three whole numbers"),
    (
      ["--shape", "2147483647,2147483647,1"],
      "--shape 2147483647,2147483647,1: takes about 3.69e+19 bytes, but this machine has "
    ),
  ])
  func badUseIsRefused(arguments: [String], message: String) throws {
    let run = try run(arguments)
    #expect(run.code == 64)
    #expect(run.output.isEmpty)
    #expect(run.errors.contains(message), "\(run.errors)")
  }
}
