import Graph
import Planning

/// Layers that are contractions with parameters: convolutions, linear maps, expressions.
extension GraphMaker {
  mutating func convolution(
    _ settings: ConvolutionSettings, _ x: ValueID, _ parts: inout LayerParts
  ) throws -> ValueID {
    let axes = try placeAxes(x, parts, dimensions: settings.dimensions)
    let kernel = try each(settings.kernel, "kernel", axes, x, parts)
    let stride = try each(settings.stride, "stride", axes, x, parts)
    let dilation = try each(settings.dilation, "dilation", axes, x, parts)
    let padding = try spread(settings.padding, "padding", axes, x, parts)
    for case .explicit(let low, let high) in padding {
      try checkRange(low, "padding", 0...1 << 20, parts)
      try checkRange(high, "padding", 0...1 << 20, parts)
    }
    let shape = try kernelShape(x, settings.channels, "channels", kernel, parts)
    let factorization = factorization(settings.factorization, of: parts.name)
    let (form, part) = try form(settings, factorization, shape, parts)
    let rules = zip(stride.indices, stride).map { index, stride in
      ConvRule(
        stride: stride, dilation: dilation[index], padding: padding[index], kind: .correlation,
        feature: 0)
    }
    // Of equal rules one is enough.
    let all = Set(rules).count == 1
    let names = form.spaceModes.map(\.name)
    let product = Product(
      form: form, kernel: part, rank: try rank(form, part, factorization, parts),
      passing: form.spaceModes,
      rules: ConvRules(
        all: all ? rules[0] : ConvRule(),
        byMode: all ? [:] : Dictionary(zip(names, rules)) { first, _ in first }),
      outputs: settings.channels, gain: 2,
      dense: settings.initialization == .fanOut
        ? .normal(standardDeviation: (2 / Double(part.fanOut)).squareRoot()) : nil,
      bias: settings.bias ? .constant(0) : nil)
    return try add(product, x, &parts)
  }

  mutating func linear(
    _ settings: LinearSettings, _ x: ValueID, _ parts: inout LayerParts
  ) throws -> ValueID {
    let outputs = settings.outputs ?? classes
    let shape = try kernelShape(x, outputs, "outputs", [], parts)
    let factorization = factorization(settings.factorization, of: parts.name)
    let form = try form(factorization, dimensions: 0, parts)
    let isUniform = settings.initialization == .uniform
    let bound = ParameterInitialization.uniform(bound: 1 / Double(shape.fanIn).squareRoot())
    // Numbers uniform within ±a have the variance a²/3.
    let product = Product(
      form: form, kernel: shape, rank: try rank(form, shape, factorization, parts),
      passing: Form.spaceModes(min(builder[x].axes.count - 2, 3)), rules: ConvRules(),
      outputs: outputs, gain: isUniform ? 1.0 / 3 : 1, dense: isUniform ? bound : nil,
      bias: settings.bias ? (isUniform ? bound : .constant(0)) : nil)
    return try add(product, x, &parts)
  }

  /// A product of a value and the factors of a form.
  private struct Product {
    let form: Form
    /// Of one group.
    let kernel: KernelShape
    let rank: Int
    /// The axes between samples and channels.
    let passing: [Mode]
    let rules: ConvRules
    /// Channels, of all groups together.
    let outputs: Int
    let gain: Double
    /// How the only factor begins, if not as a form's.
    let dense: ParameterInitialization?
    let bias: ParameterInitialization?
  }

  private mutating func add(
    _ product: Product, _ x: ValueID, _ parts: inout LayerParts
  ) throws -> ValueID {
    let (form, kernel) = (product.form, product.kernel)
    let extents = form.extents(kernel, rank: product.rank)
    let deviations = form.standardDeviations(kernel, rank: product.rank, gain: product.gain)
    var factors: [ValueID] = []
    for (modes, deviation) in zip(form.factors, deviations) {
      let isWhole =
        form.name == "dense" && (network.naming == .pyTorch || form.spaceModes.isEmpty)
      let name = isWhole ? "weight" : modes.map(\.name).joined(separator: "_")
      let axes = modes.map { Axis(form.axisName($0), form.axisRole($0), extents[$0] ?? 1) }
      let initialization = form.name == "dense" ? product.dense : nil
      factors.append(
        try parameter(
          name, axes, initialization ?? .normal(standardDeviation: deviation), of: &parts))
    }
    let count = factors.reduce(0) { $0 + builder[$1].count }
    if form.name != "dense" {
      parts.factors = LayerSummary.Factors(
        form: form.name, rank: product.rank,
        compression: Double(count) / Double(kernel.count * form.groups))
    }
    return try contract(product, x, factors, extents, &parts)
  }

