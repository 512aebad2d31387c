import Convoy
import Foundation

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

/// The JSON of `convoy plan --json`. Of several ranks there are more keys, also in each step: see
/// `DistributedPlanReport`.
struct PlanReport<Step: Encodable>: Encodable {
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
  let steps: [Step]
  let hash: String

  init(_ plan: Plan, needs: RankNeeds, steps: [Step], hash: String, includesPaperCost: Bool) {
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
    ranks = needs.peakBytes.count
    peakBytesPerRank = needs.peakBytes.map(Count.init)
    peakBytesAreExact = needs.isExact
    bytesReceivedPerRank = needs.receivedBytes
    self.steps = steps
    self.hash = hash
  }
}

struct StepReport: Encodable {
  let operands: [Int]
  let result: Int
  let contraction: String
  let shape: [Int]
  /// Of the whole step.
  let macs: Count

  /// - Parameter index: of the step in the plan.
  init(_ index: Int, of plan: Plan) {
    let step = plan.steps[index]
    operands = step.operands
    result = plan.expression.operands.count + index
    contraction = plan.contractionText(step)
    shape = step.resultShape
    macs = Count(step.macs)
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
