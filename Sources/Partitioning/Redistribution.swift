/// What travels when a tensor goes from one layout to another: the intersections of boxes.
///
/// One description covers them all. *Scatter*, *gather*, *transpose*: cut dimensions on both sides.
/// *Halo exchange*: the target's boxes overlap, for they have windows. *Reduction*: the source is
/// partial along axes along which the target is not, and all terms are added, in the order of
/// ranks. *Adjoint of a halo exchange*: the source's boxes overlap, and are added.
///
/// Of data that several ranks hold, each receiver has one designated sender: the copy that agrees
/// with the receiver on the coordinates of the axes that copy. (Where it holds a copy itself, that
/// is its own.) Axes along which the target is partial agree, too: those sums stay as they are.
///
/// Every rank computes all of this alone, and all compute the same.
///
/// ```swift
/// let mesh = Mesh(axes: [4])
/// let rows = Layout(shape: [8, 8], mesh: mesh, axes: [[0], []])
/// let columns = Layout(shape: [8, 8], mesh: mesh, axes: [[], [0]])
/// Redistribution(from: rows, to: columns).received(by: 1)  // 12: its 16 but the 4 it has
/// ```
public struct Redistribution: Hashable, Sendable {
  public let source: Layout
  public let target: Layout
  /// Sender and receiver agree on the coordinates of these axes.
  let agreeing: Set<Int>
  /// Partial axes whose terms are added.
  public let summedAxes: [Int]

  /// - Parameters: two layouts of one shape on one mesh. The source is not replicated along an axis
  ///   along which the target is partial: its sum would count the copies.
  public init(from source: Layout, to target: Layout) {
    precondition(
      source.shape == target.shape && source.mesh == target.mesh,
      "from \(source.shape) to \(target.shape): a redistribution changes neither shape nor mesh")
    precondition(
      Set(target.partialAxes).isDisjoint(with: source.replicationAxes),
      "copies along axes \(source.replicationAxes) are no terms of a sum")
    self.source = source
    self.target = target
    agreeing = Set(source.replicationAxes).union(target.partialAxes)
    summedAxes = source.partialAxes.filter { !target.partialAxes.contains($0) }
  }

  /// Whether every element of the target has at most one contribution, so that nothing is added.
  public var isCopy: Bool {
    !source.hasWindows && summedAxes.allSatisfy { source.mesh.extent($0) == 1 }
  }

  /// Whether every element of the target's boxes has exactly one contribution.
  public var isComplete: Bool {
    guard isCopy else { return false }
    return zip(source.cuts, target.cuts).allSatisfy { from, to in
      guard from.axes.allSatisfy({ !agreeing.contains($0) }) else { return false }
      // At a slice only its own part is there: the target's must lie within, with no halo.
      guard let last = from.axes.lastIndex(where: source.mesh.sliceAxes.contains) else {
        return true
      }
      return to.window == nil && to.axes.starts(with: from.axes[...last])
    }
  }

  /// Whether what travels is contiguous in the boxes of sender and receiver, so that it can be sent
  /// and received in place: only the first dimension's cut changes.
  public var isContiguous: Bool {
    zip(source.cuts, target.cuts).dropFirst().allSatisfy { from, to in
      from == to || (from.axes.isEmpty && to.axes.isEmpty)
    }
  }

  /// Whether every rank holds already what it needs, box for box.
  public var isIdentity: Bool {
    guard summedAxes.isEmpty else { return false }
    return zip(source.cuts, target.cuts).allSatisfy { from, to in
      (from.axes == to.axes && from.window == to.window)
        || (from.axes.isEmpty && to.axes.isEmpty)
    }
  }

  /// Elements that a rank receives from others. Terms of a sum are counted one by one.
  public func received(by rank: Int, slice: Int = 0) -> Int {
    var total = summedAxes.reduce(1) { $0 * source.mesh.extent($1) }
    for dimension in source.cuts.indices {
      let wanted = target.range(dimension, part: target.part(dimension, rank: rank, slice: slice))
      if coversOnce(dimension, source) {
        total *= overlap(dimension, 0..<source.cuts[dimension].extent, wanted)
        continue
      }
      total *= sourceParts(dimension, rank: rank, slice: slice).reduce(0) {
        $0 + overlap(dimension, source.range(dimension, part: $1), wanted)
      }
    }
    return total - own(rank, slice: slice)
  }

