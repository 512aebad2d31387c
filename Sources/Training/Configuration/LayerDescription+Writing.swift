import Graph
import Planning

/// Layers as a configuration has them, on one line; what is as it would be anyway is left out.
extension LayerDescription {
  var yaml: String {
    let own = kind.settings
    let settings = (name.map { [("name", quoted($0))] } ?? []) + own
    return settings.isEmpty ? kind.word : "{\(kind.word): \(flow(settings))}"
  }
}

extension [LayerDescription] {
  var yaml: String { flow(map(\.yaml)) }
}

extension [FactorizationRule] {
  var yaml: String {
    flow(map { flow([(quoted($0.pattern), $0.factorization.ruleYAML)]) })
  }
}

private typealias Setting = (key: String, text: String)

private func flow(_ settings: [Setting]) -> String {
  "{\(settings.map { "\($0.key): \($0.text)" }.joined(separator: ", "))}"
}

private func flow(_ list: [String]) -> String { "[\(list.joined(separator: ", "))]" }

/// A list of one entry is that entry.
private func short<Value>(_ list: [Value], _ text: (Value) -> String) -> String {
  list.count == 1 ? text(list[0]) : flow(list.map(text))
}

private func short(_ list: [Int]) -> String { short(list) { "\($0)" } }

extension LayerDescription.Kind {
  fileprivate var settings: [Setting] {
    switch self {
    case .sequence(let layers): [("layers", layers.yaml)]
    case .residual(let main, let shortcut):
      [("main", main.yaml)] + (shortcut.isEmpty ? [] : [("shortcut", shortcut.yaml)])
    case .branch(let branches, let join):
      [("branches", flow(branches.map(\.yaml))), ("join", join.rawValue)]
    case .repetition(let count, let layers): [("count", "\(count)"), ("layers", layers.yaml)]
    case .convolution(let settings): settings.yaml
    case .linear(let settings): settings.yaml
    case .einsum(let settings): settings.yaml
    case .norm(let settings): settings.yaml
    case .dropout(let rate): [("rate", "\(rate)")]
    case .maxPool(let settings), .averagePool(let settings): settings.yaml
    case .map, .globalMean, .flatten, .softmax: []
    }
  }
}

extension ConvolutionSettings {
  fileprivate var yaml: [Setting] {
    let usual = ConvolutionSettings(channels: channels, kernel: 1)
    var result: [Setting] = [("channels", "\(channels)"), ("kernel", short(kernel))]
    if stride != usual.stride { result.append(("stride", short(stride))) }
    if dilation != usual.dilation { result.append(("dilation", short(dilation))) }
    if padding != usual.padding {
      let format = ConfigurationValue<ConvRule.Padding>.padding.format
      result.append(("padding", short(padding, format)))
    }
    if let dimensions { result.append(("dimensions", "\(dimensions)")) }
    if groups != usual.groups { result.append(("groups", "\(groups)")) }
    if interleavedGroups != usual.interleavedGroups {
      result.append(("interleavedGroups", "\(interleavedGroups)"))
    }
    result += factorization.yaml
    if bias != usual.bias { result.append(("bias", "\(bias)")) }
    if initialization != usual.initialization {
      result.append(("initialization", initialization.rawValue))
    }
    return result
  }
}

extension Factorization {
  fileprivate var yaml: [Setting] {
    guard !isDense else { return [] }
    return switch size {
    case .compression(let compression): [("form", form), ("compression", "\(compression)")]
    case .rank(let rank): [("form", form), ("rank", "\(rank)")]
    }
  }

  fileprivate var ruleYAML: String { isDense ? "{form: dense}" : flow(yaml) }
}

extension LinearSettings {
  fileprivate var yaml: [Setting] {
    let usual = LinearSettings()
    var result: [Setting] = outputs.map { [("outputs", "\($0)")] } ?? []
    result += factorization.yaml
    if bias != usual.bias { result.append(("bias", "\(bias)")) }
    if initialization != usual.initialization {
      result.append(("initialization", initialization.rawValue))
    }
    return result
  }
}

extension EinsumSettings {
  fileprivate var yaml: [Setting] {
    var result: [Setting] = [("expression", quoted(expression))]
    if !parameters.isEmpty { result.append(("parameters", flow(parameters.map(\.yaml)))) }
    if rules != EinsumSettings(expression).rules {
      let kind = rules.all.kind == .convolution ? ["*:kind=convolution"] : []
      result.append(("rules", flow((rules.options + kind).map(quoted))))
    }
    if !roles.isEmpty {
      let roles = roles.sorted { $0.key < $1.key }.map { (quoted($0.key), $0.value.rawValue) }
      result.append(("roles", flow(roles)))
    }
    return result
  }
}

extension EinsumSettings.Parameter {
  fileprivate var yaml: String {
    var result: [Setting] = [("name", name), ("shape", flow(shape.map { "\($0)" }))]
    switch initialization {
    case .normal(let deviation): result.append(("initialization", "{normal: \(deviation)}"))
    case .uniform(let bound): result.append(("initialization", "{uniform: \(bound)}"))
    case .constant(let number): result.append(("initialization", "{constant: \(number)}"))
    case nil: break
    }
    if !decays { result.append(("decays", "false")) }
    return flow(result)
  }
}

extension NormSettings {
  fileprivate var yaml: [Setting] {
    var result: [Setting] =
      switch kind {
      case .batch: [("kind", "batch")]
      case .layer: [("kind", "layer")]
      case .group(let groups): [("kind", "group"), ("groups", "\(groups)")]
      }
    let usual = NormSettings(kind)
    if epsilon != usual.epsilon { result.append(("epsilon", "\(epsilon)")) }
    if momentum != usual.momentum { result.append(("momentum", "\(momentum)")) }
    return result
  }
}

extension PoolSettings {
  fileprivate var yaml: [Setting] {
    var result: [Setting] = [("window", short(window))]
    if let stride { result.append(("stride", short(stride))) }
    if padding != [0] { result.append(("padding", short(padding))) }
    return result
  }
}
