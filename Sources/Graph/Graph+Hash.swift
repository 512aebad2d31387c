import Planning

extension Graph {
  /// A number that is equal for equal graphs on every machine and in every process: ranks compare
  /// it before they start. (`hashValue` is seeded anew in each process.)
  public var stableHash: UInt64 {
    var hash = StableHash()
    hash.add(values.count)
    for value in values {
      hash.add(value.name)
      hash.add(value.type.rawValue)
      hash.add(value.axes.count)
      for axis in value.axes {
        hash.add(axis.name)
        hash.add(axis.role.rawValue)
        hash.add(axis.extent)
      }
    }
    hash.add(nodes.count)
    for node in nodes {
      hash.add(node.name)
      hash.add(node.operation.kind)
      hash.add(node.operation.base.settings)
      hash.add(node.inputs)
      hash.add(node.outputs)
    }
    hash.add(sources.count)
    for source in sources {
      hash.add(source.kind.code)
      hash.add(source.value.index)
    }
    hash.add(results.count)
    for result in results {
      hash.add(result.name)
      hash.add(result.value.index)
    }
    hash.add(effects.flatMap { [$0.source, $0.becomes] })
    return hash.value
  }
}

extension Graph.Source.Kind {
  fileprivate var code: Int {
    switch self {
    case .input: 0
    case .parameter(let decays): decays ? 1 : 2
    case .state: 3
    }
  }
}

extension StableHash {
  fileprivate mutating func add(_ number: Int) {
    let bits = UInt64(bitPattern: Int64(number))
    for shift in stride(from: UInt64(0), to: 64, by: 8) {
      combine(UInt8(truncatingIfNeeded: bits >> shift))
    }
  }

  /// Lengths are part of what is hashed, so that texts and lists cannot run into each other.
  fileprivate mutating func add(_ text: String) {
    add(text.utf8.count)
    for byte in text.utf8 { combine(byte) }
  }

  fileprivate mutating func add(_ ids: [ValueID]) {
    add(ids.count)
    for id in ids { add(id.index) }
  }
}
