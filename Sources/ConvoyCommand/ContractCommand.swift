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
    try checkOutputs()
    let headers = try operands.map { try NpyHeader(path: $0) }
    for (path, header) in zip(operands, headers) where header.elementType != headers[0].elementType
    {
      throw CommandError.mixedElementTypes(
        first: operands[0], firstType: headers[0].elementType.rawValue, other: path,
        otherType: header.elementType.rawValue)
    }
    let plan = try options.plan(expression, shapes: headers.map(\.shape))
    switch headers.first?.elementType {
    case .float64: try run(plan, Double.self, .float64)
    default: try run(plan, Float.self, .float32)
    }
  }

  private func run<Element: TensorElement>(
    _ plan: Plan, _ type: Element.Type, _ elementType: NpyHeader.ElementType
  ) throws {
    let meter = MemoryMeter()
    let contraction = try Contraction<Element>(plan, meter: meter)
    try contraction.requireMemory()
    let tensors = try operands.map { try Self.tensor(path: $0, meter) as Tensor<Element> }
    let start = ContinuousClock.now
    let result = try contraction(tensors)
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    try result.withElements { elements throws(FormatError) in
      try NpyArray.write(
        UnsafeRawBufferPointer(elements), shape: result.shape, elementType: elementType, to: out)
    }
    if let report {
      let contents = RunReport(
        ranks: 1, seconds: seconds,
        predicted: .init(bytesReceivedPerRank: [0], peakBytesPerRank: [contraction.peakBytes()]),
        measured: .init(bytesReceivedPerRank: [0], peakBytesPerRank: [meter.peakBytes]))
      try writeAtomically(to: report, bytes: Array((try contents.json() + "\n").utf8))
    }
  }

  /// One operand; the file's own array lives no longer than this call.
  private static func tensor<Element: TensorElement>(
    path: String, _ meter: MemoryMeter
  ) throws -> Tensor<Element> {
    let array = try NpyArray(path: path)
    var tensor = Tensor<Element>(uninitialized: array.shape, meter: meter)
    tensor.withMutableElements { tensor in
      switch array.elements {
      case .float32(let elements): _ = (elements as? [Element]).map { tensor.initialize(from: $0) }
      case .float64(let elements): _ = (elements as? [Element]).map { tensor.initialize(from: $0) }
      }
    }
    return tensor
  }

  /// Before any work: a result that cannot be written should not be computed first.
  private func checkOutputs() throws {
    let outputs = [out, report].compactMap { $0 }
    guard !outputs.contains("") else { throw CommandError.emptyOutput }
    func standard(_ path: String) -> String { URL(fileURLWithPath: path).standardized.path }
    let paths = outputs.map(standard)
    // A result may take an operand's name, for it is written once all operands are read. A report
    // may not: what it replaced would be lost.
    if let report, ([out] + operands).map(standard).contains(standard(report)) {
      throw CommandError.reportReplaces(path: report)
    }
    for path in paths {
      if Self.isFolder(path) { throw CommandError.outputIsFolder(path: path) }
      // A file that exists may be a device, which needs no room in its folder.
      if FileManager.default.isWritableFile(atPath: path) { continue }
      let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
      guard Self.isFolder(folder) && FileManager.default.isWritableFile(atPath: folder) else {
        throw CommandError.outputFolder(path: folder, isFolder: Self.isFolder(folder))
      }
    }
  }

  private static func isFolder(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      && isFolder.boolValue
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
