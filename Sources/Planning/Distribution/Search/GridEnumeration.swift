import Partitioning

/// All grids of one step on one mesh: every rank axis cuts a mode or is left for replication.
///
/// An axis cuts a mode only where that makes its largest part smaller, unless ranks may be idle. The order of a mode's axes
/// matters, for it says which rank has which part. Of grids that differ in an exchange of axes of
/// equal extent `isCanonical` keeps one: that only renames the ranks, which is right for one step of
/// every tree.
struct GridEnumeration {
  struct Candidate {
    let grid: StepGrid
    /// Multiply-adds of the busiest rank, over all slices.
    let macs: Double
    /// Whether every axis cuts a mode, none into more parts than it has indices.
    let isFull: Bool
  }

  let modes: StepModes
  let mesh: Mesh
  let slicedMode: Int?
  let isCanonical: Bool
  /// Whether a mode may be cut into more parts than it has indices: the ranks left without one then
  /// do nothing, and hold nothing, where they could do what others do.
  let mayIdle: Bool

  /// - Parameter axes: the rank axes that may be used; the others hold the terms of sums.
  func candidates(axes: [Int]) -> [Candidate] {
    let entries = modes.entries.filter { modes.cuttable.contains($0.mode) && $0.mode != slicedMode }
    var lists = [[Int]](repeating: [], count: entries.count)
    var parts = [Int](repeating: 1, count: entries.count)
    var candidates: [Candidate] = []
    let slicedEntry = modes.entries.first { $0.mode == slicedMode }
    let fixed = modes.entries.filter { entry in !entries.contains { $0.mode == entry.mode } }
      .reduce(1.0) { $0 * Double($1.extent) * Double($1.taps) }

    func emit(replicated: Bool) {
      var macs = fixed
      var cuts: [StepGrid.ModeCut] = []
      var isFull = !replicated && axes.count == mesh.axes.count
      for (index, entry) in entries.enumerated() {
        let part = (entry.extent + parts[index] - 1) / parts[index]
        macs *= Double(part) * Double(entry.taps)
        if parts[index] > entry.extent { isFull = false }
        if !lists[index].isEmpty {
          cuts.append(.init(mode: entry.mode, extent: entry.extent, axes: lists[index]))
        }
      }
      if let slicedEntry {
        cuts.append(
          .init(
            mode: slicedEntry.mode, extent: slicedEntry.extent, axes: Array(mesh.sliceAxes)))
      }
      candidates.append(
        Candidate(grid: StepGrid(mesh: mesh, cuts: cuts), macs: macs, isFull: isFull))
    }

    /// `place`, `slot`: where the axis before went, for canonical grids.
    func assign(_ position: Int, replicated: Bool, place: Int, slot: Int) {
      guard position < axes.count else { return emit(replicated: replicated) }
      let axis = axes[position]
      let extent = mesh.axes[axis]
      let isRepeated =
        isCanonical && position > 0 && mesh.axes[axes[position - 1]] == extent
      for index in (isRepeated ? min(place, entries.count) : 0)..<entries.count
      where mayIdle || parts[index] < entries[index].extent {
        parts[index] *= extent
        let count = lists[index].count
        for slot in (isRepeated && index == place ? slot + 1 : 0)...count {
          lists[index].insert(axis, at: slot)
          assign(position + 1, replicated: replicated, place: index, slot: slot)
          lists[index].remove(at: slot)
        }
        parts[index] /= extent
      }
      assign(position + 1, replicated: extent > 1 || replicated, place: entries.count, slot: 0)
    }
    assign(0, replicated: false, place: 0, slot: 0)
    return candidates
  }
}

/// In how many ways axes are given to dimensions.
enum Refinement {
  /// All to one dimension, and none of more parts than its indices if that can be.
  case together
  /// To any dimensions in any order, but to none of more parts than its indices if that can be.
  case even
  /// To any dimensions in any order.
  case any
}

extension Layout {
  /// This layout with some of its partial or replication axes cutting dimensions instead, within
  /// the parts that there are.
  ///
  /// A scalar, which cannot be cut, is left replicated along them.
  func refinements(by axes: [Int], _ refinement: Refinement) -> [Layout] {
    let keptPartial = partialAxes.filter { !axes.contains($0) }
    func layout(_ lists: [[Int]]) -> Layout {
      Layout(
        mesh: mesh,
        cuts: zip(cuts, lists).map { Cut(extent: $0.extent, axes: $0.axes + $1) },
        partialAxes: keptPartial)
    }
    let none = cuts.map { _ in [Int]() }
    if axes.isEmpty || cuts.isEmpty { return [layout(none)] }
    var places: [[[Int]]] = []
    switch refinement {
    case .together:
      places = cuts.indices.map { dimension in cuts.indices.map { $0 == dimension ? axes : [] } }
    case .even, .any:
      places = [none]
      for axis in axes {
        places = places.flatMap { lists in
          lists.indices.flatMap { dimension in
            (0...lists[dimension].count).map { slot in
              var next = lists
              next[dimension].insert(axis, at: slot)
              return next
            }
          }
        }
      }
    }
    if refinement == .any { return places.map(layout) }
    // Parts beyond the extent are empty: only where nothing else is left.
    let roomy = places.filter { lists in
      cuts.indices.allSatisfy { dimension in
        let added = lists[dimension].reduce(1) { $0 * mesh.extent($1) }
        return added == 1 || parts(dimension) * added <= cuts[dimension].extent
      }
    }
    return (roomy.isEmpty ? places : roomy).map(layout)
  }
}
