import ArgumentParser
import Convoy
import Formats
import Foundation
import Synchronization

struct ContractCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "contract", abstract: "Evaluate an expression on npy files.")

  @Argument(help: "The expression, e.g. 'ij,jk->ik' or 'bshw,tshw->bthw|hw'.")
  var expression: String

  @Argument(
    help: "One npy file per operand, float32 or float64, all of one type.", transform: expandedPath)
  var operands: [String] = []

  @Option(
    help: ArgumentHelp("Where the result goes, in the operands' type.", valueName: "file.npy"),
    transform: expandedPath)
  var out: String

  @OptionGroup var options: ExpressionOptions

  @OptionGroup var distribution: DistributionOptionGroup

  @OptionGroup var gradients: GradientOptions

  @OptionGroup var threads: ThreadOptions

  @Option(
    help: ArgumentHelp(
      "Write predicted and measured bytes and the times as JSON.", valueName: "file.json"),
    transform: expandedPath)
  var report: String?

  @Option(
    help: ArgumentHelp(
      "Write a trace of every rank for chrome://tracing.", valueName: "file.json"),
    transform: expandedPath)
  var trace: String?

  @OptionGroup var waiting: WatchdogOptions

  /// Each is a thread with tensors and messages of its own; more than a large host has cores.
  private static let mostThreadRanks = 256

  func run() throws {
    try reportingOnEveryRank(watchdog: waiting.watchdog) { communicator in
      let ranks = distribution.ranks ?? communicator.size
      guard communicator.size > 1 || ranks <= Self.mostThreadRanks else {
        throw CommandError.tooManyThreadRanks(asked: ranks, most: Self.mostThreadRanks)
      }
      try communicator.together {
        if communicator.size > 1 && ranks != communicator.size {
          throw CommandError.otherRanks(asked: ranks, launched: communicator.size)
        }
      }
      // Without mpirun the ranks are threads of this process.
      threads.use(ranks: communicator.size > 1 ? 1 : ranks)
      let isDistributed = distribution.isDistributed() || trace != nil || gradients.isGiven
      if communicator.size > 1 || ranks == 1 && isDistributed {
        try contract(on: communicator)
      } else if ranks > 1 {
        try contract(onThreads: ranks)
      } else {
        try contractAlone()
      }
    }
  }

  /// As one of several processes.
  private func contract(on communicator: any Communicator) throws {
    communicator.enter(CollectiveStep(number: 0, description: "open the operands"))
    let (files, bound) = try communicator.together {
      if communicator.rank == 0 { try checkOutputs() }
      return try openOperands()
    }
    func run<Element: TensorElement>(_ type: Element.Type) throws {
      let run: DistributedContractRun<Element> = try communicator.together {
        try prepared(files, bound, ranks: communicator.size)
      }
      try run(on: communicator)
    }
    switch files.first?.header.elementType {
    case .float64: try run(Double.self)
    default: try run(Float.self)
    }
  }

  /// Without mpirun the ranks are threads of this process, which plans once for all of them.
  private func contract(onThreads ranks: Int) throws {
    try checkOutputs()
    let (files, bound) = try openOperands()
    let watchdog = waiting.watchdog
    func run<Element: TensorElement>(_ type: Element.Type) throws {
      let run: DistributedContractRun<Element> = try prepared(files, bound, ranks: ranks)
      let lastWord = Mutex(())
      _ = try ThreadCommunicator.run(ranks: ranks) { communicator in
        try communicator.watch(watchdog) { _ in }
        do {
          try run(on: communicator)
        } catch let error as CollectiveError {
          guard case .timedOut = error else { throw error }
          // The rank that did not come is a thread, which nobody can end but with the process.
          // Several ranks may have waited for it: the first one speaks.
          lastWord.withLock { _ in
            note("convoy: error: \(error)")
            communicator.abort(code: 1)
          }
        }
      }
    }
    switch files.first?.header.elementType {
    case .float64: try run(Double.self)
    default: try run(Float.self)
    }
  }

  private func openOperands() throws -> ([NpyFile], BoundExpression) {
    let files = try operands.map { try NpyFile(path: $0) }
    try requireEqualTypes(files.map(\.header))
    return (files, try options.bound(expression, shapes: files.map(\.header.shape)))
  }

  private func prepared<Element: TensorElement>(
    _ files: [NpyFile], _ bound: BoundExpression, ranks: Int
  ) throws -> DistributedContractRun<Element> {
    let gradientFiles = try gradients.files(bound, operands: files, names: operands)
    var settings = try distribution.options(
      options, operands: files.count, ranks: ranks, elementBytes: MemoryLayout<Element>.stride)
    if gradients.isGiven { settings.needsGradient = files.map { _ in true } }
    return DistributedContractRun(
      fitted: try FittedPlan(bound, options: settings, memory: distribution.memory), files: files,
      gradients: gradientFiles, out: out, report: report, trace: trace)
  }

  private func requireEqualTypes(_ headers: [NpyHeader]) throws {
    for (path, header) in zip(operands, headers) where header.elementType != headers[0].elementType
    {
      throw CommandError.mixedElementTypes(
        first: operands[0], firstType: headers[0].elementType.rawValue, other: path,
        otherType: header.elementType.rawValue)
    }
  }

  /// In this process alone.
  private func contractAlone() throws {
    try checkOutputs()
    let (files, bound) = try openOperands()
    let plan = try options.runningPlan(bound, objective: distribution.objective)
    switch files.first?.header.elementType {
    case .float64: try run(plan, files, Double.self, .float64)
    default: try run(plan, files, Float.self, .float32)
    }
  }

  private func run<Element: TensorElement>(
    _ plan: Plan, _ files: [NpyFile], _ type: Element.Type, _ elementType: NpyHeader.ElementType
  ) throws {
    let meter = MemoryMeter()
    let contraction = try Contraction<Element>(plan, meter: meter)
    try contraction.requireMemory()
    let tensors: [Tensor<Element>] = try files.map { try $0.tensor(meter: meter) }
    let start = ContinuousClock.now
    let result = try contraction(tensors)
    let seconds = (ContinuousClock.now - start) / .seconds(1)
    try result.withElements { elements throws(FormatError) in
      try NpyArray.write(
        UnsafeRawBufferPointer(elements), shape: result.shape, elementType: elementType, to: out)
    }
    if let report {
      let contents = RunReport(
        plan, seconds: seconds, predictedPeak: try contraction.peakBytes(),
        measuredPeak: meter.peakBytes)
      try writeAtomically(to: report, bytes: Array((try contents.json() + "\n").utf8))
    }
  }

  /// Before any work: a result that cannot be written, or would replace what it is made of, should not be computed first.
  private func checkOutputs() throws {
    func files(_ role: String, _ path: String?) -> [NamedFile] {
      path.map { [NamedFile(role: role, path: $0)] } ?? []
    }
    let outputs =
      files("--out", out) + files("--report", report) + files("--trace", trace)
      + gradients.outputs(operands: operands.count).flatMap { files("--gradients", $0) }
    let inputs =
      operands.enumerated().flatMap { files("operand \($0)", $1) }
      + files("--result-gradient", gradients.resultGradient)
      + files("--machine", distribution.machine)
    try requireOutputs(outputs, apartFrom: inputs)
  }
}
