extension LoweredNest {
  /// The way this runs, in a few words, e.g. `blocked 1024 lanes of p × 27 × 64·1, copies d`: for reports, not
  /// for decisions.
  public var summary: String {
    switch way {
    case .strided(let nest):
      switch nest.kernel {
      case .gemm: "OpenBLAS"
      default: "loops"
      }
    case .blocked(let nest): nest.summary
    case .dot(let nest):
      "dot products, \(nest.rows.count) × \(nest.columns.count) of \(nest.depth)·\(nest.aOffsets.count)"
    case .winograd(let nest): nest.summary
    }
  }
}

extension WinogradNest {
  fileprivate var summary: String {
    let groups = (rowCount + groupRows - 1) / groupRows
    return "minimal filtering, \(points) points of \(rows.results)×\(columns.results),"
      + " \(groupRows * columns.tiles) tiles in \(groups) groups"
  }
}

extension BlockedNest {
  fileprivate var summary: String {
    let copied = zip("dpq", places).filter { $1.pack != nil }.map { String($0.0) }.joined()
    let reordered = reorderings.map { ["d", "p", "q"][$0.tensor] }.joined()
    let tiles = (tileExtent + tileCount - 1) / max(1, tileCount)
    return (kernel == .batchReduce ? "blocked" : "element-wise")
      + " \(laneExtent) lanes of \(lanesSource == 1 ? "p" : "q") × \(columns.count)"
      + " × \(depth.count)·\(aOffsets.count)"
      + (copied.isEmpty ? "" : ", copies \(copied) in \(tiles) tiles")
      + (reordered.isEmpty ? "" : ", reorders \(reordered)")
  }
}
