extension ContractionVolume {
  /// Elements that some rank receives at least, when P ranks share the work of this step evenly and
  /// each tensor starts, or ends, once over all of them:
  ///
  ///     min over p of  first / Π_{c cuts first} p_c + second / Π p_c + result / Π p_c
  ///                    − (first + second + result) / P
  ///
  /// over real numbers of parts 1 ≤ p_c ≤ the class's extents with Π p_c = P. If there are fewer
  /// elementary products than ranks, P is their number.
  ///
  /// What a rank needs of the operands and contributes to the result is its box of each; on the
  /// average over the ranks it holds 1/P of all that before or after; partial sums that it sends
  /// are received by another. So the average rank receives this much, and one of them at least the
  /// average.
  ///
  /// Validity:
  /// - It bounds every plan that cuts the modes of a step into a grid of equal parts, and cuts no
  ///   taps: this includes convolutions, of which only the halos are left out. (General bounds of
  ///   convolutions, that also allow cutting the taps, as Demmel and Dinh, arXiv 1802.06905, are
  ///   weaker and therefore not used.)
  /// - For matrix products it bounds *every* algorithm that shares the elementary products evenly:
  ///   with `batch` = 1 it equals the memory-independent bounds of Al Daas, Ballard, Grigori, Kumar
  ///   and Rouse (arXiv 2205.13407, theorem 3) in all three of their cases; and as that bound, as a
  ///   function of the work, is concave and 0 at 0, nothing is gained by a rank that works on parts
  ///   of several of the `batch` products instead of one.
  ///
  /// - Parameter ranks: P ≥ 1.
  public func receivedLowerBound(ranks: Double) -> Double {
    guard first > 0 && second > 0 && result > 0 else { return 0 }
    let limits = [batch, m, n, k, firstAlone, secondAlone, resultAlone].map { max(1, $0) }
    let parts = min(max(1, ranks), limits.reduce(1, *))
    // Parts of a batch mode divide all three tensors, so they are taken first: to move a factor
    // from any other class to `batch` makes no term larger.
    let batches = min(parts, limits[0])
    let search = PartsSearch(
      sizes: [first / batches, second / batches, result / batches],
      limits: Array(limits.dropFirst()))
    let needed = search.leastElements(parts: parts / batches)
    let received = needed - elements / parts
    // What is left by rounding where nothing need travel is no bound.
    return received > 1e-12 * needed ? received : 0
  }
}

/// The minimum over real parts p_c of Σ_t size_t / Π_{c cuts t} p_c with Π p_c given.
///
/// With x_c = log p_c this is a convex function over a polytope, so the minimum is the least of the
/// stationary points of all faces: every class is uncut, cut to its limit, or free; and for the
/// free ones, whose derivatives are equal, there are closed forms.
private struct PartsSearch {
  /// Which of the tensors (first, second, result) the classes m, n, k and the three alone cut.
  private static let cuts: [[Bool]] = [
    [true, false, true], [false, true, true], [true, true, false],
    [true, false, false], [false, true, false], [false, false, true],
  ]

  /// Of the tensors.
  let sizes: [Double]
  /// Of the classes.
  let limits: [Double]

  func leastElements(parts: Double) -> Double {
    if parts <= 1 { return sizes.reduce(0, +) }
    var least = Double.infinity
    visit(0, sizes, parts, free: [], &least)
    return least
  }

  /// Decides about one class after the other.
  private func visit(
    _ at: Int, _ sizes: [Double], _ parts: Double, free: [Int], _ least: inout Double
  ) {
    guard at < limits.count else {
      least = min(least, stationary(sizes, parts, free: free))
      return
    }
    visit(at + 1, sizes, parts, free: free, &least)
    guard limits[at] > 1 else { return }
    if parts >= limits[at] {
      visit(
        at + 1, cut(sizes, at, into: limits[at]), parts / limits[at], free: free, &least)
    }
    visit(at + 1, sizes, parts, free: free + [at], &least)
  }

  private func cut(_ sizes: [Double], _ entry: Int, into parts: Double) -> [Double] {
    zip(sizes, Self.cuts[entry]).map { $1 ? $0 / parts : $0 }
  }

  /// The value at the stationary point where the free classes share all parts; infinite where there
  /// is none within the limits.
  private func stationary(_ sizes: [Double], _ parts: Double, free: [Int]) -> Double {
    guard let shares = stationaryParts(sizes, parts, free) else { return .infinity }
    // Rounding may put a share that belongs on the limit a little beyond.
    let slack = 1 + 1e-12
    var elements = sizes
    for (entry, share) in zip(free, shares) {
      guard share >= 1 / slack && share <= limits[entry] * slack else { return .infinity }
      elements = cut(elements, entry, into: share)
    }
    return elements.reduce(0, +)
  }

  private func stationaryParts(
    _ sizes: [Double], _ parts: Double, _ free: [Int]
  ) -> [Double]? {
    switch free.count {
    case 0:
      // All parts are taken by classes cut to their limits.
      return parts <= 1 + 1e-12 ? [] : nil
    case 1:
      return [parts]
    case 2:
      // A tensor that both cut is cut by all parts in any case. Of the others, what the one cuts
      // must equal what the other does: a / p = b / q with p·q = parts. If one of the two cuts
      // nothing alone, all parts go to the other.
      let (p, q) = (Self.cuts[free[0]], Self.cuts[free[1]])
      let a = sizes.indices.reduce(0) { p[$1] && !q[$1] ? $0 + sizes[$1] : $0 }
      let b = sizes.indices.reduce(0) { q[$1] && !p[$1] ? $0 + sizes[$1] : $0 }
      guard a > 0 && b > 0 else { return nil }
      return [(parts * a / b).squareRoot(), (parts * b / a).squareRoot()]
    case 3:
      let product = sizes[0] * sizes[1] * sizes[2]
      if free == [0, 1, 2] {
        // m, n, k: three equal boxes, of sizes[t] · p_c / parts, where c is the class that does
        // not cut t.
        let box = root(3, of: product / (parts * parts))
        return [parts * box / sizes[1], parts * box / sizes[0], parts * box / sizes[2]]
      }
      if free == [3, 4, 5] {
        let box = root(3, of: product / parts)
        return sizes.map { $0 / box }
      }
      return nil
    default:
      // Among any other free classes one cuts only what another cuts as well: that other is better
      // in every point.
      return nil
    }
  }
}
