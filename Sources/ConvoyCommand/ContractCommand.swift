import ArgumentParser
import Convoy
import Formats
import Foundation

struct ContractCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "contract", abstract: "Evaluate an expression on npy files.")

  @Argument(help: "The expression, e.g. 'ij,jk->ik' or 'bshw,tshw->bthw|hw'.")
  var expression: String

  @Argument(help: "One npy file per operand, float32 or float64, all of one type.")
  var operands: [String] = []

  @Option(
    help: ArgumentHelp("Where the result goes, in the operands' type.", valueName: "file.npy"))
  var out: String

  @OptionGroup var options: ExpressionOptions

  @Option(
    help: ArgumentHelp(
      "Write predicted and measured bytes and the time as JSON.", valueName: "file.json"))
  var report: String?

  func run() throws {
    try reportingOnEveryRank { communicator in
      if communicator.rank == 0 {
        if communicator.size > 1 {
          note(
            "convoy: note: 'contract' runs in one process; \(communicator.size - 1) of the "
              + "\(communicator.size) ranks only wait")
        }
        try contractHere()
      }
      try communicator.barrier()
    }
  }

  private func contractHere() throws {
    for path in [out, report].compactMap({ $0 }) { try Self.requireWritableFolder(of: path) }
    let arrays = try operands.map { try NpyArray(path: $0) }
    for (path, array) in zip(operands, arrays) where array.elements.type != arrays[0].elements.type
    {
      throw CommandError.mixedElementTypes(
        first: operands[0], firstType: arrays[0].elements.type.rawValue, other: path,
        otherType: array.elements.type.rawValue)
    }
    let plan = try options.plan(expression, shapes: arrays.map(\.shape))
    switch arrays.first?.elements.type {
    case .float64:
      try run(plan, arrays) { (array: NpyArray) -> [Double] in
        if case .float64(let elements) = array.elements { elements } else { [] }
      } write: {
        .float64($0)
      }
    default:
      try run(plan, arrays) { (array: NpyArray) -> [Float] in
        if case .float32(let elements) = array.elements { elements } else { [] }
      } write: {
        .float32($0)
      }
    }
  }

  private func run<Element: TensorElement>(
    _ plan: Plan, _ arrays: [NpyArray], read: (NpyArray) -> [Element],
    write: ([Element]) -> NpyArray.Elements
  ) throws {
    let meter = MemoryMeter()
    let tensors = arrays.map { array in
      var tensor = Tensor<Element>(uninitialized: array.shape, meter: meter)
      tensor.withMutableElements { _ = $0.initialize(from: read(array)) }
      return tensor
    }
    let contraction = try Contraction<Element>(plan, meter: meter)
    let start = ContinuousClock.now
    let result = try contraction(tensors)
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    try NpyArray(shape: result.shape, elements: write(result.elements)).write(to: out)
    if let report {
      let contents = RunReport(
        ranks: 1, seconds: seconds,
        predicted: .init(bytesReceivedPerRank: [0], peakBytesPerRank: [contraction.peakBytes()]),
        measured: .init(bytesReceivedPerRank: [0], peakBytesPerRank: [meter.peakBytes]))
      try writeAtomically(to: report, bytes: Array((try contents.json() + "\n").utf8))
    }
  }

  /// Before any work: a result that cannot be written should not be computed first.
  private static func requireWritableFolder(of path: String) throws {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    var isFolder: ObjCBool = false
    let exists = FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder)
    guard exists && isFolder.boolValue && FileManager.default.isWritableFile(atPath: folder) else {
      throw CommandError.outputFolder(path: folder, isFolder: exists && isFolder.boolValue)
    }
  }
}

/// The JSON of `convoy contract --report`.
struct RunReport: Encodable {
  struct Bytes: Encodable {
    let bytesReceivedPerRank: [Int]
    let peakBytesPerRank: [Int]
  }

  let ranks: Int
  let seconds: Double
  let predicted: Bytes
  let measured: Bytes
}