  /// Whether the parts of a dimension that a rank may get something from, or give something to, make it up:
  /// then they need not be gone through, which for all of many ranks takes the square of their number.
  private func coversOnce(_ dimension: Int, _ layout: Layout) -> Bool {
    let cut = layout.cuts[dimension]
    return cut.window == nil
      && cut.axes.allSatisfy { $0 < source.mesh.axes.count && !agreeing.contains($0) }
  }

  /// Elements that a rank sends to others.
  public func sent(by rank: Int, slice: Int = 0) -> Int {
    var total = target.replicationAxes.filter { !agreeing.contains($0) }
      .reduce(1) { $0 * source.mesh.extent($1) }
    for dimension in source.cuts.indices {
      let held = source.range(dimension, part: source.part(dimension, rank: rank, slice: slice))
      if coversOnce(dimension, target) {
        total *= overlap(dimension, held, 0..<source.cuts[dimension].extent)
        continue
      }
      total *= targetParts(dimension, rank: rank, slice: slice).reduce(0) {
        $0 + overlap(dimension, held, target.range(dimension, part: $1))
      }
    }
    return total - own(rank, slice: slice)
  }

  /// Elements that a rank needs and holds itself.
  public func own(_ rank: Int, slice: Int = 0) -> Int {
    source.cuts.indices.reduce(1) { product, dimension in
      product
        * overlap(
          dimension,
          source.range(dimension, part: source.part(dimension, rank: rank, slice: slice)),
          target.range(dimension, part: target.part(dimension, rank: rank, slice: slice)))
    }
  }

  /// The parts of a dimension that may send to a rank.
  private func sourceParts(_ dimension: Int, rank: Int, slice: Int) -> [Int] {
    parts(source.cuts[dimension].axes, rank: rank, slice: slice)
  }

  /// The parts of a dimension that a rank may send to.
  private func targetParts(_ dimension: Int, rank: Int, slice: Int) -> [Int] {
    parts(target.cuts[dimension].axes, rank: rank, slice: slice)
  }

  /// All combinations of coordinates, but those of slices and of agreeing axes as they are.
  func parts(_ axes: [Int], rank: Int, slice: Int) -> [Int] {
    let mesh = source.mesh
    return axes.reduce([0]) { parts, axis in
      let extent = mesh.extent(axis)
      let isFixed = axis >= mesh.axes.count || agreeing.contains(axis)
      let fixed = mesh.coordinate(axis: axis, rank: rank, slice: slice)
      let coordinates = isFixed ? fixed..<fixed + 1 : 0..<extent
      return parts.flatMap { part in coordinates.map { part * extent + $0 } }
    }
  }

  private func overlap(_ dimension: Int, _ held: Range<Int>, _ wanted: Range<Int>) -> Int {
    var count = 0
    forEachOverlap(dimension, held, wanted) { _, _, length in count += length }
    return count
  }

  /// Calls `body` for each run of common indices, with its start within either range. Ranges of a
  /// circular window are compared modulo the extent, and may have several runs in common.
  func forEachOverlap(
    _ dimension: Int, _ held: Range<Int>, _ wanted: Range<Int>,
    _ body: (_ inHeld: Int, _ inWanted: Int, _ length: Int) -> Void
  ) {
    guard !held.isEmpty && !wanted.isEmpty else { return }
    let extent = source.cuts[dimension].extent
    let wraps =
      source.cuts[dimension].window?.circular ?? false
      || target.cuts[dimension].window?.circular ?? false
    // `wanted` shifted by a multiple of the extent must meet `held`.
    let least = wraps ? floorDivide(held.lowerBound - wanted.upperBound, extent) + 1 : 0
    let most = wraps ? floorDivide(held.upperBound - 1 - wanted.lowerBound, extent) : 0
    guard least <= most else { return }
    for turn in least...most {
      let shift = turn * extent
      let lower = max(held.lowerBound, wanted.lowerBound + shift)
      let upper = min(held.upperBound, wanted.upperBound + shift)
      if lower < upper {
        body(lower - held.lowerBound, lower - shift - wanted.lowerBound, upper - lower)
      }
    }
  }
}

/// ⌊a / b⌋ for b > 0.
func floorDivide(_ a: Int, _ b: Int) -> Int {
  let (quotient, remainder) = a.quotientAndRemainder(dividingBy: b)
  return remainder < 0 ? quotient - 1 : quotient
}
