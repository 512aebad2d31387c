import Partitioning

/// The value of a plan, or of a part of it: what the objective counts, and what decides where that
/// is equal. Both add up over the steps.
struct SearchCost: Hashable, Comparable {
  var primary: Double
  var secondary: Double

  static let zero = SearchCost(primary: 0, secondary: 0)
  static let infinite = SearchCost(primary: .infinity, secondary: .infinity)

  static func + (a: SearchCost, b: SearchCost) -> SearchCost {
    SearchCost(primary: a.primary + b.primary, secondary: a.secondary + b.secondary)
  }

  static func < (a: SearchCost, b: SearchCost) -> Bool {
    a.primary != b.primary ? a.primary < b.primary : a.secondary < b.secondary
  }
}

/// What work and traffic are worth under an objective.
struct CostModel: Sendable {
  let objective: Objective
  let machine: MachineModel
  let elementBytes: Double

  /// The work of the busiest rank.
  /// - Parameter elements: that it reads and writes.
  func work(macs: Double, elements: Double) -> SearchCost {
    let seconds = machine.computeSeconds(macs: macs, bytes: elements * elementBytes)
    switch objective {
    case .macs: return SearchCost(primary: macs, secondary: 0)
    case .bytes: return SearchCost(primary: 0, secondary: seconds)
    case .time: return SearchCost(primary: seconds, secondary: 0)
    }
  }

  /// What the rank that receives most receives.
  func traffic(_ move: MoveVolume) -> SearchCost {
    let bytes = move.elements * elementBytes
    let seconds = machine.communicationSeconds(
      messages: move.messages, bytes: bytes, crossesNodes: move.crossesNodes)
    switch objective {
    case .macs: return SearchCost(primary: 0, secondary: bytes)
    case .bytes: return SearchCost(primary: bytes, secondary: seconds)
    case .time: return SearchCost(primary: seconds, secondary: bytes)
    }
  }
}

/// What one redistribution moves into the rank that receives most, over all slices.
struct MoveVolume: Hashable {
  var elements = 0.0
  var messages = 0.0
  var crossesNodes = false
}

/// The layouts that a search meets, each once, and what it costs to go from one to another.
final class LayoutPool {
  private struct Extents {
    let layout: Layout
    /// Of every dimension and sampled rank, at d · samples + s.
    var lower: [Int] = []
    var upper: [Int] = []
  }

  private struct Pair: Hashable {
    let source: Int
    let target: Int
  }

  let mesh: Mesh
  /// The ranks that are looked at: all, or of a large mesh those at the ends and in the middle of
  /// every axis, among which are the largest parts and the inner ones.
  private let samples: [Int]
  private let sampledSlices: [Int]
  private let ranksPerNode: Int
  private var numbers: [Layout: Int] = [:]
  private var entries: [Extents] = []
  private var volumes: [Pair: MoveVolume] = [:]

  static let sampledRanks = 64

  init(mesh: Mesh, ranksPerNode: Int) {
    self.mesh = mesh
    self.ranksPerNode = ranksPerNode
    samples =
      mesh.ranks <= Self.sampledRanks
      ? Array(0..<mesh.ranks)
      : mesh.axes.indices.reduce([0]) { ranks, axis in
        let extent = mesh.axes[axis]
        let coordinates = Set([0, extent / 2, extent - 1]).sorted()
        return ranks.flatMap { rank in coordinates.map { rank + $0 * mesh.stride(axis) } }
      }
    sampledSlices =
      mesh.sliceCount <= 4 ? Array(0..<mesh.sliceCount) : [0, mesh.sliceCount - 1]
  }

  subscript(number: Int) -> Layout { entries[number].layout }

  func number(_ layout: Layout) -> Int {
    if let number = numbers[layout] { return number }
    numbers[layout] = entries.count
    entries.append(extents(of: layout))
    return entries.count - 1
  }

  private func extents(of layout: Layout) -> Extents {
    var extents = Extents(layout: layout)
    guard !layout.isSliced else { return extents }
    for dimension in layout.cuts.indices {
      for rank in samples {
        let range = layout.range(dimension, part: layout.part(dimension, rank: rank))
        extents.lower.append(range.lowerBound)
        extents.upper.append(range.upperBound)
      }
    }
    return extents
  }

