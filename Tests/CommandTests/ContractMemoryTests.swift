import Foundation
import Testing

/// What a process of `contract` really holds: its operands once, and little beside what was predicted.
@Suite(.serialized) struct ContractMemoryTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let expression: String
    let shapes: [[Int]]
    var element = Npy.Element.float32
    var isFortranOrder = false
    var options: [String] = []
    var testDescription: String {
      "\(expression) of \(element)\(isFortranOrder ? " in Fortran order" : "") \(options)"
    }
  }

  /// 200 MB of operands or of result, or near it.
  static let cases = [
    Case(expression: "ij,j->i", shapes: [[5000, 10_000], [10_000]]),
    Case(expression: "ij,j->i", shapes: [[5000, 10_000], [10_000]], isFortranOrder: true),
    Case(expression: "ij,j->i", shapes: [[5000, 5000], [5000]], element: .float64),
    Case(
      expression: "ij,j->i", shapes: [[5000, 5000], [5000]], element: .float64,
      isFortranOrder: true),
    Case(expression: "i,j->ij", shapes: [[5000], [10_000]]),
    Case(expression: "i,j->ij", shapes: [[5000], [5000]], element: .float64),
    Case(
      expression: "ij,j->i", shapes: [[5000, 10_000], [10_000]], options: ["--memory", "1GiB"]),
  ]

  private struct Report: Decodable {
    struct Bytes: Decodable { let peakBytesPerRank: [Int] }
    let predicted: Bytes
    let measured: Bytes
    let highWaterBytesPerRank: [Int]
  }

  /// Beside its tensors a process has its code, libraries and buffers for reading: 64 MB at most.
  @Test(arguments: cases) func aProcessHoldsWhatWasPredicted(value: Case) throws {
    let folder = try TestFolder()
    let elementBytes = value.element == .float32 ? 4 : 8
    for (index, shape) in value.shapes.enumerated() {
      // Zeros, which take no room on the disk, but as much memory as any other number.
      let header = Npy.header(
        element: value.element.rawValue, isFortranOrder: value.isFortranOrder, shape: shape)
      try folder.write("\(index).npy", header)
      try folder.extend(
        "\(index).npy", to: header.count + shape.reduce(elementBytes, *))
    }
    let run = try Convoy.run(
      ["contract", value.expression] + value.shapes.indices.map { "\($0).npy" }
        + ["--out", "y.npy", "--report", "report.json"] + value.options, in: folder)
    #expect(run.code == 0, "it says: \(run.errors)")
    let report = try JSONDecoder().decode(Report.self, from: folder.bytes("report.json"))
    let predicted = try #require(report.predicted.peakBytesPerRank.first)
    #expect(predicted >= 200_000_000)
    #expect(report.measured.peakBytesPerRank == [predicted])
    let highWater = try #require(report.highWaterBytesPerRank.first)
    #expect(highWater > predicted / 2, "nothing is held: \(highWater)")
    #expect(
      highWater - predicted < 64_000_000,
      "\(highWater) bytes were held, where \(predicted) were predicted")
  }
}
