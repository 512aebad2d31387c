import Graph

/// The names of a step's sources and results that are no layer's.
///
/// ```swift
/// let step = try made.trainingStep(OptimizerConfiguration(), ranks: 4)
/// step.source(StepName.learningRate)
/// ```
public enum StepName {
  public static let images = "images"
  public static let labels = "labels"
  /// Seed and step, for dropout.
  public static let key = "key"
  /// A float64 scalar.
  public static let learningRate = "learning rate"
  /// The number of the step, from 1: an int64 scalar, for Adam.
  public static let step = "step"
  /// By rank, 1 of one that is asked to stop; as a result, how many are.
  public static let stopping = "stopping"
  /// The sum of the losses of all samples.
  public static let loss = "loss"
  /// How many samples' classes have the largest logit.
  public static let correct = "correct"
  public static let logits = "logits"
}

extension NetworkGraph {
  /// Of the name of what makes a parameter's gradient the mean over the samples.
  static let meanGradientSuffix = ".mean-gradient"

  /// A training step as one graph: forward, back, and the update of everything that is trained by the mean
  /// gradient over all samples.
  ///
  /// What the optimizer remembers is state beside the running statistics: `momentum/` and a parameter's
  /// name, or `adam.mean/` and `adam.variance/`. Results are `loss`, `correct` and `stopping`.
  ///
  /// ```swift
  /// let made = try NetworkDescription.resnet20().graph(images, classes: 10, mode: .training)
  /// let step = try made.trainingStep(OptimizerConfiguration(), ranks: communicator.size)
  /// ```
  ///
  /// - Parameter ranks: That take part.
  /// - Throws: `GraphError`, if an operator has no adjoint.
  public func trainingStep(
    _ optimizer: OptimizerConfiguration, ranks: Int
  ) throws(GraphError) -> Graph {
    let parameters = graph.parameters
    let (whole, gradients) = try graph.differentiated(
      StepName.loss, withRespectTo: parameters)
    var builder = GraphBuilder(whole)
    let samples = graph.source(StepName.images).map { graph[$0].axes[0].extent } ?? 1
    let rate = try builder.input(StepName.learningRate, .float64, [])
    let step = optimizer.kind == .adam ? try builder.input(StepName.step, .int64, []) : nil
    for (parameter, gradient) in zip(parameters, gradients) {
      guard let gradient else { continue }
      let name = graph[parameter].name
      let mean = try builder.scale(
        gradient, by: 1 / Double(max(1, samples)), name: name + Self.meanGradientSuffix)
      var decays = true
      for source in graph.sources where source.value == parameter {
        if case .parameter(let own) = source.kind { decays = own }
      }
      let update = StepUpdate(
        optimizer: optimizer, name: name, parameter: parameter, gradient: mean, decays: decays,
        rate: rate, step: step)
      try update.add(to: &builder)
    }
    return try Self.finish(&builder, ranks: ranks)
  }

  /// The forward pass alone, for tests of a network: with results `loss`, `correct` and `stopping`.
  public func evaluationStep(ranks: Int) throws(GraphError) -> Graph {
    var builder = GraphBuilder(graph)
    return try Self.finish(&builder, ranks: ranks)
  }

  private static func finish(
    _ builder: inout GraphBuilder, ranks: Int
  ) throws(GraphError) -> Graph {
    let stopping = try builder.input(
      StepName.stopping, .float64, [Axis("rank", .other, ranks)])
    let sum = try builder.sum(stopping, over: [0], name: "ranks that stop")
    try builder.result(StepName.stopping, sum)
    let whole = try builder.build()
    // Logits of all samples are of no use to anybody here, and would have to be kept.
    return try Graph(
      values: whole.values, nodes: whole.nodes, sources: whole.sources,
      results: whole.results.filter { $0.name != StepName.logits }, effects: whole.effects)
  }
}

/// How one parameter follows its gradient.
private struct StepUpdate {
  let optimizer: OptimizerConfiguration
  let name: String
  let parameter: ValueID
  let gradient: ValueID
  let decays: Bool
  let rate: ValueID
  let step: ValueID?

  func add(to builder: inout GraphBuilder) throws(GraphError) {
    let decay = decays ? optimizer.weightDecay : 0
    let states: [ValueID]
    let next: [ValueID]
    switch optimizer.kind {
    case .sgd:
      states = [try state("momentum", &builder)]
      next = try builder.apply(
        Operators.MomentumUpdate(momentum: optimizer.momentum, weightDecay: decay),
        to: [parameter, gradient] + states + [rate], name: "\(name).update")
    case .adam:
      states = [try state("adam.mean", &builder), try state("adam.variance", &builder)]
      next = try builder.apply(
        Operators.AdamUpdate(
          beta1: optimizer.beta1, beta2: optimizer.beta2, epsilon: optimizer.epsilon,
          weightDecay: decay),
        to: [parameter, gradient] + states + [rate] + (step.map { [$0] } ?? []),
        name: "\(name).update")
    }
    for (source, new) in zip([parameter] + states, next) {
      try builder.effect(source, becomes: new)
    }
  }

  private func state(_ prefix: String, _ builder: inout GraphBuilder) throws(GraphError) -> ValueID
  {
    let value = builder[parameter]
    return try builder.state("\(prefix)/\(name)", value.type, value.axes)
  }
}
