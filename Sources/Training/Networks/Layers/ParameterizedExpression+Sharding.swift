import Collectives
import Execution
import Kernels
import Partitioning
import Planning

/// An expression whose image is sharded: its plan says what travels between the ranks.
extension ParameterizedExpression {
  /// Where the ranks' parts of the image and of the result are. Every rank has all parameters.
  struct Layouts: Hashable {
    let input: Layout
    let output: Layout
  }

  /// A contraction is made for the ranks of one communicator.
  struct ShardedKey: Hashable {
    let layouts: Layouts
    let communicator: ObjectIdentifier
    let context: Context
  }

  /// The plan with the least time. It is free in what happens between the two layouts: rows may be
  /// exchanged as halos, images moved, channels or ranks cut.
  func plan(_ layouts: Layouts) throws -> DistributedPlan {
    try plans.withLock { plans in
      if let plan = plans[layouts] { return plan }
      let plan = try newPlan(layouts)
      plans[layouts] = plan
      return plan
    }
  }

  private func newPlan(_ layouts: Layouts) throws -> DistributedPlan {
    let mesh = layouts.input.mesh
    var options = DistributionOptions(
      ranks: mesh.ranks, mesh: mesh, needsGradient: needed, gradientsAsTerms: true)
    options.inputs =
      [.axes(layouts.input.cuts.map(\.axes))] + parameters.map { _ in .replicated }
    options.output = .axes(layouts.output.cuts.map(\.axes))
    return try DistributedPlan(bound(layouts.input.shape), options: options)
  }

  /// This rank's part of the result of its part of the input, and how to go back; all ranks together.
  ///
  /// The parameters' gradients are left as this rank's terms of a sum over all ranks: it is taken
  /// once for the whole network (`GradientSum`).
  func forward(
    _ input: Tensor<Float>, _ pass: Pass, sharded layouts: Layouts
  ) throws -> (output: Tensor<Float>, pullback: Pullback) {
    let contraction = try contraction(layouts, pass)
    let boxes = [input] + parameters.map(\.value)
    guard pass.isTraining else { return (try contraction(boxes), noPullback(name)) }
    let (result, record) = try contraction.recorded(boxes)
    let pullback: Pullback = { [parameters, needed] outputGradient in
      let gradients = try contraction.gradients(
        record, outputGradient: outputGradient, needed: needed, asTerms: true)
      for (parameter, gradient) in zip(parameters, gradients.dropFirst()) {
        if let gradient { parameter.accumulate(gradient) }
      }
      return gradients[0]
    }
    return (result, pullback)
  }

  private func contraction(
    _ layouts: Layouts, _ pass: Pass
  ) throws -> DistributedContraction<Float> {
    let key = ShardedKey(
      layouts: layouts, communicator: ObjectIdentifier(pass.communicator), context: pass.context)
    return try sharded.withLock { sharded in
      if let contraction = sharded[key] { return contraction }
      let contraction = try DistributedContraction<Float>(
        plan(layouts), communicator: pass.communicator, checkpointing: checkpointing,
        context: pass.context)
      sharded[key] = contraction
      return contraction
    }
  }
}
