import CKernels

/// The loops around the kernel in one tile, divided over threads: all of them are over the destination,
/// so that no two parts write the same element.
extension BlockedNest {
  func runTile<Element: TensorElement>(
    _ d: UnsafeMutablePointer<Element>, _ a: UnsafePointer<Element>, _ b: UnsafePointer<Element>,
    tile: Int, low: Int, adding: Bool
  ) {
    // The tile's own loop, where it is not summed, is the first of the levels, and has as many indices
    // as the tile.
    let outside = levels.enumerated().map { number, level in
      number == 0 && !isTileSummed ? level.limited(to: tile) : level
    }
    let hasBlocks = kernel == .batchReduce
    let blocks = lanesInside ? outside.count : 0
    let loops =
      hasBlocks ? outside[..<blocks] + [laneLevel] + outside[blocks...] : outside
    let calls = loops.reduce(1) { $0 * $1.count }
    let nanoseconds = self.nanoseconds * Double(tile) / Double(max(1, tileExtent))
    // Where calls are few, columns are divided too, by what the kernel takes at a time.
    let columnParts =
      calls >= 16 ? 1 : min((columns.count + 23) / 24, ThreadPool.parts(nanoseconds: nanoseconds))
    let count = isTileSummed ? listPerTile * tile : listPerTile
    nonisolated(unsafe) let (d, a, b) = (d, a, b)
    aOffsets.withUnsafeBufferPointer { aOffsets in
      bOffsets.withUnsafeBufferPointer { bOffsets in
        nonisolated(unsafe) let (aOffsets, bOffsets) = (aOffsets, bOffsets)
        ThreadPool.run(over: calls * columnParts, nanoseconds: nanoseconds) { part in
          var walk = LoopWalk(loops, start: part.lowerBound % calls)
          var index = part.lowerBound
          while index < part.upperBound {
            let columns = columnRange(index / calls, of: columnParts)
            let d = d + walk.d + columns.lowerBound * self.columns.d
            let a = a + walk.a + columns.lowerBound * self.columns.a
            let b = b + walk.b + columns.lowerBound * self.columns.b
            var repeats = 1
            if hasBlocks {
              let lanes = min(Self.lanes, laneExtent - walk.indices[blocks] * Self.lanes)
              let inner = loops[loops.count - 1]
              repeats = min(part.upperBound - index, walk.innermostRemaining)
              if inner.a != 0 { repeats = min(repeats, mostRepeats(count: count)) }
              // The last block may have fewer lanes than the others.
              if blocks == loops.count - 1 && repeats > 1 && laneExtent % Self.lanes != 0 {
                repeats = min(repeats, max(1, laneExtent / Self.lanes - walk.indices[blocks]))
              }
              let shape = ConvoyBatchReduce(
                level: context.level, lanes: lanes, columns: columns.count, depth: depth.count,
                count: count,
                a_offsets: aOffsets.baseAddress, b_offsets: bOffsets.baseAddress, a_k: depth.a,
                b_k: depth.b, b_j: self.columns.b, c_j: self.columns.d, run: sums.run, low: low,
                adding: adding ? 1 : 0,
                repeats: repeats, a_r: inner.a, b_r: inner.b, c_r: inner.d)
              Element.batchReduce(shape, a, b, d)
            } else {
              let shape = ConvoyLaneProducts(
                level: context.level, lanes: laneExtent, columns: columns.count, depth: depth.count,
                count: count,
                a_offsets: aOffsets.baseAddress, b_offsets: bOffsets.baseAddress, a_k: depth.a,
                b_k: depth.b, a_j: self.columns.a, b_j: self.columns.b, c_j: self.columns.d,
                b_i: otherHasLanes ? 1 : 0, run: sums.run, low: low, adding: adding ? 1 : 0)
              Element.laneProducts(shape, a, b, d)
            }
            walk.advance(by: repeats)
            index += repeats
          }
        }
      }
    }
  }

  /// How many indices of the innermost level the kernel walks for each block of columns: so many that
  /// the lanes' source is still in the second-level cache for the next block.
  private func mostRepeats(count: Int) -> Int {
    // Of lanes that do not lie apart the kernel may take two blocks with half as many columns.
    let inPairs = context.times.hasPairs && depth.a < Int(CONVOY_LANES_APART)
    let atOnce =
      BatchReduceEstimate.blockColumns(step: columns.b, context.times) / (inPairs ? 2 : 1)
    return columns.count <= atOnce
      ? Int.max : max(1, context.times.cacheElements / (count * depth.count * Self.lanes))
  }

  /// Whole eights of columns but for the last.
  private func columnRange(_ part: Int, of parts: Int) -> Range<Int> {
    let eights = (columns.count + 7) / 8
    return part * eights / parts * 8..<min(columns.count, (part + 1) * eights / parts * 8)
  }
}

extension LoopLevel {
  fileprivate func limited(to count: Int) -> Self {
    Self(count: min(self.count, count), a: a, b: b, d: d)
  }
}
