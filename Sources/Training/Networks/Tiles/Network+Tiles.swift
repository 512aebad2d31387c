import Kernels
import Partitioning

extension Network {
  /// Elements that a layer's input and output of one tile should have at most: what it computes, forward
  /// or back, is then still in a cache when it is read again.
  private static let tileElements = 1 << 21

  /// The samples of each tile of a batch: as many as have `tileElements` in the layer that has most, all
  /// tiles alike if the number of samples has a divisor near that.
  func tiles(of shape: [Int]) -> [Range<Int>] {
    guard let samples = shape.first, samples > 1, let elements = elementsPerSample(shape) else {
      return shape.first.map { [0..<$0] } ?? []
    }
    let most = max(1, min(samples, Self.tileElements / max(1, elements)))
    let even = (most / 2 + 1...most).last { samples.isMultiple(of: $0) }
    let size = even ?? most
    return stride(from: 0, to: samples, by: size).map { $0..<min($0 + size, samples) }
  }

  /// Of the layer whose input and output have most; `nil` where a layer cannot take the input, which it
  /// will say itself.
  private func elementsPerSample(_ shape: [Int]) -> Int? {
    func each(_ layout: Layout) -> Int { layout.shape.dropFirst().reduce(1, *) }
    var layout = Layout.replicated(shape, mesh: Mesh(axes: [1]))
    var most = 0
    for layer in layers {
      guard let output = try? layer.outputLayout(layout) else { return nil }
      most = max(most, each(layout) + each(output))
      layout = output
    }
    return most
  }

  func forward(_ images: Tensor<Float>, _ pass: Pass, in parts: [Range<Int>]) throws -> (
    logits: Tensor<Float>, pullback: Pullback
  ) {
    var activations = Tiles(count: parts.count) { images.samples(parts[$0]) }
    var pullbacks: [TilesPullback] = []
    for layer in layers {
      let (output, pullback) = try layer.forward(activations, pass)
      activations = output
      if pass.isTraining { pullbacks.append(pullback) }
    }
    let logits = Tensor(joining: try activations.made())
    guard pass.isTraining else { return (logits, noPullback("network")) }
    let kept = UsedOnce(pullbacks, name: "network")
    let pullback: Pullback = { [parameters] outputGradient in
      var pullbacks = try kept.take()
      for parameter in parameters { parameter.beginTiles() }
      defer { for parameter in parameters { parameter.endTiles() } }
      var gradients = Tiles<Tensor<Float>?>(count: parts.count) {
        outputGradient.samples(parts[$0])
      }
      while let pullback = pullbacks.popLast() { gradients = try pullback(gradients) }
      let made = try gradients.made()
      let whole = made.compactMap { $0 }
      return whole.count == parts.count ? Tensor(joining: whole) : nil
    }
    return (logits, pullback)
  }
}

extension Tensor where Element == Float {
  /// A copy of some indices of the first dimension.
  fileprivate func samples(_ range: Range<Int>) -> Tensor {
    var part = Tensor(uninitialized: [range.count] + shape.dropFirst())
    let each = shape.dropFirst().reduce(1, *)
    withElements { from in
      part.withMutableElements { to in
        _ = to.update(from: from[range.lowerBound * each..<range.upperBound * each])
      }
    }
    return part
  }

  /// Tensors one after the other along the first dimension.
  fileprivate init(joining parts: [Tensor]) {
    let rest = parts.first?.shape.dropFirst() ?? []
    self.init(uninitialized: [parts.reduce(0) { $0 + $1.shape[0] }] + rest)
    withMutableElements { to in
      var start = 0
      for part in parts {
        part.withElements { from in
          _ = to[start..<start + from.count].update(from: from)
          start += from.count
        }
      }
    }
  }
}
