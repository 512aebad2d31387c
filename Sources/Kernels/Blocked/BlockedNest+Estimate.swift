/// What it takes to bring the elements to the kernel, as far as an estimate needs it. The constants were
/// fitted by hand to one machine (AMD EPYC with AVX-512); only their ratios matter for a choice.
extension BlockedNest.Problem {
  /// Nanoseconds that a call of the kernel takes with all it needs in cache: half a one per step of the
  /// summed loops and a tenth per column of it, and what a call and a block of columns cost.
  ///
  /// - Parameter list: entries of the list of offsets.
  func perCall(_ choice: BlockedNest.Choice, list: Double) -> Double {
    let columns = choice.columns.map { Double(loops[$0]) } ?? 1
    let depth = choice.depth.map { Double(loops[$0]) } ?? 1
    switch choice.kernel {
    case .batchReduce:
      return 25 + (columns / 8).rounded(.up) * (4 + list * (1.5 + depth * 0.5))
        + columns * (2 + list * depth * 0.1)
    case .laneProducts:
      let lanes = loops[choice.lanes]
      let width = [16, 8, 4].first { $0 <= lanes } ?? 1
      let blocks = Double((lanes + width - 1) / width)
      return 30 + columns * blocks * (0.7 + list * (0.3 + depth * 0.35))
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
    return calls * perCall(choice, list: list)
  }

  func isSmall(_ tensor: Int, in layouts: [Layout]) -> Bool {
    (layouts[tensor].place.pack?.count ?? tensors[tensor].reduce(1) { $0 * $1.extent }) <= 1 << 14
  }

  /// Nanoseconds that a step of the innermost loop takes longer where it goes to another page, whose
  /// address has to be translated.
  func pageCost(_ step: Int, of tensor: Int, in layouts: [Layout]) -> Double {
    abs(step) < 1024 || isSmall(tensor, in: layouts) ? 0 : 1.5
  }

  /// Nanoseconds that an element takes longer where each has a line, or a page, of its own.
  func lineCost(_ apart: Int, of tensor: Int, in layouts: [Layout]) -> Double {
    apart < 16 || isSmall(tensor, in: layouts) ? 0 : apart < 1024 ? 0.05 : 0.6
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
  ///   - levels: around it, the innermost first.
  ///   - isAliased: whether the other source's rows are whole pages apart, so that they want the same few
  ///     lines of every cache.
  func movedElements(
    kernel: [Double], levels: [BlockedNest.Level], tiles: Double, apart: Int,
    isAliased: Bool
  ) -> Double {
    let cache = 1.5 * Double(Self.tileElements)
    var held = kernel
    var moved = kernel
    if isAliased { held[1] *= 8 }
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
