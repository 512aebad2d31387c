/// Lower bounds of the matricised tensor times Khatri–Rao product, of a tensor X of N modes and
/// factors A_n of I_n × R, whose gradient or update is one of them, e.g. `ijk,jr,kr->ir`:
///
///     B(i_m, r) = Σ X(i_1, …, i_N) · Π_{n≠m} A_n(i_n, r)
///
/// All of them are for P ranks that share the I·R elementary products (I = Π I_n) evenly, where
/// every tensor, the result included, starts or ends once over all ranks. They count elements, and
/// hold for fused evaluation, in which all factors of an elementary product meet on one rank (the
/// *atomic* one of Ballard, Knight and Rouse, arXiv 1708.07401); a pairwise order, which stores
/// X·A_n, is another algorithm.
///
/// ```swift
/// mttkrpLowerBound(tensorExtents: [512, 512, 512], rank: 32, ranks: 64)
/// ```

/// Elements that some rank receives at least, whatever the algorithm (see above for what it may
/// do). With x elements of X and a_n of each factor (the result is one of them) a rank makes
///
///     w = I·R / P ≤ x^(1 − 1/N) · Π a_n^(1/N),      x ≥ I / P,      a_n ≤ I_n·R,      x ≤ I
///
/// elementary products: the Hölder–Brascamp–Lieb inequality of Ballard, Knight and Rouse, and that
/// no element of X is in more than R of them. The bound is the least x + Σ a_n that this allows,
/// less what the average rank holds, (I + Σ I_n·R) / P. It is computed exactly, with its constant,
/// and with the upper limits, which matter where a tensor is not cubical or P is small (as in
/// Ballard and Rouse, SIAM PP 2020); without them, and with I_n = I^(1/N), it is
/// N·R·(I/P)^(1/N) − Σ I_n·R / P where P is so small that x = I / P.
public func mttkrpLowerBound(tensorExtents: [Double], rank: Double, ranks: Double) -> Double {
  guard let problem = MTTKRP(tensorExtents, rank: rank, ranks: ranks) else { return 0 }
  let least = problem.leastElements(tensor: problem.elements / problem.parts...problem.elements)
  return max(0, least - (problem.elements + problem.factors.reduce(0, +)) / problem.parts)
}

/// Elements that some rank receives at least if no element of X moves: the stationary-tensor
/// algorithm of Ballard, Knight and Rouse on the best grid of real parts,
///
///     min over Π P_n = P, 1 ≤ P_n ≤ I_n of  Σ I_n·R / P_n − Σ I_n·R / P.
///
/// Never less than `mttkrpLowerBound`, and equal to it where P is so small that it does not pay to
/// cut R and move X.
public func mttkrpStationaryTensorBound(
  tensorExtents: [Double], rank: Double, ranks: Double
) -> Double {
  guard let problem = MTTKRP(tensorExtents, rank: rank, ranks: ranks, mostParts: .tensor) else {
    return 0
  }
  let own = problem.elements / problem.parts
  let least = problem.leastElements(tensor: own...own) - own
  return max(0, least - problem.factors.reduce(0, +) / problem.parts)
}

private struct MTTKRP {
  /// What the ranks can share at most: elements of the tensor, or elementary products.
  enum MostParts { case tensor, products }

  /// I_n·R.
  let factors: [Double]
  /// I.
  let elements: Double
  let parts: Double
  let work: Double

  /// `nil` if there is nothing to compute.
  init?(
    _ extents: [Double], rank: Double, ranks: Double, mostParts: MostParts = .products
  ) {
    guard !extents.isEmpty, extents.allSatisfy({ $0 >= 1 }), rank >= 1 else { return nil }
    factors = extents.map { $0 * rank }
    elements = extents.reduce(1, *)
    parts = min(max(1, ranks), mostParts == .tensor ? elements : elements * rank)
    work = elements * rank / parts
  }

  /// The least x + Σ a_n with x^(N − 1)·Π a_n ≥ w^N, x in `tensor` and a_n ≤ `factors`[n].
  ///
  /// At the minimum all that is not at a limit is in the proportions of the exponents: a_n = μ and
  /// x = (N − 1)·μ. The products made grow with μ, which is found by bisection; of the last two
  /// values the smaller is taken, so that rounding never raises the bound.
  func leastElements(tensor: ClosedRange<Double>) -> Double {
    let order = Double(factors.count)
    func share(_ mu: Double) -> (tensor: Double, factors: [Double]) {
      (
        min(max((order - 1) * mu, tensor.lowerBound), tensor.upperBound),
        factors.map { min($0, mu) }
      )
    }
    func suffices(_ mu: Double) -> Bool {
      let (x, a) = share(mu)
      // x^(N − 1)·Π a_n / w^N in factors near 1, none of which overflows.
      return a.reduce(1 / x) { $0 * ($1 * (x / work)) } >= 1
    }
    var low = 0.0
    var high = factors.reduce(elements, max)
    while true {
      let middle = low + (high - low) / 2
      guard middle > low && middle < high else { break }
      if suffices(middle) { high = middle } else { low = middle }
    }
    let (x, a) = share(low)
    return a.reduce(x, +)
  }
}
