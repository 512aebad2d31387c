import Execution
import Kernels
import Planning
import Synchronization

/// An expression of an input and parameters, planned once for every input shape that comes by, and for
/// every context: the contraction in a layer.
///
/// Batches come in a few sizes only (whole, the last of an epoch, evaluation), so the plans are
/// kept.
final class ParameterizedExpression: Sendable {
  /// The layer's, for messages.
  let name: String
  /// The input is the first operand, the parameters follow.
  let text: String
  let rules: ConvRules
  let parameters: [Parameter]
  /// Whether anything before the layer needs a gradient.
  let needsInputGradient: Bool
  let checkpointing: Checkpointing
  private let contractions = Mutex<[Key: Contraction<Float>]>([:])
  /// Of sharded inputs.
  let plans = Mutex<[Layouts: DistributedPlan]>([:])
  let sharded = Mutex<[ShardedKey: DistributedContraction<Float>]>([:])

  private struct Key: Hashable {
    let shape: [Int]
    let context: Context
  }

  init(
    name: String, text: String, rules: ConvRules = ConvRules(), parameters: [Parameter],
    needsInputGradient: Bool, checkpointing: Checkpointing
  ) {
    self.name = name
    self.text = text
    self.rules = rules
    self.parameters = parameters
    self.needsInputGradient = needsInputGradient
    self.checkpointing = checkpointing
  }

  /// The result, and how to go back; an input of no samples gives a result of none.
  func forward(_ input: Tensor<Float>, _ pass: Pass) throws -> (
    output: Tensor<Float>, pullback: Pullback
  ) {
    let operands = [input] + parameters.map(\.value)
    guard input.count > 0 else { return try forwardEmpty(operands) }
    let contraction = try contraction(input.shape, pass.context)
    guard pass.isTraining else {
      return (try contraction(operands), noPullback(name))
    }
    let (result, record) = try contraction.recorded(operands)
    let needed = needed
    let pullback: Pullback = { [parameters] outputGradient in
      let gradients = try contraction.gradients(
        record, outputGradient: outputGradient, needed: needed)
      for (parameter, gradient) in zip(parameters, gradients.dropFirst()) {
        if let gradient { parameter.accumulate(gradient, tile: pass.tile) }
      }
      return gradients[0]
    }
    return (result, pullback)
  }

  /// The expression of an input of this shape.
  func bound(_ inputShape: [Int]) throws -> BoundExpression {
    try BoundExpression(text, shapes: [inputShape] + parameters.map(\.value.shape), rules: rules)
  }

  /// Which operands need a gradient.
  var needed: [Bool] { [needsInputGradient] + parameters.map { _ in true } }

  private func contraction(_ shape: [Int], _ context: Context) throws -> Contraction<Float> {
    let key = Key(shape: shape, context: context)
    // Other threads wait for the plan that they need too.
    return try contractions.withLock { contractions in
      if let contraction = contractions[key] { return contraction }
      let plan = try Plan(
        bound(shape), options: PlanOptions(needsGradient: needed, runs: .often),
        costs: KernelCosts(context))
      let contraction = try Contraction<Float>(
        plan, checkpointing: checkpointing, context: context)
      contractions[key] = contraction
      return contraction
    }
  }

  /// A rank without samples adds nothing to any sum, but takes part in the layers that communicate.
  private func forwardEmpty(_ operands: [Tensor<Float>]) throws -> (
    output: Tensor<Float>, pullback: Pullback
  ) {
    let expression = try bound(operands[0].shape)
    let inputGradient = needsInputGradient ? Tensor<Float>(shape: operands[0].shape) : nil
    return (Tensor(shape: expression.outputShape), { _ in inputGradient })
  }
}

/// The pullback of an evaluation pass, for which nothing is kept.
func noPullback(_ layer: String) -> Pullback {
  { _ in throw NetworkError.evaluationHasNoGradient(layer: layer) }
}
