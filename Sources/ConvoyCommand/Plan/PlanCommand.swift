import ArgumentParser
import Convoy
import Formats
import Foundation

struct PlanCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "plan", abstract: "Choose the order of contraction and print what it costs.")

  @Argument(help: "The expression, e.g. 'ij,jk->ik' or 'bshw,tshw->bthw|hw'.")
  var expression: String

  @Option(
    help: ArgumentHelp(
      "The extents of one operand, e.g. 4,7,9; once per operand, '' for a scalar.",
      valueName: "extents"))
  var shape: [String] = []

  @OptionGroup var options: ExpressionOptions

  @OptionGroup var distribution: DistributionOptionGroup

  @Option(help: "The count that 'cost' reports beside the macs: true, or the paper's.")
  var cost: CostModel = .true

  @Option(help: "Element type that memory is counted for: float32 or float64.")
  var dtype: ElementType = .float32

  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  @Option(
    help: ArgumentHelp(
      "Draw the contraction tree with layouts and bytes.", valueName: "file.svg"),
    transform: expandedPath)
  var svg: String?

  enum CostModel: String, ExpressibleByArgument, CaseIterable {
    case `true`
    case paper
  }

  enum ElementType: String, ExpressibleByArgument, CaseIterable {
    case float32, float64
  }

  func run() throws {
    try reportingOnFirst {
      try checkDrawing()
      let shapes = try shape.map(Self.extents)
      guard distribution.isDistributed(launched: Launch.current.processes) else {
        return try planAlone(shapes)
      }
      switch dtype {
      case .float32: try planDistributed(shapes, Float.self)
      case .float64: try planDistributed(shapes, Double.self)
      }
    }
  }

  private func planDistributed<Element: TensorElement>(
    _ shapes: [[Int]], _ type: Element.Type
  ) throws {
    let elementBytes = MemoryLayout<Element>.stride
    let settings = try distribution.options(
      options, operands: shapes.count, ranks: distribution.ranks ?? Launch.current.processes,
      elementBytes: elementBytes)
    let bound = try options.bound(expression, shapes: shapes)
    var overlap = true
    let plan: DistributedPlan
    if let memory = distribution.memory {
      let fitted = try FittedPlan<Element>(bound, options: settings, memory: memory)
      (plan, overlap) = (fitted.plan, fitted.overlap)
    } else {
      plan = try DistributedPlan(bound, options: settings, costs: KernelCosts())
    }
    let explanation = PlanExplanation(plan, machine: settings.machine, elementBytes: elementBytes)
    let needs = try RankNeeds(
      explanation, overlap: overlap, elementBytes: elementBytes, gradients: settings.needsGradient)
    try draw(explanation)
    if json {
      let report = DistributedPlanReport(
        explanation, needs: needs, includesPaperCost: cost == .paper)
      return try output(try report.json())
    }
    try output(explanation.description)
    let gradients = options.training ? ", with gradients" : ""
    if options.training {
      let received = needs.receivedBytes.map(Double.init)
      try output(
        "training bytes  at most \(countText(received.max() ?? 0)) on a rank, at least "
          + "\(countText(received.min() ?? 0)), received forward and back")
    }
    try output(
      "peak memory     at most \(countText(needs.peakBytes.max() ?? 0)) bytes on a rank, at least "
        + "\(countText(needs.peakBytes.min() ?? 0)) (\(dtype.rawValue)\(gradients)"
        + (needs.isExact ? ")" : ", tensors alone)"))
    try outputPaperCost(plan.plan)
  }

  private func planAlone(_ shapes: [[Int]]) throws {
    let bound = try options.bound(expression, shapes: shapes)
    let running = try options.runningPlan(bound, objective: distribution.objective)
    // A plan that no cost of steps chose is that of fewest multiply-adds, and need not be searched again.
    let plan =
      distribution.objective == .time || running.optimizer != Plan.stepCostOptimizer
      ? running : try options.plan(bound)
    let needs = try processNeeds(plan)
    let runningNeeds = try processNeeds(running)
    try draw(
      PlanExplanation(
        DistributedPlan(alone: plan), machine: .standard,
        elementBytes: dtype == .float32 ? 4 : 8))
    if json {
      let report = ProcessPlanReport(
        plan, needs, running: running, runningNeeds, includesPaperCost: cost == .paper)
      return try output(try report.json())
    }
    try output(plan.description)
    try output("peak memory     \(needs.bytesText) bytes (\(dtype.rawValue), one process)")
    if let time = needs.timeText { try output("estimated time  \(time), one thread") }
    if running.path != plan.path, let time = runningNeeds.timeText {
      let path = running.path.map { "\($0)" }.joined(separator: ", ")
      try output(
        "contract runs   another order, [\(path)]: \(time), \(runningNeeds.bytesText) bytes; "
          + "--objective time shows it")
    }
    try outputPaperCost(plan)
  }

  private func processNeeds(_ plan: Plan) throws -> ProcessNeeds {
    let gradients = options.needsGradient(plan.expression)
    return switch dtype {
    case .float32: try ProcessNeeds(plan, Float.self, gradients: gradients)
    case .float64: try ProcessNeeds(plan, Double.self, gradients: gradients)
    }
  }

  private func outputPaperCost(_ plan: Plan) throws {
    guard cost == .paper else { return }
    try output("cost            \(countText(plan.paperMacs)) (the paper's count)")
  }

  private func checkDrawing() throws {
    guard let svg else { return }
    try requireSVGName(svg)
    try requireOutputs(
      [NamedFile(role: "--svg", path: svg)],
      apartFrom: distribution.machine.map { [NamedFile(role: "--machine", path: $0)] } ?? [])
  }

  private func draw(_ explanation: @autoclosure () -> PlanExplanation) throws {
    guard let svg else { return }
    try writeAtomically(to: svg, bytes: Array(explanation().drawing.utf8))
  }

  /// The extents of a shape, as they are given or as plans print them: `4,7,9`, `4x7x9`; none of `scalar`, or of nothing.
  static func extents(_ text: String) throws -> [Int] {
    let trimmed = text.trimmingCharacters(in: .whitespaces)
    if trimmed.isEmpty || trimmed == "scalar" { return [] }
    let separators: Set<Character> = trimmed.contains(",") ? [","] : ["x", "X", "×"]
    let parts = trimmed.split(omittingEmptySubsequences: false) { separators.contains($0) }
    return try parts.map { part in
      guard let extent = Int(part.trimmingCharacters(in: .whitespaces)), extent >= 0 else {
        throw ValidationError(
          "--shape '\(text)': '\(part)' is not an extent; expected whole numbers separated by "
            + "commas, e.g. --shape 4,7,9")
      }
      return extent
    }
  }
}
