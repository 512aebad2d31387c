import Partitioning

/// What one redistribution moves into the ranks, over all slices.
struct MoveVolume: Hashable {
  /// Of the rank that receives most.
  var elements = 0.0
  /// Other ranks that send to the rank to which most of them do.
  var messages = 0.0
  /// Whether any rank receives anything from another node.
  var crossesNodes = false
}

/// The layouts that a search meets, each once, and what it costs to go from one to another.
///
/// Volumes are exact for up to `sampledRanks` ranks and four slices.
final class LayoutPool {
  private struct Extents {
    let layout: Layout
    /// Of every dimension and sampled rank, at d · samples + s.
    var lower: [Int] = []
    var upper: [Int] = []
    /// Elements, of all slices.
    var largestBox = 0.0
    let shape: [Int]
    /// Into which each dimension is cut.
    let parts: [Int]

    init(_ layout: Layout) {
      self.layout = layout
      shape = layout.shape
      parts = layout.cuts.indices.map { layout.parts($0) }
    }
  }

  private struct Pair: Hashable {
    let source: Int
    let target: Int
  }

  /// What one rank receives at one slice, its own share included.
  private struct Share {
    var elements: Int
    var own = 1
    /// Ranks that have any of it, and, if that is of interest, the first and the last of them.
    var senders: Int
    let isPlaced: Bool
    var first: Int
    var last: Int
  }

  let mesh: Mesh
  /// The ranks that are looked at: all, or of a large mesh those at the ends and in the middle of
  /// every axis, among which are the largest parts and the inner ones.
  private let samples: [Int]
  private let sampledSlices: [Int]
  private let ranksPerNode: Int
  /// Of the rank axes.
  private let strides: [Int]
  private var numbers: [Layout: Int] = [:]
  private var entries: [Extents] = []
  private var volumes: [Pair: MoveVolume] = [:]

  static let sampledRanks = 64

  private let effort: SearchEffort

  init(mesh: Mesh, ranksPerNode: Int, effort: SearchEffort = SearchEffort()) {
    self.effort = effort
    self.mesh = mesh
    self.ranksPerNode = ranksPerNode
    strides = mesh.axes.indices.map { mesh.stride($0) }
    samples =
      mesh.ranks <= Self.sampledRanks
      ? Array(0..<mesh.ranks)
      : mesh.axes.indices.reduce([0]) { ranks, axis in
        let extent = mesh.axes[axis]
        let coordinates = Set([0, extent / 2, extent - 1]).sorted()
        return ranks.flatMap { rank in coordinates.map { rank + $0 * mesh.stride(axis) } }
      }
    let slices = mesh.sliceCount
    sampledSlices = slices <= 4 ? Array(0..<slices) : [0, slices / 2, slices - 1]
  }

  subscript(number: Int) -> Layout { entries[number].layout }

  func number(_ layout: Layout) -> Int {
    if let number = numbers[layout] { return number }
    numbers[layout] = entries.count
    entries.append(extents(of: layout))
    return entries.count - 1
  }

  private func extents(of layout: Layout) -> Extents {
    var extents = Extents(layout)
    guard !layout.isSliced else {
      for slice in sampledSlices {
        for rank in samples {
          extents.largestBox = max(
            extents.largestBox, Double(layout.box(of: rank, slice: slice).count))
        }
      }
      return extents
    }
    var counts = samples.map { _ in 1.0 }
    for dimension in layout.cuts.indices {
      for (sample, rank) in samples.enumerated() {
        let range = layout.range(dimension, part: layout.part(dimension, rank: rank))
        extents.lower.append(range.lowerBound)
        extents.upper.append(range.upperBound)
        counts[sample] *= Double(range.count)
      }
    }
    extents.largestBox = counts.max() ?? 0
    return extents
  }

