import Graph
import Planning

/// Layers without contractions, and checks that layers share.
extension GraphMaker {
  mutating func norm(
    _ settings: NormSettings, _ x: ValueID, _ parts: inout LayerParts
  ) throws -> ValueID {
    guard settings.epsilon > 0, settings.epsilon.isFinite else {
      throw LayerError.setting(
        layer: parts.name, setting: "epsilon", value: "\(settings.epsilon)",
        expected: "a number above 0")
    }
    let axes = builder[x].axes
    let channels = [axes[axes.count - 1]]
    let isPyTorch = network.naming == .pyTorch
    let scale = try parameter(
      isPyTorch ? "weight" : "scale", channels, .constant(1), decays: false, of: &parts)
    let bias = try parameter(
      isPyTorch ? "bias" : "shift", channels, .constant(0), decays: false, of: &parts)
    switch settings.kind {
    case .layer:
      return try builder.layerNorm(
        x, scale: scale, bias: bias, epsilon: settings.epsilon, name: parts.name)
    case .group(let groups):
      return try groupNorm(x, groups, (scale, bias), settings.epsilon, parts)
    case .batch:
      let mean = try state(
        isPyTorch ? "running_mean" : "mean", channels, .constant(0), of: parts)
      let variance = try state(
        isPyTorch ? "running_var" : "variance", channels, .constant(1), of: parts)
      switch mode {
      case .training:
        return try builder.batchNorm(
          training: x, scale: scale, bias: bias, mean: mean, variance: variance,
          axis: axes.count - 1, epsilon: settings.epsilon, momentum: settings.momentum,
          name: parts.name)
      case .evaluation:
        return try builder.batchNorm(
          evaluating: x, scale: scale, bias: bias, mean: mean, variance: variance,
          axis: axes.count - 1, epsilon: settings.epsilon, name: parts.name)
      }
    }
  }

  /// Over the places and the channels of a group; [batch, …, group, channel] while it lasts.
  private mutating func groupNorm(
    _ x: ValueID, _ groups: Int, _ parameters: (scale: ValueID, bias: ValueID),
    _ epsilon: Double, _ parts: LayerParts
  ) throws -> ValueID {
    let axes = builder[x].axes
    let last = axes.count - 1
    let channels = axes[last].extent
    try checkRange(groups, "groups", 1...1 << 24, parts)
    guard channels.isMultiple(of: groups) else {
      throw LayerError.groups(
        layer: parts.name, setting: "groups", groups: groups, inputs: channels, outputs: channels)
    }
    let inner = [Axis("group", .channel, groups), axes[last].with(extent: channels / groups)]
    let name = parts.name
    let grouped = try builder.reshape(x, to: axes.dropLast() + inner, name: "\(name).groups")
    let scale = try builder.reshape(parameters.scale, to: inner, name: "\(name).scale")
    let bias = try builder.reshape(parameters.bias, to: inner, name: "\(name).shift")
    let normalized = try builder.normalize(
      grouped, over: Array(1..<last) + [last + 1], epsilon: epsilon,
      parameters: (scale, bias, [last, last + 1]), name: "\(name).normalized")
    return try builder.reshape(normalized, to: axes, name: name)
  }

  mutating func dropout(_ rate: Double, _ x: ValueID, _ parts: LayerParts) throws -> ValueID {
    guard rate >= 0, rate < 1 else {
      throw LayerError.setting(
        layer: parts.name, setting: "rate", value: "\(rate)", expected: "from 0, below 1")
    }
    guard mode == .training else { return x }
    let next = try nextDropout()
    return try builder.dropout(
      x, rate: rate, stream: next.stream, key: next.key, name: parts.name)
  }

  mutating func pool(
    _ settings: PoolSettings, isMaximum: Bool, _ x: ValueID, _ parts: LayerParts
  ) throws -> ValueID {
    let axes = try placeAxes(x, parts)
    let window = try each(settings.window, "window", axes, x, parts)
    let stride = try each(settings.stride ?? settings.window, "stride", axes, x, parts)
    let padding = try each(settings.padding, "padding", axes, x, parts, from: 0)
    let name = parts.name
    return isMaximum
      ? try builder.maxPool(
        x,
        axes.enumerated().map {
          .init(axis: $1, extent: window[$0], stride: stride[$0], padding: padding[$0])
        }, name: name)
      : try builder.averagePool(
        x,
        axes.enumerated().map {
          .init(axis: $1, extent: window[$0], stride: stride[$0], padding: padding[$0])
        }, name: name)
  }

  mutating func flatten(_ x: ValueID, _ parts: LayerParts) throws -> ValueID {
    let axes = builder[x].axes
    let count = axes.dropFirst().reduce(1) { $0 * $1.extent }
    return try builder.reshape(
      x, to: [axes[0], Axis("channel", .channel, count)], name: parts.name)
  }

  // MARK: Checks

  /// The axes between samples and channels.
  func placeAxes(
    _ x: ValueID, _ parts: LayerParts, dimensions: Int? = nil
  ) throws -> [Int] {
    let axes = builder[x].axes
    let inner = axes.count - 2
    guard (1...3).contains(inner), dimensions ?? inner == inner else {
      throw LayerError.dimensions(
        layer: parts.name, kind: parts.kind, dimensions: dimensions, shape: axes.map(\.extent))
    }
    return Array(1...inner)
  }

  /// An entry for each axis.
  func spread<Entry>(
    _ list: [Entry], _ setting: String, _ axes: [Int], _ x: ValueID, _ parts: LayerParts
  ) throws -> [Entry] {
    if list.count == 1 { return axes.map { _ in list[0] } }
    guard list.count == axes.count else {
      throw LayerError.settingCount(
        layer: parts.name, setting: setting, count: list.count,
        shape: builder[x].axes.map(\.extent))
    }
    return list
  }

  /// An entry for each axis, within bounds.
  func each(
    _ list: [Int], _ setting: String, _ axes: [Int], _ x: ValueID, _ parts: LayerParts,
    from least: Int = 1
  ) throws -> [Int] {
    for value in list { try checkRange(value, setting, least...1 << 20, parts) }
    return try spread(list, setting, axes, x, parts)
  }

  func checkRange(
    _ value: Int, _ setting: String, _ range: ClosedRange<Int>, _ parts: LayerParts
  ) throws {
    guard range.contains(value) else {
      throw LayerError.setting(
        layer: parts.name, setting: setting, value: "\(value)",
        expected: "\(range.lowerBound) to \(range.upperBound)")
    }
  }
}
