/// Why an expression could not be run.
///
/// ```swift
/// do { c = try product([a, b]) } catch { print(error) }
/// // cannot contract 'ij,jk->ik': operand 1 has shape [4, 4], but the plan was made for [3, 4]; …
/// ```
public enum ExecutionError: Error, Hashable, Sendable {
  /// Another number of tensors than the expression has operands.
  case operandCount(expression: String, expected: Int, found: Int)
  /// A tensor whose shape is not the one the plan was made for.
  case operandShape(expression: String, operand: Int, expected: [Int], found: [Int])
  /// A tensor with more elements than can be addressed.
  case tooLarge(expression: String, shape: [Int])
  /// A step whose filter taps are too many to be listed.
  case tooManyTaps(expression: String, step: String)
  /// A pass needs more bytes at once than there are: the machine's or the control group's, divided by
  /// the ranks that share them.
  case notEnoughMemory(
    expression: String, needed: Int, available: Int, sharing: Int, largest: [Int])
  /// No plan keeps every rank's bytes within the limit. `sufficientRanks`: how many ranks would do.
  case notEnoughMemoryPerRank(
    expression: String, needed: Int, memory: Int, ranks: Int, tensor: String,
    sufficientRanks: Int?)
  /// A gradient of another shape than the result.
  case gradientShape(expression: String, expected: [Int], found: [Int])
  /// What a forward pass recorded, given to the gradients of another plan, or of another rank.
  case foreignRecord(expression: String, recorded: String)
  /// A step whose operand, or whose kernel, is not there when the step is to run.
  case incompleteStep(expression: String, step: String)
  /// A box whose shape is not the one that the plan gives this rank.
  case boxShape(expression: String, operand: Int, rank: Int, expected: [Int], found: [Int])
  /// Another number of ranks than the plan was made for.
  case rankCount(expression: String, planned: Int, found: Int)
  /// Boxes of a node's inputs and outputs that the operator cannot be run on: they do not fit together.
  case operatorPart(operation: String, inputs: [[Int]], outputs: [[Int]])
  /// A result that is only there slice by slice, but needed otherwise.
  case slicedResult(expression: String, step: String)
  /// An operator that the engine has no work for.
  case notRunnable(node: String, operation: String)
}

extension ExecutionError: CustomStringConvertible {
  public var description: String {
    switch self {
    case .operandCount(let expression, let expected, let found):
      "cannot contract '\(expression.shortened)': it has \(expected) operands, but \(found) tensors were given"
    case .operandShape(let expression, let operand, let expected, let found):
      "cannot contract '\(expression.shortened)': operand \(operand) has shape \(found), but the plan was made "
        + "for \(expected); make a plan for these shapes"
    case .tooLarge(let expression, let shape):
      "cannot contract '\(expression.shortened)': a tensor of shape \(shape) is larger than can be addressed; if "
        + "it is an intermediate, another optimizer may find an order with smaller ones"
    case .tooManyTaps(let expression, let step):
      "cannot contract '\(expression.shortened)': the filter of the step \(step.shortened) has more taps "
        + "than are walked one by one; a convolution that long needs a Fourier transform"
    case .notEnoughMemory(
      let expression, let needed, let available, let sharing, let largest):
      "cannot contract '\(expression.shortened)': it needs \(needed) bytes at once, but "
        + (sharing == 1
          ? "this machine has \(available)"
          : "each of the \(sharing) ranks on this machine has \(available)")
        + ", \(needed - available) too few; its largest tensor has shape \(largest)"
    case .notEnoughMemoryPerRank(
      let expression, let needed, let memory, let ranks, let tensor, let sufficientRanks):
      "cannot contract '\(expression.shortened)' on \(ranks) \(ranks == 1 ? "rank" : "ranks") with "
        + "\(memory) bytes each: the plan that needs least needs \(needed), \(needed - memory) too "
        + "many; most of it is \(tensor); "
        + (sufficientRanks.map { "\($0) ranks would do" }
          ?? "no number of ranks was found that would do: allow more memory")
    case .gradientShape(let expression, let expected, let found):
      "cannot go back through '\(expression.shortened)': its result has shape \(expected), but the gradient "
        + "has \(found)"
    case .foreignRecord(let expression, let recorded):
      "cannot go back through '\(expression.shortened)': the record is of another forward pass, of "
        + "'\(recorded.shortened)'; give the record of the same plan, of the same shapes, on the "
        + "same rank"
    case .incompleteStep(let expression, let step):
      "cannot contract '\(expression.shortened)': an operand or the kernel of the step "
        + "\(step.shortened) is not there; the plan is not one that a planner made"
    case .boxShape(let expression, let operand, let rank, let expected, let found):
      "cannot contract '\(expression.shortened)': rank \(rank) was given a box of shape \(found) of operand "
        + "\(operand), but the plan gives it \(expected); cut the operand as the plan's layout says"
    case .rankCount(let expression, let planned, let found):
      "cannot contract '\(expression.shortened)': the plan was made for \(planned) ranks, but there are "
        + "\(found); make a plan for \(found) ranks"
    case .operatorPart(let operation, let inputs, let outputs):
      "cannot run '\(operation.shortened)' on boxes of shapes \(inputs) for boxes of shapes \(outputs): they do "
        + "not fit together; cut the node's values as its factors say"
    case .slicedResult(let expression, let step):
      "cannot contract '\(expression.shortened)': in the step \(step.shortened) a slice needs, or leaves, "
        + "what is not in the same slice of its result; slice another mode"
    case .notRunnable(let node, let operation):
      "cannot run \(node): the engine does not know how to carry out \(operation.shortened); graphs may be made of "
        + "the operators of the module Graph"
    }
  }
}

extension String {
  /// The text, or its beginning if it is longer than a line should be.
  fileprivate var shortened: String { count <= 90 ? self : prefix(89) + "…" }
}
