import Partitioning

extension Layout {
  /// One copy of a replicated tensor: the axes along which it is copied cut the dimensions that
  /// another layout cuts by them, and otherwise the one with the largest parts. A scalar's copies
  /// cannot be cut.
  func oneCopy(like other: Layout) -> Layout {
    guard !cuts.isEmpty else { return self }
    var lists = cuts.map(\.axes)
    for axis in replicationAxes {
      let alike = other.cuts.firstIndex { $0.axes.contains(axis) }
      let largest = cuts.indices.max { a, b in
        size(a, lists[a]) < size(b, lists[b])
      }
      lists[alike ?? largest ?? 0].append(axis)
    }
    return Layout(shape: shape, mesh: mesh, axes: lists)
  }

  private func size(_ dimension: Int, _ axes: [Int]) -> Int {
    cuts[dimension].extent / axes.reduce(1) { $0 * mesh.extent($1) }
  }
}
