import ArgumentParser
import Convoy
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

  @Option(help: "The count that 'cost' reports beside the macs: true, or the paper's.")
  var cost: CostModel = .true

  @Option(help: "Element type that memory is counted for: float32 or float64.")
  var dtype: ElementType = .float32

  @Flag(help: "Print one JSON object instead of a table.")
  var json = false

  enum CostModel: String, ExpressibleByArgument, CaseIterable {
    case `true`
    case paper
  }

  enum ElementType: String, ExpressibleByArgument, CaseIterable {
    case float32, float64
  }

  func run() throws {
    try reporting {
      let plan = try options.plan(expression, shapes: try shape.map(Self.extents))
      let memory =
        switch dtype {
        case .float32: try Self.peakMemory(of: plan, Float.self, training: options.training)
        case .float64: try Self.peakMemory(of: plan, Double.self, training: options.training)
        }
      if json {
        let report = PlanReport(
          plan, peakBytes: memory.bytes, isExact: memory.isExact,
          includesPaperCost: cost == .paper)
        try output(try report.json())
      } else {
        let bytes = String(format: memory.isExact ? "%.0f" : "at least %.3g", memory.bytes)
        try output(plan.description)
        try output("peak memory     \(bytes) bytes (\(dtype.rawValue), one process)")
        if cost == .paper {
          try output(
            "cost            \(String(format: "%.0f", plan.paperMacs)) (the paper's count)")
        }
      }
    }
  }

  /// Exact for a plan that can be run; of one whose intermediates no machine can address, what its
  /// tensors alone take.
  private static func peakMemory<Element: TensorElement>(
    of plan: Plan, _ type: Element.Type, training: Bool
  ) throws -> (bytes: Double, isExact: Bool) {
    guard plan.firstUnaddressableShape == nil && plan.firstStepOfTooManyTaps == nil else {
      return (plan.peakElements * Double(MemoryLayout<Element>.stride), false)
    }
    let needed = training ? plan.expression.shapes.map { _ in true } : nil
    return (Double(try Contraction<Element>(plan).peakBytes(needed: needed)), true)
  }

  static func extents(_ text: String) throws -> [Int] {
    let trimmed = text.trimmingCharacters(in: .whitespaces)
    if trimmed.isEmpty { return [] }
    return try trimmed.split(separator: ",", omittingEmptySubsequences: false).map { part in
      guard let extent = Int(part.trimmingCharacters(in: .whitespaces)), extent >= 0 else {
        throw ValidationError(
          "--shape '\(text)': '\(part)' is not an extent; expected whole numbers separated by "
            + "commas, e.g. --shape 4,7,9")
      }
      return extent
    }
  }
}

/// A count in JSON: a whole number as long as it fits 64 bits, else in powers of ten.
struct Count: Encodable {
  let value: Double

  init(_ value: Double) { self.value = value }

  func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    if let whole = Int64(exactly: value) {
      try container.encode(whole)
    } else {
      try container.encode(value)
    }
  }
}

/// The JSON of `convoy plan --json`.
struct PlanReport: Encodable {
  struct StepReport: Encodable {
    let operands: [Int]
    let result: Int
    let contraction: String
    let shape: [Int]
    let macs: Count
  }

  let expression: String
  let shapes: [[Int]]
  let output: [Int]
  let optimizer: String
  let path: [[Int]]
  let macs: Count
  let trainingMacs: Count
  let leftToRightMacs: Count
  let paperMacs: Count
  /// The count that `--cost` names.
  let cost: Count
  /// Elements.
  let largestIntermediate: Count
  let ranks: Int
  let peakBytesPerRank: [Count]
  /// `false` for a plan that no machine can run: then the bytes are those of its tensors alone.
  let peakBytesAreExact: Bool
  let bytesReceivedPerRank: [Int]
  let steps: [StepReport]
  let hash: String

  init(_ plan: Plan, peakBytes: Double, isExact: Bool, includesPaperCost: Bool) {
    expression = plan.expression.text
    shapes = plan.expression.shapes
    output = plan.expression.outputShape
    optimizer = plan.optimizer
    path = plan.path
    macs = Count(plan.macs)
    trainingMacs = Count(plan.trainingMacs)
    leftToRightMacs = Count(plan.leftToRightMacs)
    paperMacs = Count(plan.paperMacs)
    cost = Count(includesPaperCost ? plan.paperMacs : plan.macs)
    largestIntermediate = Count(plan.largestIntermediate)
    ranks = 1
    peakBytesPerRank = [Count(peakBytes)]
    peakBytesAreExact = isExact
    bytesReceivedPerRank = [0]
    steps = plan.steps.enumerated().map { index, step in
      StepReport(
        operands: step.operands, result: plan.expression.operands.count + index,
        contraction: plan.contractionText(step), shape: step.resultShape,
        macs: Count(step.macs))
    }
    hash = plan.hashText
  }
}

extension Encodable {
  /// One JSON object, keys sorted, so that equal reports are equal text.
  func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self)
  }
}
