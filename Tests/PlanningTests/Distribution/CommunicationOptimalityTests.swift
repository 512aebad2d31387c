import Partitioning
import Testing

@testable import Planning

/// What plans move against what no plan, or no plan of a kind, can do without.
@Suite struct CommunicationOptimalityTests {
  struct Product: CustomTestStringConvertible, Sendable {
    let m: Int
    let n: Int
    let k: Int
    let ranks: Int

    var testDescription: String { "\(m) × \(n) × \(k) on \(ranks)" }

    /// Elements that some rank receives at least (Al Daas, Ballard, Grigori, Kumar and Rouse,
    /// arXiv 2205.13407, theorem 3), less the share of the three matrices that it may hold.
    var bound: Double {
      let sides = [m, n, k].map(Double.init).sorted(by: >)
      let (m, n, k) = (sides[0], sides[1], sides[2])
      let ranks = Double(ranks)
      let touched =
        if ranks <= m / n {
          (m * n + m * k) / ranks + n * k
        } else if ranks <= m * n / (k * k) {
          2 * power(m * n * k * k / ranks, 1, over: 2) + m * n / ranks
        } else {
          3 * power(m * n * k / ranks, 2, over: 3)
        }
      return touched - (m * n + m * k + n * k) / ranks
    }

    /// x^(p/q), by bisection: the tests import no mathematics.
    private func power(_ x: Double, _ p: Int, over q: Int) -> Double {
      func whole(_ x: Double, _ n: Int) -> Double { (0..<n).reduce(1.0) { y, _ in y * x } }
      var (low, high) = (0.0, max(1, x))
      for _ in 0..<200 {
        let middle = (low + high) / 2
        if whole(middle, q) < x { low = middle } else { high = middle }
      }
      return whole(low, p)
    }
  }

  static let products = [
    Product(m: 1024, n: 1024, k: 1024, ranks: 8),
    Product(m: 1024, n: 1024, k: 1024, ranks: 64),
    Product(m: 4096, n: 1024, k: 256, ranks: 16),
    Product(m: 8192, n: 512, k: 512, ranks: 8),
    Product(m: 65536, n: 64, k: 64, ranks: 16),
    Product(m: 2000, n: 1500, k: 900, ranks: 12),
    Product(m: 3000, n: 3000, k: 3000, ranks: 27),
    Product(m: 256, n: 256, k: 65536, ranks: 32),
  ]

  @Test(arguments: products)
  func productsComeWithin15PercentOfTheBound(_ product: Product) throws {
    let expression = try BoundExpression(
      "mk,kn->mn", shapes: [[product.m, product.k], [product.k, product.n]])
    let plan = try DistributedPlan(
      expression, options: .init(ranks: product.ranks, objective: .bytes))
    let received = Double((0..<product.ranks).map { plan.receivedElements(by: $0) }.max() ?? 0)
    #expect(received >= product.bound * (1 - 1e-9))
    #expect(received <= 1.15 * product.bound, "\(received / product.bound)")
  }

  struct Factors: CustomTestStringConvertible, Sendable {
    let extents: [Int]
    let rank: Int
    let ranks: Int

    var testDescription: String { "\(extents), R = \(rank) on \(ranks)" }

    /// Elements received where the tensor stays, the best of all grids of ranks over its modes: of
    /// each of the two factors the rows are gathered that a rank's box needs, R·I/p but R·I/P, and
    /// those of the result are reduced, which receives as much.
    var stationaryTensor: Double {
      var least = Double.infinity
      for p in 1...ranks where ranks.isMultiple(of: p) {
        for q in 1...ranks / p where (ranks / p).isMultiple(of: q) {
          let rows = zip(extents, [p, q, ranks / p / q]).reduce(0.0) {
            $0 + Double($1.0) * (1 / Double($1.1) - 1 / Double(ranks))
          }
          least = min(least, rows * Double(rank))
        }
      }
      return least
    }
  }

  static let factors = [
    Factors(extents: [64, 64, 64], rank: 16, ranks: 8),
    Factors(extents: [128, 64, 32], rank: 8, ranks: 16),
    Factors(extents: [90, 90, 90], rank: 30, ranks: 27),
    Factors(extents: [1024, 1024, 64], rank: 16, ranks: 4),
    Factors(extents: [256, 256, 256], rank: 32, ranks: 64),
  ]

  /// A step of three operands as two of two: the tensor stays where it is, and the partial sums of
  /// the first step are left to the second.
  @Test(arguments: factors)
  func pairwiseStepsLoseNothingAgainstTheStationaryTensor(_ factors: Factors) throws {
    let extents = factors.extents
    let expression = try BoundExpression(
      "ijk,jr,kr->ir",
      shapes: [extents, [extents[1], factors.rank], [extents[2], factors.rank]])
    let plan = try DistributedPlan(
      expression, options: .init(ranks: factors.ranks, objective: .bytes))
    let received = Double((0..<factors.ranks).map { plan.receivedElements(by: $0) }.max() ?? 0)
    #expect(
      received <= factors.stationaryTensor * (1 + 1e-9), "\(received / factors.stationaryTensor)")
  }
}
