/// Indices of several modes that together are part of a run of their linear index, the last mode fastest.
struct IndexBox: Hashable {
  /// Of each mode.
  let starts: [Int]
  let extents: [Int]
  /// The linear index of the first.
  let first: Int

  /// The boxes that a run of the linear index consists of, in its order: one, if it begins and ends with whole indices of
  /// the first mode, and at most 2·n − 1 for n modes.
  ///
  /// ```swift
  /// IndexBox.boxes(2..<9, of: [3, 4])  // [0][2..<4], [1][0..<4] and [2][0..<1]
  /// ```
  static func boxes(_ range: Range<Int>, of extents: ArraySlice<Int>) -> [IndexBox] {
    guard !range.isEmpty else { return [] }
    guard let extent = extents.first else { return [IndexBox(starts: [], extents: [], first: 0)] }
    let inner = extents.dropFirst()
    let step = inner.reduce(1, *)
    guard range != 0..<extent * step else {
      return [IndexBox(starts: extents.map { _ in 0 }, extents: Array(extents), first: 0)]
    }
    /// Part of what belongs to one index of the first mode.
    func within(_ index: Int, _ range: Range<Int>) -> [IndexBox] {
      boxes(range, of: inner).map {
        IndexBox(
          starts: [index] + $0.starts, extents: [1] + $0.extents, first: index * step + $0.first)
      }
    }
    let (low, lowRest) = range.lowerBound.quotientAndRemainder(dividingBy: step)
    let (high, highRest) = range.upperBound.quotientAndRemainder(dividingBy: step)
    if low == high { return within(low, lowRest..<highRest) }
    var found: [IndexBox] = []
    if lowRest > 0 { found += within(low, lowRest..<step) }
    let whole = low + (lowRest > 0 ? 1 : 0)
    if whole < high {
      found.append(
        IndexBox(
          starts: [whole] + inner.map { _ in 0 }, extents: [high - whole] + inner,
          first: whole * step))
    }
    if highRest > 0 { found += within(high, 0..<highRest) }
    return found
  }

  /// Where it starts in a tensor with these strides.
  func offset(_ strides: ArraySlice<Int>) -> Int {
    zip(starts, strides).reduce(0) { $0 + $1.0 * $1.1 }
  }
}
