import CKernels
import Kernels
import Partitioning

/// Batch normalisation, with its optional ReLU, followed by a maximum: as the two layers one after the
/// other, but the normalised images are never stored, nor are their gradients.
///
/// Forward, one sweep over the input takes the maxima; back, the sums of the normalisation's gradient need
/// the chosen values only, and one sweep writes the gradient of the input. Windows that overlap, images cut
/// into rows, and evaluation take the layers one by one.
///
/// ```swift
/// let layer = NormalizedMaxPool(
///   try BatchNormalization(name: "norm1", channels: 64, relu: true),
///   try MaxPool(name: "pool1", window: 2))
/// let (y, pullback) = try layer.forward(x, pass)    // [b, 28, 28, 64] to [b, 14, 14, 64]
/// ```
public final class NormalizedMaxPool: Layer {
  public let normalization: BatchNormalization
  public let pool: MaxPool

  public var parameters: [Parameter] { normalization.parameters }
  public var state: [Parameter] { normalization.state }

  public init(_ normalization: BatchNormalization, _ pool: MaxPool) {
    self.normalization = normalization
    self.pool = pool
  }

  public func outputLayout(_ input: Layout) throws -> Layout { try pool.outputLayout(input) }

  /// - Throws: what the two layers throw.
  public func forward(_ input: Tensor<Float>, _ pass: Pass) throws -> (
    output: Tensor<Float>, pullback: Pullback
  ) {
    let cutsSamplesOnly = pass.sharding?.cutsSamplesOnly ?? true
    guard pass.isTraining, cutsSamplesOnly, pool.window.isDisjoint else {
      return try oneByOne(input, pass)
    }
    return try forwardAsOneTile(input, pass)
  }

  public func forward(_ input: Tiles<Tensor<Float>>, _ pass: Pass) throws -> (
    output: Tiles<Tensor<Float>>, pullback: TilesPullback
  ) {
    guard pass.isTraining else { return forwardEach(input, pass) }
    guard pool.window.isDisjoint else {
      let (normalized, normalizationPullback) = try normalization.forward(input, pass)
      let (output, poolPullback) = try pool.forward(normalized, pass)
      return (output, { try normalizationPullback(poolPullback($0)) })
    }
    let (inputs, affine) = try normalization.batchAffine(of: input, pass.communicator)
    let maxima = TileStore<Maxima>(count: input.count)
    let output = Tiles(count: input.count) { [self] tile in
      let (output, found) = try self.maxima(inputs[tile], affine)
      maxima[tile] = found
      return output
    }
    let pullback: TilesPullback = { [self] gradients in
      let sums = TileStore<[Double]>(count: gradients.count)
      let made = try gradients.map { [self] tile, gradient in
        // Where nothing was chosen, nothing comes back.
        if let gradient, let chosen = maxima[tile]?.chosen {
          sums[tile] = normalization.gradientSums(chosen, gradient, affine)
        }
        return gradient
      }.made()
      let line = try normalization.gradientLine(
        sums, of: gradients.count, affine, pass.communicator)
      return Tiles(count: gradients.count) { [self] tile in
        guard let gradient = made[tile] else { return nil }
        guard let found = maxima.take(tile) else {
          throw NetworkError.pullbackUsed(layer: "tile \(tile)")
        }
        return inputGradient(inputs[tile], gradient, found, affine, line)
      }
    }
    return (output, pullback)
  }

  private func oneByOne(_ input: Tensor<Float>, _ pass: Pass) throws -> (
    output: Tensor<Float>, pullback: Pullback
  ) {
    let (normalized, normalizationPullback) = try normalization.forward(input, pass)
    let (output, poolPullback) = try pool.forward(normalized, pass)
    return (output, { try poolPullback($0).flatMap(normalizationPullback) })
  }

  /// Which values of the input, and which taps of their windows, the maxima are.
  private struct Maxima {
    let chosen: Tensor<Float>
    let taps: [UInt8]
    let geometry: convoy_pool
  }

  private func maxima(
    _ input: Tensor<Float>, _ affine: BatchNormalization.Affine
  ) throws -> (output: Tensor<Float>, maxima: Maxima) {
    let (geometry, shape) = try pool.window.geometry(input.shape)
    let relu: Int32 = normalization.relu ? 1 : 0
    var chosen = Tensor<Float>(uninitialized: shape)
    var taps: [UInt8] = []
    let output = transformed(input, shape: shape) { input, output in
      chosen.withMutableElements { chosen in
        guard let from = chosen.baseAddress else { return }
        taps = [UInt8](unsafeUninitializedCapacity: chosen.count) { taps, count in
          count = chosen.count
          guard let start = taps.baseAddress else { return }
          nonisolated(unsafe) let (input, output, from, tap) = (input, output, from, start)
          geometry.eachPart {
            convoy_normalized_max_pool(
              $0, input.start + $1, affine.scale, affine.shift, relu, output + $2, from + $2,
              tap + $2)
          }
        }
      }
    }
    return (output, Maxima(chosen: chosen, taps: taps, geometry: geometry))
  }

  private func inputGradient(
    _ input: Tensor<Float>, _ outputGradient: Tensor<Float>, _ maxima: Maxima,
    _ affine: BatchNormalization.Affine, _ line: BatchNormalization.GradientLine
  ) -> Tensor<Float> {
    let relu: Int32 = normalization.relu ? 1 : 0
    return transformed(input) { input, result in
      outputGradient.withElements { gradient in
        maxima.taps.withUnsafeBufferPointer { taps in
          guard let gradient = gradient.baseAddress, let taps = taps.baseAddress else { return }
          nonisolated(unsafe) let (input, dy, tap, result) = (input, gradient, taps, result)
          maxima.geometry.eachPart {
            convoy_normalized_max_pool_backward(
              $0, input.start + $1, dy + $2, tap + $2, affine.mean, affine.scale, affine.shift,
              relu, line.slope, line.constant, result + $1)
          }
        }
      }
    }
  }
}