  private mutating func contract(
    _ product: Product, _ x: ValueID, _ factors: [ValueID], _ extents: [Mode: Int],
    _ parts: inout LayerParts
  ) throws -> ValueID {
    let form = product.form
    let modes = (form.groupMode.map { [$0] } ?? []) + form.inputModes
    let outer = Array(builder[x].axes.dropLast())
    var value = x
    // Several modes of channels are one in row-major order.
    let isReshaped = modes.count > 1
    if isReshaped {
      let inner = modes.map { Axis($0.name, .channel, extents[$0] ?? 1) }
      value = try builder.reshape(x, to: outer + inner, name: "\(parts.name).channels")
    }
    let isLast = !isReshaped && product.bias == nil
    parts.expression = form.expression(passing: ["b"] + product.passing)
    parts.contraction = builder.nodeCount
    value = try builder.contraction(
      parts.expression ?? "", [value] + factors, rules: product.rules,
      name: isLast ? parts.name : "\(parts.name).product")
    if isReshaped {
      let kept = builder[value].axes.prefix(outer.count)
      value = try builder.reshape(
        value, to: kept + [Axis("channel", .channel, product.outputs)],
        name: product.bias == nil ? parts.name : "\(parts.name).joined")
    }
    guard let initialization = product.bias else { return value }
    let bias = try parameter(
      "bias", [Axis("channel", .channel, product.outputs)], initialization, decays: false,
      of: &parts)
    return try builder.add(
      bias, to: value, along: [builder[value].axes.count - 1], name: parts.name)
  }

  // MARK: Forms

  private func form(
    _ settings: ConvolutionSettings, _ factorization: Factorization, _ shape: KernelShape,
    _ parts: LayerParts
  ) throws -> (Form, KernelShape) {
    let (groups, interleaved) = (settings.groups, settings.interleavedGroups)
    try checkRange(groups, "groups", 1...1 << 24, parts)
    try checkRange(interleaved, "interleavedGroups", 1...1 << 24, parts)
    if interleaved > 1 {
      guard groups == 1 else {
        throw LayerError.interleavedBeside(layer: parts.name, setting: "groups")
      }
      guard factorization.isDense else {
        throw LayerError.interleavedBeside(layer: parts.name, setting: "form")
      }
    }
    let (count, setting) =
      interleaved > 1 ? (interleaved, "interleavedGroups") : (groups, "groups")
    guard shape.inputChannels.isMultiple(of: count), shape.outputChannels.isMultiple(of: count)
    else {
      throw LayerError.groups(
        layer: parts.name, setting: setting, groups: count, inputs: shape.inputChannels,
        outputs: shape.outputChannels)
    }
    if interleaved > 1 { return (.interleaved(groups: interleaved, shape), shape) }
    let part = KernelShape(
      inputChannels: shape.inputChannels / groups, outputChannels: shape.outputChannels / groups,
      extents: shape.extents)
    let form = try form(factorization, dimensions: shape.extents.count, parts)
    return (form.grouped(groups), part)
  }

  private func form(
    _ factorization: Factorization, dimensions: Int, _ parts: LayerParts
  ) throws -> Form {
    do throws(NetworkError) {
      return try Form.named(factorization.form, dimensions: dimensions)
    } catch {
      throw LayerError.unknownForm(
        layer: parts.name, form: factorization.form, known: Form.all.map(\.name))
    }
  }

  private func rank(
    _ form: Form, _ kernel: KernelShape, _ factorization: Factorization, _ parts: LayerParts
  ) throws -> Int {
    switch factorization.size {
    case .rank(let rank):
      try checkRange(rank, "rank", 1...1 << 16, parts)
      return form.hasRank ? rank : 1
    case .compression(let compression):
      return try form.rank(ofLayer: parts.name, kernel, compression: compression)
    }
  }

  private func kernelShape(
    _ x: ValueID, _ outputs: Int, _ setting: String, _ kernel: [Int], _ parts: LayerParts
  ) throws -> KernelShape {
    try checkRange(outputs, setting, 1...1 << 24, parts)
    let inputs = builder[x].axes.last?.extent ?? 1
    let shape = KernelShape(inputChannels: inputs, outputChannels: outputs, extents: kernel)
    let all = [outputs, inputs] + kernel
    guard all.reduce(1.0, { $0 * Double($1) }) <= 0x1p40 else {
      throw LayerError.tooLarge(layer: parts.name, shape: all)
    }
    return shape
  }
}

extension Form {
  fileprivate func axisRole(_ mode: Mode) -> AxisRole {
    switch role(mode) {
    case .input, .output, .group: .channel
    case .space: .space
    case .rank, .fixed: .other
    }
  }

  /// The output's channels have this name in every value.
  fileprivate func axisName(_ mode: Mode) -> String {
    groupMode == nil && [mode] == outputModes ? "channel" : mode.name
  }
}
