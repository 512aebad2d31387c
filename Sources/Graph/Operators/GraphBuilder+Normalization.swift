extension GraphBuilder {
  /// x normalised by its own moments over some axes.
  ///
  /// - Parameters:
  ///   - axes: What is normalised over; ascending.
  ///   - parameters: A scale and a bias of the extents of x along the `axes` given with them,
  ///     ascending; `nil` leaves them out.
  public mutating func normalize(
    _ x: ValueID, over axes: [Int], epsilon: Double = 1e-5,
    parameters: (scale: ValueID, bias: ValueID, axes: [Int])? = nil, name: String? = nil
  ) throws(GraphError) -> ValueID {
    try normalized(x, over: axes, epsilon: epsilon, parameters: parameters, name: name).value
  }

  private mutating func normalized(
    _ x: ValueID, over axes: [Int], epsilon: Double,
    parameters: (scale: ValueID, bias: ValueID, axes: [Int])?, name: String?
  ) throws(GraphError) -> (value: ValueID, sums: ValueID, count: Int) {
    let sums = try single(
      Operators.MomentSums(over: axes), [x], name: name.map { "\($0).\(Operators.MomentSums.kind)" }
    )
    let count = product(self[x].extents(axes))
    let normalization = Operators.Normalization(
      over: axes, count: count, epsilon: epsilon, parameterAxes: parameters?.axes)
    let value = try single(
      normalization, [x, sums] + (parameters.map { [$0.scale, $0.bias] } ?? []), name: name)
    return (value, sums, count)
  }

  /// Batch normalisation (Ioffe and Szegedy, arXiv 1502.03167) in training: each index of `axis`,
  /// the channels, is normalised over all other axes. The running mean and variance become, as
  /// effects, what they are after this batch.
  ///
  /// - Parameters:
  ///   - x: [batch, channels, …].
  ///   - mean: A state [channels], as `variance`; `scale` and `bias` are parameters [channels].
  ///   - momentum: The weight of this batch in the running moments.
  public mutating func batchNorm(
    training x: ValueID, scale: ValueID, bias: ValueID, mean: ValueID, variance: ValueID,
    axis: Int = 1, epsilon: Double = 1e-5, momentum: Double = 0.1, name: String? = nil
  ) throws(GraphError) -> ValueID {
    try check(x)
    let (value, sums, count) = try normalized(
      x, over: self[x].others(than: [axis]), epsilon: epsilon,
      parameters: (scale, bias, [axis]), name: name)
    let next = try apply(
      Operators.RunningMoments(momentum: momentum, count: max(count, 1)),
      to: [mean, variance, sums],
      name: name.map { "\($0).\(Operators.RunningMoments.kind)" })
    try effect(mean, becomes: next[0])
    try effect(variance, becomes: next[1])
    return value
  }

  /// Batch normalisation in evaluation: by the running mean and variance.
  public mutating func batchNorm(
    evaluating x: ValueID, scale: ValueID, bias: ValueID, mean: ValueID, variance: ValueID,
    axis: Int = 1, epsilon: Double = 1e-5, name: String? = nil
  ) throws(GraphError) -> ValueID {
    try single(
      Operators.FixedNormalization(along: [axis], epsilon: epsilon),
      [x, mean, variance, scale, bias],
      name: name)
  }

  /// Layer normalisation (Ba, Kiros and Hinton, arXiv 1607.06450): over the last axes, along which
  /// scale and bias live.
  public mutating func layerNorm(
    _ x: ValueID, scale: ValueID, bias: ValueID, epsilon: Double = 1e-5, name: String? = nil
  ) throws(GraphError) -> ValueID {
    try check(x)
    try check(scale)
    let (all, own) = (self[x].axes.count, self[scale].axes.count)
    let axes = Array(max(all - own, 0)..<all)
    return try normalize(
      x, over: axes, epsilon: epsilon, parameters: (scale, bias, axes), name: name)
  }

  /// Group normalisation (Wu and He, arXiv 1803.08494): over the channels of each group and all
  /// further axes, for each sample.
  ///
  /// - Parameters:
  ///   - x: [batch, channels, …].
  ///   - groups: A divisor of the channels.
  ///   - scale: [channels], as `bias`.
  public mutating func groupNorm(
    _ x: ValueID, groups: Int, scale: ValueID, bias: ValueID, epsilon: Double = 1e-5,
    name: String? = nil
  ) throws(GraphError) -> ValueID {
    try check(x)
    let axes = self[x].axes
    guard axes.count >= 2 else {
      throw .misfit(
        .dimensions(input: 0, expected: 2), node: name ?? "group-norm", operator: "group-norm",
        inputs: [self[x]])
    }
    let channels = axes[1].extent
    let grouped = [
      Axis("group", axes[1].role, max(groups, 0)),
      axes[1].with(extent: groups > 0 ? channels / groups : 0),
    ]
    return try scope(name ?? freeName("group-norm")) { (builder) throws(GraphError) in
      let inside = try builder.reshape(x, to: [axes[0]] + grouped + axes[2...])
      let scale = try builder.reshape(scale, to: grouped)
      let bias = try builder.reshape(bias, to: grouped)
      let value = try builder.normalize(
        inside, over: Array(2...axes.count), epsilon: epsilon, parameters: (scale, bias, [1, 2]))
      return try builder.reshape(value, to: axes)
    }
  }
}
