import Kernels

/// From the gradient of a layer's output to that of its input, tile by tile; `nil` where nothing before
/// the layer needs one. Adds the layer's parameter gradients when the tiles are made.
public typealias TilesPullback =
  @Sendable (
    _ outputGradient: Tiles<Tensor<Float>?>
  ) throws -> Tiles<Tensor<Float>?>

extension Layer {
  public func forward(_ input: Tiles<Tensor<Float>>, _ pass: Pass) throws -> (
    output: Tiles<Tensor<Float>>, pullback: TilesPullback
  ) {
    forwardEach(input, pass)
  }

  /// Every tile by itself.
  func forwardEach(_ input: Tiles<Tensor<Float>>, _ pass: Pass) -> (
    output: Tiles<Tensor<Float>>, pullback: TilesPullback
  ) {
    let pullbacks = TileStore<Pullback>(count: input.count)
    let output = input.map { [self] tile, input in
      var pass = pass
      pass.tile = tile
      let (output, pullback) = try forward(input, pass)
      pullbacks[tile] = pullback
      return output
    }
    let pullback: TilesPullback = { gradients in
      gradients.map { tile, gradient in
        guard let gradient else { return nil }
        guard let pullback = pullbacks.take(tile) else {
          throw NetworkError.pullbackUsed(layer: "tile \(tile)")
        }
        return try pullback(gradient)
      }
    }
    return (output, pullback)
  }

  /// The whole input as one tile, for layers that work on tiles.
  func forwardAsOneTile(_ input: Tensor<Float>, _ pass: Pass) throws -> (
    output: Tensor<Float>, pullback: Pullback
  ) {
    let (tiles, pullback) = try forward(Tiles(count: 1) { _ in input }, pass)
    let output = try tiles.made()[0]
    return (output, { gradient in try pullback(Tiles(count: 1) { _ in gradient }).made()[0] })
  }
}
