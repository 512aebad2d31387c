import CKernels

extension BlockedNest.Problem {
  /// Elements of packed tensors that a tile should have at most: half of a second-level cache.
  var tileElements: Int { times.cacheElements }
  /// Of the list of offsets.
  private static var mostOffsets: Int { 1 << 14 }

  /// One tensor as it lies when the kernel runs: the step of every loop.
  struct Layout {
    var place: BlockedNest.Place
    var strides: [Int]
    /// Of a block of lanes.
    var blockStride = 0
    /// Elements copied in all, with repetitions.
    var copied = 0.0
    /// Whether lanes are not contiguous where the tensor is given.
    var isTransposed = false
    /// Whether runs of lanes that the copy has next to each other are given pages apart.
    var isScattered = false
  }

  func lowered(
    _ choice: BlockedNest.Choice, _ reorderings: [BlockedNest.Reordering],
    isDraft: Bool = false
  ) -> BlockedNest? {
    let (a, b) = (choice.source, 3 - choice.source)
    let inKernel = [choice.lanes] + [choice.columns, choice.depth].compactMap { $0 }
    let isDestinationInPlace = given(of: choice.lanes, in: 0) == 1
    let mustPad = (0..<3).map { tensor in
      tensors[tensor].contains { !$0.isPlain(loops) && !$0.isAlwaysInBounds(loops) }
    }
    let lanesArePlain = isPlain(choice.lanes, in: a)
    guard lanesArePlain || hasUnitStep(choice.lanes, in: a) else { return nil }
    // The batch-reduce kernel reads whole blocks of lanes.
    let isElementwise = choice.kernel == .laneProducts
    let mayStay =
      !mustPad[a] && given(of: choice.lanes, in: a) == 1
      && (isElementwise || loops[choice.lanes] % BlockedNest.lanes == 0)
    guard choice.copyingLanes || mayStay else { return nil }
    let otherHasLanes = carriers[choice.lanes][b]
    let otherMayStay =
      !mustPad[b] && (!otherHasLanes || given(of: choice.lanes, in: b) == 1)
    guard choice.copyingOther || otherMayStay,
      !otherHasLanes || isElementwise && hasUnitStep(choice.lanes, in: b)
    else { return nil }
    let isPacked = (0..<3).map { tensor in
      tensor == 0
        ? !isDestinationInPlace : tensor == a ? choice.copyingLanes : choice.copyingOther
    }

    let tileLoop = choice.tile ?? tileLoop(besides: inKernel, packed: isPacked)
    let tileExtent = tileLoop.map { loops[$0] } ?? 1
    var perIndex = 0
    // Of a summed loop that was cut, tiles are what a cache holds, copied or not.
    for tensor in 0..<3 where isPacked[tensor] || choice.tile != nil {
      if let tileLoop, carriers[tileLoop][tensor] {
        perIndex += paddedCount(tensor) / max(1, tileExtent)
      }
    }
    let tileCount =
      perIndex == 0 ? tileExtent : max(1, min(tileExtent, tileElements / perIndex))

    var scratch = 0
    var layouts: [Layout] = []
    for tensor in 0..<3 {
      var layout =
        isPacked[tensor]
        ? packed(
          tensor, choice, tile: tileLoop, tileCount: tileCount,
          inPanels: tensor == a && lanesArePlain && !isElementwise)
        : inPlace(tensor, choice, tile: tileLoop)
      layout.place.scratch = scratch
      if let pack = layout.place.pack {
        // The last lanes of the last row read on; the next starts at a cache line.
        scratch += (pack.count + BlockedNest.lanes + 15) / 16 * 16
      }
      layouts.append(layout)
    }

    func level(_ loop: Int?) -> LoopLevel {
      guard let loop else { return LoopLevel(count: 1, a: 0, b: 0, d: 0) }
      return LoopLevel(
        count: loops[loop], a: layouts[a].strides[loop], b: layouts[b].strides[loop],
        d: layouts[0].strides[loop])
    }
    let isTileSummed = tileLoop.map { !carriers[$0][0] } ?? false
    // Summed loops that the kernel does not walk itself: a list, the tile's the slowest.
    let listed = summed.filter { $0 != choice.depth && $0 != tileLoop }
    var aOffsets = [0]
    var bOffsets = [0]
    func extend(_ loop: Int, _ count: Int) {
      let (x, y) = (aOffsets, bOffsets)
      aOffsets = (0..<count).flatMap { index in x.map { $0 + index * layouts[a].strides[loop] } }
      bOffsets = (0..<count).flatMap { index in y.map { $0 + index * layouts[b].strides[loop] } }
    }
    let listCount = listed.reduce(isTileSummed ? tileCount : 1) { $0 * loops[$1] }
    guard listCount <= Self.mostOffsets else { return nil }
    let listPerTile = listed.reduce(1) { $0 * loops[$1] }
    if !isDraft {
      for loop in listed.sorted(by: { layouts[a].strides[$0] < layouts[a].strides[$1] }) {
        extend(loop, loops[loop])
      }
      if isTileSummed, let tileLoop { extend(tileLoop, tileCount) }
    }

    var outer = loops.indices.filter {
      loops[$0] > 1 && carriers[$0][0] && !inKernel.contains($0) && $0 != tileLoop
    }
    // What moves furthest in the lanes' source changes least often.
    outer.sort { (layouts[a].strides[$0], $1) > (layouts[a].strides[$1], $0) }
    var levels = outer.map { level($0) }
    if !isTileSummed { levels.insert(level(tileLoop), at: 0) }

    let blocks =
      isElementwise ? 1 : (loops[choice.lanes] + BlockedNest.lanes - 1) / BlockedNest.lanes
    let laneLevel = LoopLevel(
      count: blocks, a: layouts[a].blockStride, b: 0,
      d: layouts[0].strides[choice.lanes] * BlockedNest.lanes)
    let laneExtent = loops[choice.lanes]
    let columns = level(choice.columns)
    let depth = level(choice.depth)
    let list = Double(isTileSummed ? listCount : listPerTile)
    let calls =
      outer.reduce(Double(blocks)) { $0 * Double(loops[$1]) }
      * (isTileSummed ? Double((tileExtent + tileCount - 1) / tileCount) : Double(tileExtent))
    let perBlock = isElementwise ? 1 : BatchReduceEstimate.blockColumns(step: columns.b, times)
    let columnBlocks = Double((columns.count + perBlock - 1) / perBlock)
    let lanes = Double(isElementwise ? laneExtent : BlockedNest.lanes)
    // Of one tile.
    var walked = levels
    if !isTileSummed {
      let level = levels[0]
      walked[0] = LoopLevel(count: tileCount, a: level.a, b: level.b, d: level.d)
    }
    let inner = choice.lanesInside ? laneLevel : walked.last ?? laneLevel
    let perCall = perCall(
      choice, columnStep: columns.b, list: list, repeats: Double(inner.count))
    let copies = layouts.indices.reduce(0.0) {
      // A copy that no cache holds is written to memory and read again.
      let isLarge = (layouts[$1].place.pack?.count ?? 0) > 4 * tileElements
      let perElement =
        layouts[$1].isTransposed || layouts[$1].isScattered
        ? times.transposedElement : times.copiedElement
      return $0 + layouts[$1].copied * perElement * ($1 == 0 ? 1.3 : 1) * (isLarge ? 3 : 1)
        + (layouts[$1].place.pack == nil ? 0 : 300)
    }
    let moved = movedElements(
      kernel: [
        (isElementwise && columns.a != 0 ? Double(columns.count) : list * Double(depth.count))
          * lanes,
        list * Double(depth.count) * (columns.b != 0 ? Double(columns.count) : 1)
          * (otherHasLanes ? lanes : 1),
        Double(columns.count) * lanes,
      ],
      lanesAgain: isElementwise
        ? 1 : times.lanesAgain(columnBlocks: columnBlocks, apart: depth.a),
      levels: choice.lanesInside
        ? [laneLevel] + walked.reversed() : walked.reversed() + [laneLevel],
      tiles: Double((tileExtent + tileCount - 1) / tileCount), apart: apart(depth.b, columns.b),
      isAliased: max(abs(depth.b), abs(columns.b)) % 1024 == 0 && !isSmall(b, in: layouts))
    let stray = strayNanoseconds(
      choice, columns: columns, depth: depth, inner: inner, list: list,
      columnBlocks: columnBlocks, in: layouts)
    var reorderings = reorderings
    for index in reorderings.indices {
      reorderings[index].start = scratch
      scratch += (reorderings[index].count + 15) / 16 * 16
    }
    let low = lowPlace(layouts[0], reorderings, at: scratch)
    scratch += ((low?.count ?? 0) + 15) / 16 * 16
    let reorderingCost = reorderings.reduce(0.0) { $0 + $1.nanoseconds }
    return BlockedNest(
      context: context, sums: sums, low: low, kernel: choice.kernel, otherHasLanes: otherHasLanes,
      isPadded: Array(mustPad[1...]),
      reorderings: reorderings, lanesSource: a,
      lanesInside: choice.lanesInside,
      places: layouts.map(\.place), laneLevel: laneLevel,
      laneExtent: laneExtent, levels: levels, columns: columns, depth: depth,
      aOffsets: aOffsets, bOffsets: bOffsets, tileExtent: tileExtent, tileCount: tileCount,
      isTileSummed: isTileSummed, listPerTile: listPerTile, workspaceCount: scratch,
      nanoseconds: calls * (perCall * (isElementwise ? 1 : narrowness(laneExtent)) + stray) + copies
        + moved * (isElementwise ? times.movedLane : times.movedElement)
        + reorderingCost)
  }

