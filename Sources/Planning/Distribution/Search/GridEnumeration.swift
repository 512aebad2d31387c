import Partitioning

/// All grids of one step on one mesh: every rank axis cuts a mode or is left for replication.
///
/// An axis cuts a mode only where that makes its largest part smaller. The order of a mode's axes
/// matters, for it says which rank has which part; `isCanonical` leaves out orders and exchanges of
/// equal axes that only rename ranks, which is right for a step whose operands may start anywhere.
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

    /// `place`: where the axis before went, for canonical grids.
    func assign(_ position: Int, replicated: Bool, place: Int) {
      guard position < axes.count else { return emit(replicated: replicated) }
      let axis = axes[position]
      let extent = mesh.axes[axis]
      let isRepeated =
        isCanonical && position > 0 && mesh.axes[axes[position - 1]] == extent
      for index in (isRepeated ? min(place, entries.count) : 0)..<entries.count
      where parts[index] < entries[index].extent {
        parts[index] *= extent
        let count = lists[index].count
        for slot in (isCanonical ? count : 0)...count {
          lists[index].insert(axis, at: slot)
          assign(position + 1, replicated: replicated, place: index)
          lists[index].remove(at: slot)
        }
        parts[index] /= extent
      }
      assign(position + 1, replicated: extent > 1 || replicated, place: entries.count)
    }
    assign(0, replicated: false, place: 0)
    return candidates
  }
}

extension Layout {
  /// This layout with some of its partial or replication axes cutting dimensions instead, within
  /// the parts that there are: every way to place them, or only those that put all on one dimension.
  ///
  /// A scalar, which cannot be cut, is left replicated along them.
  func refinements(by axes: [Int], allWays: Bool) -> [Layout] {
    let keptPartial = partialAxes.filter { !axes.contains($0) }
    func layout(_ places: [Int]) -> Layout {
      var lists = cuts.map(\.axes)
      for (axis, dimension) in zip(axes, places) { lists[dimension].append(axis) }
      return Layout(
        mesh: mesh, cuts: zip(cuts, lists).map { Cut(extent: $0.extent, axes: $1) },
        partialAxes: keptPartial)
    }
    if axes.isEmpty || cuts.isEmpty {
      return [
        Layout(
          mesh: mesh, cuts: cuts.map { Cut(extent: $0.extent, axes: $0.axes) },
          partialAxes: keptPartial)
      ]
    }
    var places: [[Int]] = [[]]
    if allWays {
      for _ in axes {
        places = places.flatMap { place in cuts.indices.map { place + [$0] } }
      }
    } else {
      places = cuts.indices.map { dimension in axes.map { _ in dimension } }
    }
    // Parts beyond the extent are empty: only where nothing else is left.
    func isRoomy(_ place: [Int]) -> Bool {
      cuts.indices.allSatisfy { dimension in
        let added = zip(axes, place).filter { $0.1 == dimension }
          .reduce(1) { $0 * mesh.extent($1.0) }
        return added == 1 || parts(dimension) * added <= cuts[dimension].extent
      }
    }
    let roomy = places.filter(isRoomy)
    return (roomy.isEmpty ? places : roomy).map(layout)
  }
}