  /// Elements of the largest box of a layout, of all slices.
  func largestBox(_ number: Int) -> Double { entries[number].largestBox }

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
    let isRepeated = source.layout.isSliced || target.layout.isSliced
    let isPlain =
      !isRepeated && !source.layout.hasWindows
      && target.layout.cuts.allSatisfy { !($0.window?.circular ?? false) }
      && Set(target.layout.partialAxes).isSubset(of: source.layout.partialAxes)
    let cutting = Set(source.layout.cuts.flatMap(\.axes))
    let summed = redistribution.summedAxes
    let fixed = mesh.axes.indices.filter { !cutting.contains($0) && !summed.contains($0) }
    let slices = isRepeated ? sampledSlices : [0]
    effort.count += 1 + slices.count * samples.count / (isPlain ? 16 : 2)
    let terms = summed.reduce(1) { $0 * mesh.axes[$1] }
    let span = summed.reduce(0) { $0 + (mesh.axes[$1] - 1) * strides[$1] }
    var volume = MoveVolume()
    for slice in slices {
      var elements = 0
      var messages = 0
      for (sample, rank) in samples.enumerated() {
        let isPlaced = mesh.ranks > ranksPerNode && !volume.crossesNodes
        let base =
          isPlaced
          ? fixed.reduce(0) { $0 + rank / strides[$1] % mesh.axes[$1] * strides[$1] } : 0
        var share = Share(
          elements: terms, senders: terms, isPlaced: isPlaced, first: base, last: base + span)
        if isPlain {
          addPlain(source, target, sample: sample, to: &share)
        } else {
          add(redistribution, rank: rank, slice: slice, to: &share)
        }
        guard share.elements > share.own else { continue }
        elements = max(elements, share.elements - share.own)
        messages = max(messages, share.senders - (share.own > 0 ? 1 : 0))
        let node = rank / ranksPerNode
        if isPlaced && (share.first / ranksPerNode != node || share.last / ranksPerNode != node) {
          volume.crossesNodes = true
        }
      }
      volume.elements += Double(elements)
      volume.messages += Double(messages)
    }
    let scale = isRepeated ? Double(mesh.sliceCount) / Double(slices.count) : 1
    volume.elements *= scale
    volume.messages *= scale
    return volume
  }

  /// A source that covers the tensor once, per term of a sum: what a rank receives is what it wants
  /// but for what it has, and comes from consecutive parts.
  private func addPlain(
    _ source: Extents, _ target: Extents, sample: Int, to share: inout Share
  ) {
    for dimension in source.shape.indices {
      let at = dimension * samples.count + sample
      let (low, high) = (target.lower[at], target.upper[at])
      share.elements *= high - low
      share.own *= max(0, min(high, source.upper[at]) - max(low, source.lower[at]))
      let (extent, parts) = (source.shape[dimension], source.parts[dimension])
      guard parts > 1 && high > low else { continue }
      let first = EvenPartition.part(of: low, extent: extent, parts: parts)
      let last = EvenPartition.part(of: high - 1, extent: extent, parts: parts)
      // Of more parts than indices each holds one index or none.
      share.senders *= parts <= extent ? last - first + 1 : high - low
      guard share.isPlaced else { continue }
      let ends = reach(source.layout.cuts[dimension].axes[...], first, last)
      share.first += ends.first
      share.last += ends.last
    }
  }

  /// The least and the greatest that a rank's coordinates on axes add to its number, over the parts
  /// `first` … `last` that these axes cut.
  private func reach(
    _ axes: ArraySlice<Int>, _ first: Int, _ last: Int
  ) -> (first: Int, last: Int) {
    guard let axis = axes.first else { return (0, 0) }
    let rest = axes.dropFirst()
    let inner = rest.reduce(1) { $0 * mesh.axes[$1] }
    let stride = strides[axis]
    let (low, high) = (first / inner, last / inner)
    if low == high {
      let within = reach(rest, first % inner, last % inner)
      return (low * stride + within.first, low * stride + within.last)
    }
    let head = reach(rest, first % inner, inner - 1)
    let tail = reach(rest, 0, last % inner)
    var least = min(low * stride + head.first, high * stride + tail.first)
    var most = max(low * stride + head.last, high * stride + tail.last)
    if high - low > 1 {
      least = min(least, (low + 1) * stride)
      most = max(most, rest.reduce((high - 1) * stride) { $0 + (mesh.axes[$1] - 1) * strides[$1] })
    }
    return (least, most)
  }

  /// Any source: part by part.
  private func add(
    _ redistribution: Redistribution, rank: Int, slice: Int, to share: inout Share
  ) {
    let (source, target) = (redistribution.source, redistribution.target)
    for (dimension, cut) in source.cuts.enumerated() {
      let wanted = target.range(
        dimension, part: target.part(dimension, rank: rank, slice: slice))
      let wraps = [cut, target.cuts[dimension]].contains { $0.window?.circular ?? false }
      let period = wraps ? cut.extent : nil
      var elements = 0
      var senders = 0
      var first = Int.max
      var last = 0
      // All combinations of coordinates, but those of slices and of agreeing axes as they are.
      var parts = [(part: 0, offset: 0)]
      for axis in cut.axes {
        let extent = mesh.extent(axis)
        let own = mesh.coordinate(axis: axis, rank: rank, slice: slice)
        let isRank = axis < mesh.axes.count
        let coordinates =
          !isRank || target.partialAxes.contains(axis) ? own..<own + 1 : 0..<extent
        parts = parts.flatMap { part in
          coordinates.map {
            (part.part * extent + $0, part.offset + (isRank ? $0 * strides[axis] : 0))
          }
        }
      }
      for part in parts {
        let common = source.range(dimension, part: part.part).common(wanted, period: period)
        guard common > 0 else { continue }
        elements += common
        senders += 1
        first = min(first, part.offset)
        last = max(last, part.offset)
      }
      share.elements *= elements
      guard elements > 0 else {
        share.own = 0
        return
      }
      let held = source.range(dimension, part: source.part(dimension, rank: rank, slice: slice))
      share.own *= held.common(wanted, period: period)
      share.senders *= senders
      share.first += first
      share.last += last
    }
  }
}

extension Range<Int> {
  /// How many indices two ranges have in common; with a period, modulo it. No range is longer than
  /// the period.
  fileprivate func common(_ other: Range<Int>, period: Int?) -> Int {
    guard let period else { return clamped(to: other).count }
    guard !isEmpty && !other.isEmpty else { return 0 }
    // Shifts of the other range by multiples of the period with which they may meet.
    let least = ((lowerBound - other.upperBound) / period - 1) * period
    return stride(from: least, through: upperBound - other.lowerBound, by: period).reduce(0) {
      $0 + clamped(to: other.lowerBound + $1..<other.upperBound + $1).count
    }
  }
}
