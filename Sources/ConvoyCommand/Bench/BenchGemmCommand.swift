import ArgumentParser
import Convoy
import Foundation

struct BenchGemmCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "gemm", abstract: "Measure matrix products over shapes on each kernel.",
    discussion: """
      Products (m × k)·(k × n), row-major, in GFLOP/s on one thread, the best of many runs on the \
      same tensors: 'batchReduce' is the batch-reduce kernel alone, called again and again as the \
      product in blocks first calls it; 'blocked' that whole product, with its copies; 'openblas'; 'loops' \
      strided multiply-adds, of small products only. 'chosen' is what a plan would run by its \
      estimate, with the estimate and the time that it took; 'share' is its part of the rate of the \
      fastest of blocked, openblas and loops, which is named where it is another.
      """)

  @Option(
    help: ArgumentHelp(
      "A shape instead of the list; may be repeated.", valueName: "m,n,k"))
  var shape: [String] = []

  @Option(help: ArgumentHelp("Only shapes with this in their names.", valueName: "text"))
  var filter: String?

  @Option(help: ArgumentHelp("Seconds per shape, of at least 3 runs.", valueName: "number"))
  var seconds = 0.2

  @Flag(help: "Measure double instead of single precision.")
  var double = false

  @Flag(help: "Print JSON: an object for one shape, a list for several.")
  var json = false

  func validate() throws {
    guard seconds > 0, seconds <= 3600 else {
      throw ValidationError("--seconds \(seconds): expected a number above 0, at most 3600")
    }
  }

  func run() throws {
    try reportingOnFirst(command: "bench gemm") {
      let shapes = try selectedShapes()
      for shape in shapes { try shape.requireMemory(bytesPerElement: double ? 8 : 4) }
      var results: [GemmTiming] = []
      if !json { try output(GemmTiming.tableHeader) }
      for shape in shapes {
        let timing = GemmTiming(
          shape,
          double ? shape.measured(Double.self, seconds) : shape.measured(Float.self, seconds))
        results.append(timing)
        if !json { try output(timing.tableRow) }
      }
      guard json else { return }
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys]
      let data = try results.count == 1 ? encoder.encode(results[0]) : encoder.encode(results)
      try output(String(decoding: data, as: UTF8.self))
    }
  }

  private func selectedShapes() throws -> [GemmShape] {
    let all = shape.isEmpty ? GemmShape.sweep : try shape.map { try GemmShape(option: $0) }
    guard let filter else { return all }
    let selected = all.filter { $0.name.localizedCaseInsensitiveContains(filter) }
    guard !selected.isEmpty else {
      throw ValidationError(
        "no shape has '\(filter)' in its name; the names are "
          + all.map(\.name).joined(separator: ", "))
    }
    return selected
  }
}

/// What was measured of one shape.
struct GemmTiming: Codable {
  let name: String
  let m: Int
  let n: Int
  let k: Int
  /// 10⁹ operations per second of each kernel that can run it; a multiply-add counts as two.
  let gflops: [ProductMeasurement.Kernel: Double]
  let chosen: ProductMeasurement.Kernel
  let estimatedMilliseconds: Double
  /// Of the chosen one.
  let milliseconds: Double

  init(_ shape: GemmShape, _ measurement: ProductMeasurement) {
    name = shape.name
    (m, n, k) = (shape.m, shape.n, shape.k)
    gflops = measurement.flopsPerSecond.mapValues { $0 / 1e9 }
    chosen = measurement.chosen
    estimatedMilliseconds = measurement.estimatedSeconds * 1e3
    milliseconds = measurement.seconds * 1e3
  }

  static let tableHeader =
    "batchReduce  blocked      dot openblas    loops  chosen       estimate        took  share  shape"

  var tableRow: String {
    func rate(_ kernel: ProductMeasurement.Kernel) -> String {
      gflops[kernel].map { String(format: "%8.1f", $0) } ?? "       –"
    }
    let rates = [.batchReduce, .blocked, .dot, .openblas, .loops].map(rate)
    let whole = gflops.filter { $0.key != .batchReduce }
    let best = whole.max { ($0.value, $0.key.rawValue) < ($1.value, $1.key.rawValue) }
    let share = (gflops[chosen] ?? 0) / max(best?.value ?? 0, 1e-12)
    let other = best.map { $0.key == chosen ? "" : ", faster: \($0.key)" } ?? ""
    let times = String(
      format: " %9.2f µs %8.2f µs %6.2f  ", estimatedMilliseconds * 1e3, milliseconds * 1e3, share)
    return "   " + rates.joined(separator: " ") + "  "
      + "\(chosen)".padding(toLength: 8, withPad: " ", startingAt: 0) + times + name + other
  }
}
