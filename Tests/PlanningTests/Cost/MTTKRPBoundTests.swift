import Foundation
import Testing

@testable import Planning

/// Bounds of the matricised tensor times Khatri–Rao product.
@Suite struct MTTKRPBoundTests {
  /// A cubical tensor on few ranks: N·R·(I/P)^(1/N) − Σ I_n·R / P (Ballard, Knight, Rouse).
  @Test(arguments: [(3, 8.0), (3, 27), (4, 16), (2, 9)])
  func aCubeOnFewRanksStays(order: Int, ranks: Double) {
    let side = 240.0
    let extents = [Double](repeating: side, count: order)
    let (n, rank) = (Double(order), 16.0)
    let block = pow(pow(side, n) / ranks, 1 / n)
    let expected = n * rank * block - n * side * rank / ranks
    let stationary = mttkrpStationaryTensorBound(tensorExtents: extents, rank: rank, ranks: ranks)
    #expect(stationary.isAbout(expected))
    let general = mttkrpLowerBound(tensorExtents: extents, rank: rank, ranks: ranks)
    #expect(general.isAbout(expected, scale: pow(side, n) / ranks))
  }

  /// With a large rank it pays to cut R and to move the tensor: for N = 3 the least of
  /// x + 3·w·x^(−2/3) is at x = (2w)^(3/5), where it is 5/2·(2w)^(3/5).
  @Test func aLargeRankMovesTheTensor() {
    let (side, rank, ranks) = (64.0, 4096.0, 4096.0)
    let extents = [side, side, side]
    let work = side * side * side * rank / ranks
    let held = (side * side * side + 3 * side * rank) / ranks
    let bound = mttkrpLowerBound(tensorExtents: extents, rank: rank, ranks: ranks)
    #expect(bound.isAbout(2.5 * pow(2 * work, 0.6) - held))
    #expect(
      bound < 0.9 * mttkrpStationaryTensorBound(tensorExtents: extents, rank: rank, ranks: ranks))
  }

  /// A long tensor on few ranks is cut along its length only: the other factors are needed whole.
  @Test func aLongTensorIsCutAlongItsLength() {
    let bound = mttkrpStationaryTensorBound(
      tensorExtents: [100_000, 10, 20], rank: 8, ranks: 16)
    // (10 + 20)·8 elements, of which each rank has 1/16.
    #expect(bound.isAbout(225, scale: 1e5))
    #expect(
      mttkrpLowerBound(tensorExtents: [100_000, 10, 20], rank: 8, ranks: 16)
        .isAbout(bound, scale: 2e7 / 16))
  }

  static let tensors: [(extents: [Int], rank: Int)] = [
    ([12, 12, 12], 4), ([64, 6, 3], 5), ([8, 8, 8], 300), ([5, 7, 9, 4], 12), ([40, 30], 16),
    ([4, 4, 4, 4, 4], 64), ([7], 3),
  ]

  /// Every grid of P = P_0·Π P_n ranks that cuts R into P_0: a rank needs its box of the tensor from
  /// those that share it, and its parts of the factors. Grids with P_0 = 1 move no tensor.
  @Test(arguments: tensors) func noGridMovesLess(extents: [Int], rank: Int) {
    for ranks in [1, 2, 3, 4, 6, 8, 12, 16, 24, 36, 64] {
      let all = Double(ranks)
      let extentsOfTensor = extents.map(Double.init)
      let general = mttkrpLowerBound(
        tensorExtents: extentsOfTensor, rank: Double(rank), ranks: all)
      let stationary = mttkrpStationaryTensorBound(
        tensorExtents: extentsOfTensor, rank: Double(rank), ranks: all)
      let elements = extentsOfTensor.reduce(1, *)
      let factors = extentsOfTensor.map { $0 * Double(rank) }
      let held = (elements + factors.reduce(0, +)) / all
      let slack = 1e-9 * (elements + factors.reduce(0, +))
      var grids = 0
      Self.forEachGrid(of: ranks, limits: [rank] + extents) { grid in
        grids += 1
        let parts = grid.map(Double.init)
        let box = elements / parts.dropFirst().reduce(1, *)
        let needed = zip(factors, parts.dropFirst()).reduce(box) { $0 + $1.0 / ($1.1 * parts[0]) }
        #expect(general <= needed - held + slack, "\(grid)")
        if grid[0] == 1 { #expect(stationary <= needed - held + slack, "\(grid)") }
      }
      // The ranks that have a grid are bounded by something that can be had.
      if grids > 0 { #expect(general >= 0 && general <= elements + factors.reduce(0, +)) }
      #expect(general <= stationary + slack || ranks > extents.reduce(1, *))
    }
  }

  static func forEachGrid(of ranks: Int, limits: [Int], _ body: ([Int]) -> Void) {
    func visit(_ at: Int, _ rest: Int, _ grid: [Int]) {
      guard at < limits.count else {
        if rest == 1 { body(grid) }
        return
      }
      for parts in 1...max(1, min(rest, limits[at])) where rest.isMultiple(of: parts) {
        visit(at + 1, rest / parts, grid + [parts])
      }
    }
    visit(0, ranks, [])
  }

  /// The minimum over a fine grid of x and the factors' shares, for three modes.
  @Test(arguments: [([64.0, 8, 4], 16.0, 32.0), ([16, 16, 16], 512, 64), ([256, 4, 4], 2, 8)])
  func nothingOnAFineGridIsLess(extents: [Double], rank: Double, ranks: Double) {
    let elements = extents.reduce(1, *)
    let factors = extents.map { $0 * rank }
    let work = elements * rank / ranks
    let steps = 16.0
    var least = Double.infinity
    for i in 0...Int(log2(ranks) * steps) {
      let x = elements / ranks * exp2(Double(i) / steps)
      for j in 0...Int(log2(factors[0]) * steps) {
        let a = factors[0] * exp2(-Double(j) / steps)
        for l in 0...Int(log2(factors[1]) * steps) {
          let b = factors[1] * exp2(-Double(l) / steps)
          // The least third share that makes x²·a·b·c = w³.
          let c = work / x * (work / x) * (work / (a * b))
          if c <= factors[2] * (1 + 1e-12) { least = min(least, x + a + b + c) }
        }
      }
    }
    let bound =
      mttkrpLowerBound(tensorExtents: extents, rank: rank, ranks: ranks)
      + (elements + factors.reduce(0, +)) / ranks
    #expect(bound <= least * (1 + 1e-9))
    #expect(bound >= least * 0.998)
  }

  @Test func oneRankReceivesNothing() {
    #expect(mttkrpLowerBound(tensorExtents: [9, 8, 7], rank: 5, ranks: 1).isAbout(0, scale: 504))
    #expect(
      mttkrpStationaryTensorBound(tensorExtents: [9, 8, 7], rank: 5, ranks: 1)
        .isAbout(0, scale: 504))
  }

  @Test func nothingToComputeMovesNothing() {
    #expect(mttkrpLowerBound(tensorExtents: [], rank: 5, ranks: 4) == 0)
    #expect(mttkrpLowerBound(tensorExtents: [4, 0], rank: 5, ranks: 4) == 0)
    #expect(mttkrpStationaryTensorBound(tensorExtents: [4, 4], rank: 0, ranks: 4) == 0)
  }
}
