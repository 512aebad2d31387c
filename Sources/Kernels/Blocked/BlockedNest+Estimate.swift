import CKernels

/// Times of the batch-reduce kernel with all it needs in cache.
enum BatchReduceEstimate {
  /// Columns that the kernel takes at a time: fewer where they lie half pages apart, and would drive each
  /// other out of the first-level cache.
  ///
  /// - Parameter step: elements from column to column.
  static func blockColumns(step: Int, _ times: KernelTimes) -> Int {
    convoy_columns_at_once(times.blockColumns, step * MemoryLayout<Float>.stride)
  }

  /// Nanoseconds of one matrix: so much per step of the summed loops and block of columns, and per column of
  /// it, and what a call, a block and a column cost (`KernelTimes`).
  ///
  /// - Parameters:
  ///   - step: elements from column to column.
  ///   - list: entries of the list of offsets.
  ///   - repeats: matrices of one call.
  static func nanoseconds(
    columns: Double, step: Int = 1, depth: Double, list: Double = 1, repeats: Double = 1,
    _ times: KernelTimes
  ) -> Double {
    let blocks = (columns / Double(blockColumns(step: step, times))).rounded(.up)
    return 25 / repeats + blocks * (times.block + list * (times.entry + depth * times.step))
      + columns * (times.column + list * depth * times.product)
  }
}

/// What it takes to bring the elements to the kernel, as far as an estimate needs it. The constants here were
/// fitted by hand to a machine with AVX-512; those that differ most on others are `KernelTimes`.
extension BlockedNest.Problem {
  /// Nanoseconds that a call of the kernel takes with all it needs in cache.
  ///
  /// - Parameters:
  ///   - columnStep: elements of the other source from column to column.
  ///   - list: entries of the list of offsets.
  ///   - repeats: how often the kernel repeats that by itself.
  func perCall(
    _ choice: BlockedNest.Choice, columnStep: Int = 1, list: Double, repeats: Double
  ) -> Double {
    let columns = choice.columns.map { Double(loops[$0]) } ?? 1
    let depth = choice.depth.map { Double(loops[$0]) } ?? 1
    switch choice.kernel {
    case .batchReduce:
      return BatchReduceEstimate.nanoseconds(
        columns: columns, step: columnStep, depth: depth, list: list, repeats: repeats,
        times)
    case .laneProducts:
      let lanes = loops[choice.lanes]
      let width = [16, 8, 4].first { $0 <= lanes } ?? 1
      let blocks = Double((lanes + width - 1) / width)
      // Rows that have the other source's elements in common read them once.
      let isShared = choice.columns.map { !carriers[$0][3 - choice.source] } ?? false
      let perStep = isShared ? times.sharedLaneProduct : times.laneProduct
      return 30 + columns * blocks * (0.7 + list * (0.1 + depth * perStep))
    }
  }

  /// Nanoseconds that a choice takes at the least: all calls in one list and from cache, and the copies
  /// that it demands made once.
  func leastNanoseconds(_ choice: BlockedNest.Choice) -> Double {
    func count(_ tensor: Int) -> Double { tensors[tensor].reduce(1) { $0 * Double($1.extent) } }
    var copied = 0.0
    if choice.copyingLanes { copied += count(choice.source) }
    if choice.copyingOther { copied += count(3 - choice.source) }
    return kernelNanoseconds(choice) + 0.1 * copied
  }

  private func kernelNanoseconds(_ choice: BlockedNest.Choice) -> Double {
    var calls = 1.0
    var list = 1.0
    for loop in loops.indices where loops[loop] > 1 {
      if loop == choice.columns || loop == choice.depth { continue }
      if loop == choice.lanes {
        if choice.kernel == .batchReduce {
          calls *= Double((loops[loop] + BlockedNest.lanes - 1) / BlockedNest.lanes)
        }
      } else if carriers[loop][0] {
        calls *= Double(loops[loop])
      } else {
        list *= Double(loops[loop])
      }
    }
    return calls * perCall(choice, list: list, repeats: calls)
  }

  /// Of a tensor that stays in cache wherever its elements lie.
  private static var smallElements: Int { 1 << 14 }

  private func count(_ tensor: Int, in layouts: [Layout]) -> Int {
    layouts[tensor].place.pack?.count ?? tensors[tensor].reduce(1) { $0 * $1.extent }
  }

  func isSmall(_ tensor: Int, in layouts: [Layout]) -> Bool {
    count(tensor, in: layouts) <= Self.smallElements
  }

