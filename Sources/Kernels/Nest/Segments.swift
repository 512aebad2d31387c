/// A run of indices of one loop for which a tensor's index stays in bounds without wrapping.
struct Segment: Hashable {
  /// First index of the run and its length.
  let start: Int
  let length: Int
  /// How many times the extent has to be subtracted from the index (circular); 0 otherwise.
  let wraps: Int
}

/// The runs of `0 ..< count` in which `coefficient · i + offset` stays within `0 ..< extent`, or, if
/// circular, within `wraps·extent ..< (wraps + 1)·extent` for one `wraps` each.
func segments(
  count: Int, coefficient: Int, offset: Int, extent: Int, circular: Bool
) -> [Segment] {
  if count == 0 || extent == 0 { return [] }
  if coefficient == 0 {
    let wraps = offset.flooredQuotient(by: extent)
    return wraps == 0 || circular ? [Segment(start: 0, length: count, wraps: wraps)] : []
  }
  let first = offset.flooredQuotient(by: extent)
  let last = (offset + coefficient * (count - 1)).flooredQuotient(by: extent)
  let range = circular ? min(first, last)...max(first, last) : 0...0
  if range.count > count {
    // Steps longer than the extent: fewer indices than wraps, so the indices are walked.
    return (0..<count).map {
      let wraps = (coefficient * $0 + offset).flooredQuotient(by: extent)
      return Segment(start: $0, length: 1, wraps: wraps)
    }
  }
  return range.compactMap { wraps in
    // wraps·extent ≤ coefficient·i + offset < (wraps + 1)·extent, solved for i.
    let low = wraps * extent - offset
    let high = (wraps + 1) * extent - 1 - offset
    let start: Int
    let end: Int
    if coefficient > 0 {
      start = -(-low).flooredQuotient(by: coefficient)
      end = high.flooredQuotient(by: coefficient) + 1
    } else {
      start = -high.flooredQuotient(by: -coefficient)
      end = (-low).flooredQuotient(by: -coefficient) + 1
    }
    let clipped = max(start, 0)..<max(max(start, 0), min(end, count))
    return clipped.isEmpty
      ? nil : Segment(start: clipped.lowerBound, length: clipped.count, wraps: wraps)
  }
}

extension Int {
  /// ⌊self / divisor⌋ for a positive divisor.
  func flooredQuotient(by divisor: Int) -> Int {
    let quotient = self / divisor
    return self % divisor < 0 ? quotient - 1 : quotient
  }
}
