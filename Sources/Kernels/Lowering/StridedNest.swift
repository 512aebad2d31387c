/// The strides of one loop in the three tensors, or an offset into them: destination, first source,
/// second source.
typealias Strides = SIMD3<Int>

/// A nest as the kernels see it: loops with a stride in each tensor's memory, and the dimensions
/// whose index needs care because two loops share it or because it may leave its bounds.
struct StridedNest {
  struct Loop {
    var extent: Int
    var strides: Strides
    /// The guarded dimension whose clipped loop this is.
    var guarded: Int?
  }

  /// A dimension indexed by two loops, or one that leaves its bounds. One of its loops, the *tap*,
  /// is always walked outside the kernel; for each of its values the other, the *clipped* loop, runs
  /// over segments in which memory is plainly strided.
  struct Guarded {
    /// One entry per tap and segment: where it starts, and how much of the clipped loop it covers.
    var entries: [Entry]
    /// Indices of merged inner loops per index of the clipped loop.
    var unit = 1
  }

  struct Entry: Sendable {
    let offset: Strides
    let length: Int
  }

  var loops: [Loop]
  var guarded: [Guarded]
  /// Whether some loop has extent 0, so that there is nothing to add.
  let isEmpty: Bool

  /// - Parameters:
  ///   - roles: the destination and the two sources.
  ///   - memory: the memory stride of every dimension of those tensors.
  init(_ nest: ContractionNest, roles: [ContractionNest.Role], memory: [[Int]]) {
    isEmpty = nest.loops.contains(0)
    var strides = [Strides](repeating: .zero, count: nest.loops.count)
    var base = Strides.zero
    for (position, role) in roles.enumerated() {
      for (dimension, step) in zip(nest[role], memory[position]) {
        base[position] += dimension.offset * step
        // A loop of one index never steps, and its coefficient, a stride or dilation of any size,
        // might overflow.
        for term in dimension.terms where nest.loops[term.loop] > 1 {
          strides[term.loop][position] += term.coefficient * step
        }
      }
    }
    var guarded: [Guarded] = []
    var guardOfLoop: [Int: Int] = [:]
    var isTap = Set<Int>()
    if !isEmpty {
      for (position, role) in roles.enumerated() {
        for (dimension, step) in zip(nest[role], memory[position]) {
          let live = dimension.terms.filter { nest.loops[$0.loop] > 1 }
          guard live.count > 1 || !dimension.isAlwaysInBounds(nest.loops) else { continue }
          let byExtent = live.sorted { nest.loops[$0.loop] > nest.loops[$1.loop] }
          let clipped = byExtent.first
          let tap = byExtent.count > 1 ? byExtent[1] : nil
          let clippedStrides = clipped.map { strides[$0.loop] } ?? .zero
          var entries: [Entry] = []
          for tapIndex in 0..<(tap.map { nest.loops[$0.loop] } ?? 1) {
            let tapStrides = tap.map { strides[$0.loop] } ?? .zero
            for segment in segments(
              count: clipped.map { nest.loops[$0.loop] } ?? 1,
              coefficient: clipped?.coefficient ?? 0,
              offset: dimension.offset + (tap?.coefficient ?? 0) * tapIndex,
              extent: dimension.extent, circular: dimension.circular)
            {
              var offset = tapStrides &* tapIndex &+ clippedStrides &* segment.start
              offset[position] -= segment.wraps * dimension.extent * step
              entries.append(Entry(offset: offset, length: segment.length))
            }
          }
          if let clipped { guardOfLoop[clipped.loop] = guarded.count }
          if let tap { isTap.insert(tap.loop) }
          guarded.append(Guarded(entries: entries))
        }
      }
    }
    loops = nest.loops.indices.compactMap { loop in
      nest.loops[loop] == 1 || isTap.contains(loop)
        ? nil
        : Loop(extent: nest.loops[loop], strides: strides[loop], guarded: guardOfLoop[loop])
    }
    // The base offset travels with a guarded dimension of its own, so that levels add it once.
    if base != .zero {
      guarded.append(Guarded(entries: [Entry(offset: base, length: 1)]))
    }
    self.guarded = guarded
    mergeLoops()
  }

  /// Joins loops that walk memory as one: the outer's stride is the inner's times its extent in all
  /// three tensors. The outer may be clipped, the inner not.
  private mutating func mergeLoops() {
    var merged = true
    while merged {
      merged = false
      search: for outer in loops.indices {
        for inner in loops.indices
        where inner != outer && loops[inner].guarded == nil
          && loops[outer].strides == loops[inner].strides &* loops[inner].extent
        {
          if let group = loops[outer].guarded { guarded[group].unit *= loops[inner].extent }
          loops[outer].extent *= loops[inner].extent
          loops[outer].strides = loops[inner].strides
          loops.remove(at: inner)
          merged = true
          break search
        }
      }
    }
  }
}

extension ContractionNest.Dimension {
  /// Whether the index stays within the extent for all indices of the loops, so that neither
  /// padding nor wrapping can occur.
  func isAlwaysInBounds(_ loops: [Int]) -> Bool {
    var low = offset
    var high = offset
    for term in terms {
      let reach = term.coefficient * (loops[term.loop] - 1)
      if reach < 0 { low += reach } else { high += reach }
    }
    return low >= 0 && high < extent
  }
}