  /// Whether steps go to another page each time, whose address has to be translated and whose next line
  /// nothing foresees.
  func isStray(_ steps: Int..., of tensor: Int, in layouts: [Layout]) -> Bool {
    let moves = steps.filter { $0 != 0 }
    return !moves.isEmpty && moves.allSatisfy { abs($0) >= 1024 }
      && count(tensor, in: layouts) > (tensor == 0 ? tileElements : Self.smallElements)
  }

  /// Nanoseconds that an element takes longer where each has a line, or a page, of its own.
  func lineCost(_ apart: Int, of tensor: Int, in layouts: [Layout]) -> Double {
    apart < 16 || isSmall(tensor, in: layouts) ? 0 : apart < 1024 ? 0.05 : 0.6
  }

  /// Nanoseconds that the lines of a call's lanes and columns take longer for where they lie.
  ///
  /// - Parameters:
  ///   - inner: the level that the kernel walks itself, bringing the next lanes ahead.
  ///   - columnBlocks: how often the lanes are read.
  func strayNanoseconds(
    _ choice: BlockedNest.Choice, columns: LoopLevel, depth: LoopLevel,
    inner: LoopLevel, list: Double, columnBlocks: Double, in layouts: [Layout]
  ) -> Double {
    guard choice.kernel == .batchReduce else {
      return isStray(columns.d, of: 0, in: layouts) ? Double(columns.count) * 6 : 0
    }
    let (a, b) = (choice.source, 3 - choice.source)
    let steps = list * Double(depth.count)
    var lines = 0.0
    if isStray(depth.a, of: a, in: layouts) {
      lines +=
        steps * (isStray(inner.a, of: a, in: layouts) ? 1.5 : 0.2)
        * (times.readsLanesAgain ? columnBlocks : 1)
    }
    // Lanes half a page apart want the same few sets of a cache, and do not stay for the next columns; 64 KiB
    // apart one set of a second-level cache as well.
    if depth.a != 0, depth.a % 512 == 0 {
      let isFar = steps > 512 || depth.a % 16384 == 0 && steps > 8
      let perStep = isFar ? times.lanesApartInLongSums : times.lanesApart
      lines += steps * (columnBlocks - 1) * perStep
    } else if abs(depth.a) > BlockedNest.lanes {
      let isOnOwnPage = isStray(depth.a, of: a, in: layouts)
      if steps > (isOnOwnPage ? times.pagesAtHand : times.linesAtHand) {
        lines += steps * (columnBlocks - 1) * times.lanesOutOfReach
      }
    }
    if columns.b == 1, abs(depth.b) >= BlockedNest.lanes, !isSmall(b, in: layouts) {
      lines += steps * columnBlocks * times.columnsContiguous
    }
    if isStray(depth.b, of: b, in: layouts) { lines += steps * columnBlocks * 1.5 }
    if isStray(columns.d, inner.d, of: 0, in: layouts) { lines += Double(columns.count) * 6 }
    return lines + steps * Double(columns.count)
      * lineCost(apart(depth.b, columns.b), of: b, in: layouts)
  }

  /// How far apart the elements of the second source lie: the smaller of its two steps.
  func apart(_ depth: Int, _ columns: Int) -> Int {
    let steps = [depth, columns].map(abs).filter { $0 > 0 }
    return steps.min() ?? 1
  }

  /// Elements that come from beyond the second-level cache in all, by what fits into it: what a call
  /// reads and writes stays for the next one, unless what lies between is more than the cache holds.
  ///
  /// - Parameters:
  ///   - kernel: elements of one call: lanes' source, the other source, destination.
  ///   - lanesAgain: how often a call moves its lanes if no cache holds them.
  ///   - levels: around it, the innermost first.
  ///   - isAliased: whether the other source's rows are whole pages apart, so that they want the same few
  ///     lines of every cache.
  func movedElements(
    kernel: [Double], lanesAgain: Double, levels: [LoopLevel], tiles: Double, apart: Int,
    isAliased: Bool
  ) -> Double {
    let cache = 1.5 * Double(tileElements)
    var held = kernel
    var moved = kernel
    if isAliased { held[1] *= 8 }
    if kernel[0] > cache { moved[0] *= lanesAgain }
    // Of a line only one element is used before it has left again.
    if kernel[1] > cache && apart > 1 {
      moved[1] *= Double(min(apart, 16)) * (apart >= 1024 ? 1.5 : 1)
    }
    for level in levels where level.count > 1 {
      let stays = held.reduce(0, +) <= cache
      for (tensor, step) in [level.a, level.b, level.d].enumerated() {
        if step != 0 { held[tensor] *= Double(level.count) }
        if step != 0 || !stays { moved[tensor] *= Double(level.count) }
      }
    }
    return moved.reduce(0, +) * tiles
  }
}
