import Collectives
import Kernels
import TestSupport
import Testing

@testable import Training

/// Normalisation and maximum in one against the two layers one after the other.
@Suite struct NormalizedMaxPoolTests {
  private func layer(_ channels: Int, relu: Bool, window: Int, stride: Int? = nil) throws
    -> NormalizedMaxPool
  {
    let norm = try BatchNormalization(name: "norm", channels: channels, relu: relu)
    // Of both signs: where it is negative, the maximum is of the least value.
    norm.scale.value = uniform([channels], seed: 1)
    norm.shift.value = uniform([channels], seed: 2)
    return NormalizedMaxPool(norm, try MaxPool(name: "pool", window: window, stride: stride))
  }

  /// Sums leave out zeros, and so are taken in another order.
  private func check(_ found: Tensor<Float>, _ wanted: Tensor<Float>) {
    let wanted = Tensor<Double>(shape: wanted.shape, elements: wanted.elements.map(Double.init))
    #expect(mismatch(found, wanted, tolerance: .relative(4e-6)) == nil)
  }

  /// Extents that the windows tile and that they do not, channels beyond whole vectors, windows that
  /// overlap, which take the layers one by one, and the running statistics of evaluation.
  @Test(
    arguments: [
      (8, 6, 32, 2, 2), (7, 9, 37, 2, 2), (7, 8, 3, 3, 3), (3, 3, 5, 1, 1), (7, 7, 4, 3, 2),
    ],
    [false, true])
  func agreesWithBothLayers(shape: (Int, Int, Int, Int, Int), relu: Bool) throws {
    let (height, width, channels, window, stride) = shape
    let fused = try layer(channels, relu: relu, window: window, stride: stride)
    let plain = try layer(channels, relu: relu, window: window, stride: stride)
    let x = uniform([3, height, width, channels], seed: 3)
    let (y, pullback) = try fused.forward(x, alone)
    let (normalized, normPullback) = try plain.normalization.forward(x, alone)
    let (wanted, poolPullback) = try plain.pool.forward(normalized, alone)
    #expect(y.elements == wanted.elements)
    let g = uniform(y.shape, seed: 4)
    let dx = try #require(try pullback(g))
    let wantedGradient = try #require(try poolPullback(g).flatMap(normPullback))
    check(dx, wantedGradient)
    check(fused.normalization.scale.gradient, plain.normalization.scale.gradient)
    check(fused.normalization.shift.gradient, plain.normalization.shift.gradient)
    #expect(fused.state.map(\.value.elements) == plain.state.map(\.value.elements))
    let evaluated = try fused.forward(x, evaluation).output
    let wantedEvaluated = try plain.pool.forward(
      plain.normalization.forward(x, evaluation).output, evaluation
    ).output
    #expect(evaluated.elements == wantedEvaluated.elements)
  }

  @Test func notANumberStays() throws {
    let fused = try layer(2, relu: true, window: 2)
    var x = uniform([2, 4, 4, 2], seed: 3)
    x[1, 2, 3, 1] = .nan
    let y = try fused.forward(x, alone).output
    // Its channel's statistics are none, the other channel's are.
    for pixel in 0..<8 {
      #expect(y.elements[2 * pixel].isFinite)
      #expect(y.elements[2 * pixel + 1].isNaN)
    }
  }

  /// Ranks without samples take part in the statistics.
  @Test(arguments: [2, 3, 5]) func ranksShareTheGlobalBatch(ranks: Int) throws {
    let x = uniform([3, 4, 4, 5], seed: 3)
    let g = uniform([3, 2, 2, 5], seed: 4)
    let whole = try layer(5, relu: true, window: 2)
    let (y, pullback) = try whole.forward(x, alone)
    let dx = try #require(try pullback(g))
    struct Part: Sendable {
      var y, dx: Tensor<Float>
    }
    let parts = try ThreadCommunicator.run(ranks: ranks) { communicator in
      let shared = try layer(5, relu: true, window: 2)
      let pass = Pass(isTraining: true, communicator: communicator)
      let (y, pullback) = try shared.forward(shard(x, communicator.rank, ranks), pass)
      let dx = try pullback(shard(g, communicator.rank, ranks)) ?? Tensor(shape: [])
      return Part(y: y, dx: dx)
    }
    check(joined(parts.map(\.y)), y)
    check(joined(parts.map(\.dx)), dx)
  }
}
