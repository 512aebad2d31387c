/// Where the tensors lie when the kernel runs.
extension BlockedNest.Problem {
  /// The indices that a dimension is read at.
  func range(_ dimension: Dimension) -> Range<Int> {
    if dimension.isPlain(loops) { return 0..<dimension.extent }
    var (low, high) = (dimension.offset, dimension.offset)
    for term in dimension.terms {
      let reach = term.coefficient * (loops[term.loop] - 1)
      if reach < 0 { low += reach } else { high += reach }
    }
    return low..<high + 1
  }

  /// Where index 0 of all loops lies in a tensor as given, and the step of every loop.
  func givenSteps(_ tensor: Int) -> (base: Int, strides: [Int]) {
    var strides = [Int](repeating: 0, count: loops.count)
    var base = 0
    for (dimension, step) in zip(tensors[tensor], given[tensor]) {
      base += dimension.offset * step
      for term in dimension.terms { strides[term.loop] += term.coefficient * step }
    }
    return (base, strides)
  }

  /// A tensor where it is given.
  func inPlace(
    _ tensor: Int, _ choice: BlockedNest.Choice, tile: Int?
  ) -> Layout {
    let (base, strides) = givenSteps(tensor)
    return Layout(
      place: .init(pack: nil, scratch: 0, base: base, tileStride: tile.map { strides[$0] } ?? 0),
      strides: strides, blockStride: strides[choice.lanes] * BlockedNest.lanes)
  }

  /// A run of indices of one dimension that is copied as one.
  private struct Part {
    let length: Int
    let from: Int
    let to: Int
    /// How many such runs there are, one after the other in the tensor and a panel apart in the copy.
    let panels: Int
  }

  /// - Parameter inPanels: blocks of lanes apart from each other, each of its loops one after the
  ///   other.
  func packed(
    _ tensor: Int, _ choice: BlockedNest.Choice, tile: Int?, tileCount: Int, inPanels: Bool
  ) -> Layout {
    let dimensions = tensors[tensor]
    let ranges = dimensions.map(range)
    func index(of loop: Int?) -> Int? {
      loop.flatMap { loop in
        dimensions.firstIndex { $0.terms.contains { $0.loop == loop } }
      }
    }
    // Innermost first: the lanes, then what the kernel walks, then the rest as given.
    let lane = index(of: choice.lanes)
    var order: [Int] = []
    func put(_ dimension: Int?) {
      if let dimension, !order.contains(dimension) { order.append(dimension) }
    }
    put(lane)
    put(index(of: choice.depth))
    put(index(of: choice.columns))
    let tileDimension = index(of: tile)
    for dimension in dimensions.indices.reversed() where dimension != tileDimension {
      put(dimension)
    }
    put(tileDimension)
    func extent(_ dimension: Int) -> Int {
      dimension == tileDimension ? tileCount : ranges[dimension].count
    }
    var packedStrides = [Int](repeating: 0, count: dimensions.count)
    var count = 1
    /// What an index of anything may be read at, without the gaps between lines.
    var places = 1
    for dimension in order {
      if !inPanels, extent(dimension) > 1 { count = BlockedNest.withGap(count) }
      packedStrides[dimension] = count
      let length = inPanels && dimension == lane ? BlockedNest.lanes : extent(dimension)
      count *= length
      places *= length
    }
    let panelStride = count
    let lanes = inPanels ? lane.map { ranges[$0].count } ?? 1 : 1
    let panels = inPanels ? (lanes + BlockedNest.lanes - 1) / BlockedNest.lanes : 1
    count *= panels
    places *= panels

    var copies: [TilePack.Copy] = [
      .init(
        extents: [], givenStrides: [], packedStrides: [], givenOffset: 0, packedOffset: 0,
        tileDimension: nil)
    ]
    var covered = 1
    for (number, dimension) in dimensions.enumerated() {
      let given = given[tensor][number]
      var parts: [Part] = []
      if inPanels && number == lane {
        let whole = lanes / BlockedNest.lanes
        if whole > 0 {
          parts.append(Part(length: BlockedNest.lanes, from: 0, to: 0, panels: whole))
        }
        if whole < panels {
          let start = whole * BlockedNest.lanes
          parts.append(
            Part(length: lanes - start, from: start, to: whole * panelStride, panels: 1))
        }
      } else if dimension.isPlain(loops) {
        parts = [Part(length: extent(number), from: 0, to: 0, panels: 1)]
      } else {
        parts = segments(
          count: ranges[number].count, coefficient: 1, offset: ranges[number].lowerBound,
          extent: dimension.extent, circular: dimension.circular
        ).map {
          Part(
            length: $0.length,
            from: ranges[number].lowerBound + $0.start - $0.wraps * dimension.extent,
            to: $0.start * packedStrides[number], panels: 1)
        }
      }
      covered *= parts.reduce(0) { $0 + $1.length * $1.panels }
      copies = copies.flatMap { copy in
        parts.map { part in
          var copy = copy
          if part.panels > 1 {
            copy.extents.append(part.panels)
            copy.givenStrides.append(given * BlockedNest.lanes)
            copy.packedStrides.append(panelStride)
          }
          if number == tileDimension { copy.tileDimension = copy.extents.count }
          copy.extents.append(part.length)
          copy.givenStrides.append(given)
          copy.packedStrides.append(packedStrides[number])
          copy.givenOffset += part.from * given
          copy.packedOffset += part.to
          return copy
        }
      }
    }

    var strides = [Int](repeating: 0, count: loops.count)
    var base = 0
    for (number, dimension) in dimensions.enumerated() {
      base += (dimension.offset - ranges[number].lowerBound) * packedStrides[number]
      for term in dimension.terms {
        strides[term.loop] += term.coefficient * packedStrides[number]
      }
    }
    var layout = Layout(
      place: .init(
        pack: TilePack(copies: copies, count: count, hasBorder: covered < places), scratch: 0,
        base: base, tileStride: tile.map { strides[$0] } ?? 0), strides: strides,
      blockStride: inPanels ? panelStride : strides[choice.lanes] * BlockedNest.lanes)
    layout.copied =
      tileDimension == nil
      ? Double(count) : Double(count) * Double(tile.map { loops[$0] } ?? 1) / Double(tileCount)
    layout.isScattered =
      order.count > 1 && extent(order[0]) < 1024 && given[tensor][order[1]] >= 1024
    layout.isTransposed = lane.map { self.given[tensor][$0] != 1 } ?? true
    return layout
  }
}