  /// Elements of the largest box of a layout, at one slice.
  func largestBox(_ number: Int) -> Double {
    let entry = entries[number]
    guard !entry.layout.isSliced else {
      return samples.reduce(0.0) { most, rank in
        max(most, Double(entry.layout.box(of: rank).count))
      }
    }
    var largest = 0.0
    for sample in samples.indices {
      var count = 1.0
      for dimension in entry.layout.cuts.indices {
        let at = dimension * samples.count + sample
        count *= Double(entry.upper[at] - entry.lower[at])
      }
      largest = max(largest, count)
    }
    return largest
  }

  func volume(from source: Int, to target: Int) -> MoveVolume {
    if source == target { return MoveVolume() }
    let key = Pair(source: source, target: target)
    if let known = volumes[key] { return known }
    let volume = measure(entries[source], entries[target])
    volumes[key] = volume
    return volume
  }

  private func measure(_ source: Extents, _ target: Extents) -> MoveVolume {
    let redistribution = Redistribution(from: source.layout, to: target.layout)
    if redistribution.isIdentity { return MoveVolume() }
    let isPlain =
      !source.layout.isSliced && !target.layout.isSliced && !source.layout.hasWindows
      && target.layout.cuts.allSatisfy { !($0.window?.circular ?? false) }
      && target.layout.partialAxes
        == source.layout.partialAxes.filter {
          target.layout.partialAxes.contains($0)
        }
    var volume = isPlain ? measurePlain(source, target) : measureAny(redistribution)
    volume.crossesNodes = crossesNodes(redistribution)
    return volume
  }

  /// A source that covers the tensor once, per term of a sum: what a rank receives is what it wants
  /// but for what it has.
  private func measurePlain(_ source: Extents, _ target: Extents) -> MoveVolume {
    var volume = MoveVolume()
    let terms = source.layout.partialAxes.filter { !target.layout.partialAxes.contains($0) }
      .reduce(1) { $0 * mesh.extent($1) }
    let parts = source.layout.cuts.indices.map { source.layout.parts($0) }
    let shape = source.layout.shape
    for sample in samples.indices {
      var wanted = terms
      var own = 1
      var messages = terms
      for dimension in shape.indices {
        let at = dimension * samples.count + sample
        let (low, high) = (target.lower[at], target.upper[at])
        wanted *= high - low
        own *= max(0, min(high, source.upper[at]) - max(low, source.lower[at]))
        if parts[dimension] > 1 && high > low {
          messages *=
            EvenPartition.part(of: high - 1, extent: shape[dimension], parts: parts[dimension])
            - EvenPartition.part(of: low, extent: shape[dimension], parts: parts[dimension]) + 1
        }
      }
      volume.elements = max(volume.elements, Double(wanted - own))
      if wanted > own {
        volume.messages = max(volume.messages, Double(messages - (own > 0 ? 1 : 0)))
      }
    }
    return volume
  }

  private func measureAny(_ redistribution: Redistribution) -> MoveVolume {
    var volume = MoveVolume()
    let isRepeated = redistribution.source.isSliced || redistribution.target.isSliced
    let slices = isRepeated ? sampledSlices : [0]
    for slice in slices {
      var most = 0
      for rank in samples { most = max(most, redistribution.received(by: rank, slice: slice)) }
      volume.elements += Double(most)
      if most > 0 {
        let peers = redistribution.source.cuts.flatMap(\.axes) + redistribution.summedAxes
        let changed = peers.filter { $0 < mesh.axes.count && changes($0, redistribution) }
        volume.messages += Double(changed.reduce(1) { $0 * mesh.extent($1) } - 1)
      }
    }
    if isRepeated {
      let scale = Double(mesh.sliceCount) / Double(slices.count)
      volume.elements *= scale
      volume.messages *= scale
    }
    return volume
  }

  /// Whether ranks that differ on this axis exchange anything.
  private func changes(_ axis: Int, _ redistribution: Redistribution) -> Bool {
    if redistribution.summedAxes.contains(axis) { return true }
    return zip(redistribution.source.cuts, redistribution.target.cuts).contains { from, to in
      (from.axes.contains(axis) || to.axes.contains(axis))
        && (from.axes != to.axes || from.window != to.window)
    }
  }

  /// Whether some of it travels between nodes: ranks are placed on nodes in order.
  private func crossesNodes(_ redistribution: Redistribution) -> Bool {
    guard mesh.ranks > ranksPerNode else { return false }
    return mesh.axes.indices.contains { axis in
      let span = mesh.stride(axis) * mesh.axes[axis]
      return (span > ranksPerNode || !ranksPerNode.isMultiple(of: span))
        && changes(axis, redistribution)
    }
  }
}
