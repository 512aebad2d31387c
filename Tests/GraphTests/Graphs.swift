import Graph
import Planning

/// A residual network as small as can be, with all that belongs to a training step: convolution,
/// batch normalisation with running moments, ReLU, a residual sum with a strided shortcut, pools,
/// a linear layer and a mean loss.
func residualNetwork(type: ElementType = .float64) throws(GraphError) -> Graph {
  var builder = GraphBuilder()
  let images = try builder.input(
    "images", type,
    [
      Axis("batch", .batch, 2), Axis("channel", .channel, 2), Axis("height", .space, 4),
      Axis("width", .space, 3),
    ])
  let labels = try builder.input("labels", .int32, [Axis("batch", .batch, 2)])
  var x = try builder.scope("stem") { (builder) throws(GraphError) in
    let y = try convolution(&builder, images, channels: 3, kernel: 3, name: "conv")
    return try builder.relu(normalized(&builder, y, name: "norm"))
  }
  x = try builder.maxPool(
    x, [2, 3].map { PoolWindow(axis: $0, extent: 3, stride: 1, padding: 1) }, name: "pool")
  x = try builder.scope("layer1.0") { (builder) throws(GraphError) in
    var main = try convolution(&builder, x, channels: 4, kernel: 3, stride: 2, name: "conv1")
    main = try normalized(&builder, main, name: "norm1")
    let shortcut = try convolution(
      &builder, x, channels: 4, kernel: 1, stride: 2, name: "shortcut")
    return try builder.relu(builder.add([main, shortcut]))
  }
  x = try builder.mean(x, over: [2, 3], name: "mean")
  let logits = try builder.scope("fc") { (builder) throws(GraphError) in
    let classes = Axis("class", .channel, 4)
    let weight = try builder.parameter("weight", type, [classes, builder[x].axes[1]])
    let bias = try builder.parameter("bias", type, [classes], decays: false)
    let product = try builder.contraction("bs,ts->bt", [x, weight])
    return try builder.add(bias, to: product, along: [1])
  }
  let sum = try builder.crossEntropy(logits, labels, labelSmoothing: 0.1, name: "loss.sum")
  try builder.result("loss", builder.scale(sum, by: 0.5, name: "loss.mean"))
  try builder.result("correct", builder.single(Operators.CorrectCount(), [logits, labels]))
  return try builder.build()
}

private func convolution(
  _ builder: inout GraphBuilder, _ x: ValueID, channels: Int, kernel: Int, stride: Int = 1,
  name: String
) throws(GraphError) -> ValueID {
  let axes = builder[x].axes
  let weight = try builder.parameter(
    "\(name).weight", builder[x].type,
    [
      Axis("channel", .channel, channels), axes[1], Axis("height", .other, kernel),
      Axis("width", .other, kernel),
    ])
  let padding = kernel / 2
  let rule = ConvRule(
    stride: stride, padding: .explicit(low: padding, high: padding), kind: .correlation)
  return try builder.contraction(
    "bshw,tshw->bthw|hw", [x, weight], rules: ConvRules(all: rule), name: name)
}

private func normalized(
  _ builder: inout GraphBuilder, _ x: ValueID, name: String
) throws(GraphError) -> ValueID {
  let (type, channels) = (builder[x].type, [builder[x].axes[1]])
  let scale = try builder.parameter("\(name).weight", type, channels, decays: false)
  let bias = try builder.parameter("\(name).bias", type, channels, decays: false)
  let mean = try builder.state("\(name).running_mean", type, channels)
  let variance = try builder.state("\(name).running_var", type, channels)
  return try builder.batchNorm(
    training: x, scale: scale, bias: bias, mean: mean, variance: variance, name: name)
}

/// Elements for all sources, small enough for a network of them; labels are classes 0, 1, 2, ….
func drawnSources(of graph: Graph, seed: UInt64 = 5) -> [String: DoubleTensor] {
  var draws = SeededDraws(seed: seed)
  var sources: [String: DoubleTensor] = [:]
  for source in graph.sources {
    let value = graph[source.value]
    sources[value.name] =
      value.type == .int32
      ? DoubleTensor(value.shape, (0..<value.count).map(Double.init)) : draws.tensor(value.shape)
  }
  return sources
}
