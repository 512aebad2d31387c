import CKernels
import Execution
import Kernels
import Partitioning

/// The mean over all pixels: `[batch, height, width, channels]` to `[batch, channels]`.
///
/// Of sharded images every rank takes the sum over its own pixels; the sums are added up where the
/// sample's features are needed. Afterwards every rank has whole samples of its own.
///
/// ```swift
/// let (features, _) = try GlobalAveragePool(name: "pool").forward(x, pass)
/// ```
public final class GlobalAveragePool: Layer {
  private let name: String

  public init(name: String) { self.name = name }

  /// The axes that cut the pixels cut the samples further.
  public func outputLayout(_ input: Layout) throws -> Layout {
    guard input.cuts.count == 4 else { throw notImages(name, input.shape) }
    return Layout(
      mesh: input.mesh,
      cuts: [
        Layout.Cut(extent: input.cuts[0].extent, axes: input.cuts.prefix(3).flatMap(\.axes)),
        Layout.Cut(extent: input.cuts[3].extent),
      ])
  }

  /// - Throws: `NetworkError.unexpectedInput`, `.unexpectedSharding`.
  public func forward(_ input: Tensor<Float>, _ pass: Pass) throws -> (
    output: Tensor<Float>, pullback: Pullback
  ) {
    if let layout = pass.sharding, !layout.cutsSamplesOnly {
      return try forward(input, pass, sharded: layout)
    }
    let shape = input.shape
    guard shape.count == 4, shape[1] > 0, shape[2] > 0 else { throw notImages(name, shape) }
    return (mean(input), pass.isTraining ? { @Sendable in spread($0, shape) } : noPullback(name))
  }

  private func forward(
    _ input: Tensor<Float>, _ pass: Pass, sharded layout: Layout
  ) throws -> (output: Tensor<Float>, pullback: Pullback) {
    let communicator = pass.communicator
    let rank = communicator.rank
    let shape = input.shape
    try layout.requireImages(name, box: shape, rank: rank, ranks: communicator.size)
    let features = try outputLayout(layout)
    let terms = Layout(
      mesh: layout.mesh, cuts: [layout.cuts[0], features.cuts[1]],
      partialAxes: layout.cuts[1].axes + layout.cuts[2].axes)
    // Of all pixels, those that this rank has.
    let pixels = layout.shape[1] * layout.shape[2]
    let share = pixels > 0 ? Float(shape[1] * shape[2]) / Float(pixels) : 0
    let output = try LayoutExchange(from: terms, to: features, rank: rank)(
      scaled(mean(input), by: share), communicator, what: "reduce the means of \(name)")
    guard pass.isTraining else { return (output, noPullback(name)) }
    let pullback: Pullback = { [name] outputGradient in
      let gradient = try LayoutExchange(from: features.dual, to: terms.dual, rank: rank)(
        outputGradient, communicator, what: "gather the gradient of \(name)")
      return spread(scaled(gradient, by: share), shape)
    }
    return (output, pullback)
  }
}

/// The mean over the pixels there are; 0 where there are none.
private func mean(_ input: Tensor<Float>) -> Tensor<Float> {
  let (batch, pixels, channels) = (input.shape[0], input.shape[1] * input.shape[2], input.shape[3])
  guard pixels > 0 else { return Tensor(shape: [batch, channels]) }
  return transformed(input, shape: [batch, channels]) { input, output in
    nonisolated(unsafe) let (input, output) = (input, output)
    ThreadPool.run(over: batch, nanoseconds: 0.2 * Double(input.count)) {
      convoy_global_average(
        $0.count, pixels, channels, input.start + $0.lowerBound * pixels * channels,
        output + $0.lowerBound * channels)
    }
  }
}

/// The gradient of `mean` of an input of this shape.
private func spread(_ gradient: Tensor<Float>, _ shape: [Int]) -> Tensor<Float> {
  let (batch, pixels, channels) = (shape[0], shape[1] * shape[2], shape[3])
  guard pixels > 0 else { return Tensor(shape: shape) }
  return transformed(gradient, shape: shape) { gradient, result in
    nonisolated(unsafe) let (gradient, result) = (gradient, result)
    ThreadPool.run(over: batch, nanoseconds: 0.2 * Double(batch * pixels * channels)) {
      convoy_global_average_backward(
        $0.count, pixels, channels, gradient.start + $0.lowerBound * channels,
        result + $0.lowerBound * pixels * channels)
    }
  }
}

private func scaled(_ tensor: Tensor<Float>, by factor: Float) -> Tensor<Float> {
  transformed(tensor) { input, output in
    for i in 0..<input.count { output[i] = factor * input.start[i] }
  }
}
