/// An expression with its order of evaluation: the value that every rank computes alike and the
/// executor carries out.
///
/// Values are numbered: the operands 0 ..< n, then the results of `steps` in order. The last step
/// makes the result, its modes in the order of the expression's output.
///
/// ```swift
/// let bound = try BoundExpression("ij,jk,kl->il", shapes: [[50, 2], [2, 50], [50, 2]])
/// let plan = try Plan(bound)
/// plan.path  // [[1, 2], [0, 1]]
/// plan.macs  // 400
/// print(plan)
/// ```
public struct Plan: Hashable, Codable, Sendable {
  public let expression: BoundExpression
  /// The optimizer that found the order, e.g. `optimal`.
  public let optimizer: String
  /// The order in opt_einsum's linear form: at each step the positions of the operands that are
  /// taken out of the list, the result being appended. One operand: `[[0]]`.
  public let path: [[Int]]
  public let steps: [Step]
  /// Multiply-adds of all pairwise steps (design, section 2, *Cost*).
  public let macs: Double
  /// `macs` with the gradients of the operands that need one.
  public let trainingMacs: Double
  /// `macs` of the naive order, from left to right.
  public let leftToRightMacs: Double
  /// The paper's own count of this path: a convolution mode shared by both operands counts the
  /// product of both input extents.
  public let paperMacs: Double
  /// Elements of the largest result of a pairwise step, the output included.
  public let largestIntermediate: Double
}

/// One step of a plan: two operands into one, or one operand prepared (diagonal taken, modes that
/// nothing else has summed, a convolution mode without filters padded and strided).
///
/// ```swift
/// for step in plan.steps { print(plan.contractionText(step), step.resultShape, step.macs) }
/// ```
public struct Step: Hashable, Codable, Sendable {
  /// Numbers of the values that go in: one or two.
  public let operands: [Int]
  /// The modes of each operand, by dimension, outermost first.
  public let operandModes: [[Int?]]
  public let operandShapes: [[Int]]
  /// The modes of the result in the order it is stored, outermost first.
  public let resultModes: [Int]
  public let resultShape: [Int]
  /// The modes whose index differs between operands and result.
  public let convolutions: [StepConvolution]
  /// Multiply-adds; 0 for one operand.
  public let macs: Double
}

/// How one convolution mode's indices are related in one step.
///
/// *Feature with filter*: at result index i and filter index k the feature is read at
/// `stride·i + tap·k + offset`; outside `0 ..< N` it is 0, or wraps if `circular`.
/// *Filter with filter* (`feature == nil`): result index = sum of both (full convolution).
/// *Feature alone* (one operand): read at `stride·i + offset`.
///
/// ```swift
/// // `same` correlation with a filter of extent 3: x is read at i + k − 1.
/// let step = try Plan(BoundExpression(
///   "h,h->h|h", shapes: [[8], [3]], rules: ConvRules(all: ConvRule(kind: .correlation)))).steps[0]
/// step.convolutions[0].offset  // −1
/// ```
public struct StepConvolution: Hashable, Codable, Sendable {
  public let mode: Int
  /// Position (0 or 1) in the step's operands of the feature.
  public let feature: Int?
  public let stride: Int
  /// ±dilation; negative for true convolution.
  public let tap: Int
  public let offset: Int
  public let circular: Bool
  /// Extent of the result index i, whether or not the mode is kept in the result.
  public let resultExtent: Int
}