  /// Where what additions round off is added up, if it is: beside what the kernel writes.
  private func lowPlace(
    _ destination: Layout, _ reorderings: [BlockedNest.Reordering], at start: Int
  ) -> (start: Int, count: Int)? {
    // A call adds up runs by itself, and the calls of a tile's list are one.
    guard sums.keepsLow(termsAtOnce: Double(CONVOY_RUN * CONVOY_RUNS_ASIDE)) else { return nil }
    if let pack = destination.place.pack { return (start, pack.count + BlockedNest.lanes) }
    let copied = reorderings.first { $0.tensor == 0 }?.count
    return (start, copied ?? tensors[0].reduce(1) { $0 * $1.extent })
  }

  /// The time of all blocks of lanes, as a share of that of as many whole ones: the last may be a half or a quarter.
  private func narrowness(_ lanes: Int) -> Double {
    let blocks = (lanes + BlockedNest.lanes - 1) / BlockedNest.lanes
    let last = lanes - (blocks - 1) * BlockedNest.lanes
    return last > BlockedNest.lanes / 2
      ? 1 : 1 - (1 - times.narrowBlock) / Double(blocks)
  }

  /// The step of a plain loop in the tensor as given; `nil` where it is not plain.
  private func given(of loop: Int, in tensor: Int) -> Int? {
    guard isPlain(loop, in: tensor) else { return nil }
    let index = tensors[tensor].firstIndex { $0.terms.contains { $0.loop == loop } }
    return index.map { given[tensor][$0] }
  }

  /// Whether the loop walks one dimension, with taps, one index at a time.
  private func hasUnitStep(_ loop: Int, in tensor: Int) -> Bool {
    let places = tensors[tensor].filter { $0.terms.contains { $0.loop == loop } }
    return places.count == 1
      && places[0].terms.first { $0.loop == loop }?.coefficient == 1
  }

  /// Elements with padding.
  func paddedCount(_ tensor: Int) -> Int {
    tensors[tensor].reduce(1) { $0 * range($1).count }
  }

  /// The loop that is cut into tiles: of the largest tensor that is packed, the outermost that is
  /// plain wherever it stands.
  private func tileLoop(besides inKernel: [Int], packed: [Bool]) -> Int? {
    let tensors = (0..<3).filter { packed[$0] }.sorted { paddedCount($0) > paddedCount($1) }
    for tensor in tensors {
      for dimension in self.tensors[tensor] {
        guard let loop = dimension.terms.first?.loop, !inKernel.contains(loop),
          (0..<3).allSatisfy({ !carriers[loop][$0] || isPlain(loop, in: $0) })
        else { continue }
        return loop
      }
    }
    return nil
  }
}
