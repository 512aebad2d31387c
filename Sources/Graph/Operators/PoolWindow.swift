import Partitioning

/// How a pool goes along one axis: output i sees the inputs `stride·i − low ..< stride·i − low +
/// extent`, of which those outside the axis are padding.
///
/// With N inputs there are `⌊(N + low + high − extent)/stride⌋ + 1` outputs. Padding is smaller
/// than the window on both sides, so that every window sees an input.
///
/// ```swift
/// let windows = [2, 3].map { PoolWindow(axis: $0, extent: 3, stride: 2, padding: 1) }
/// ```
public struct PoolWindow: Hashable, Codable, Sendable {
  public let axis: Int
  /// How many inputs, padding included, an output sees; at least 1.
  public let extent: Int
  /// At least 1.
  public let stride: Int
  /// Padding before and after.
  public let low: Int
  public let high: Int

  public init(axis: Int, extent: Int, stride: Int, low: Int, high: Int) {
    self.axis = axis
    self.extent = extent
    self.stride = stride
    self.low = low
    self.high = high
  }

  /// As much padding before as after; without a stride windows lie side by side.
  public init(axis: Int, extent: Int, stride: Int? = nil, padding: Int = 0) {
    self.init(
      axis: axis, extent: extent, stride: stride ?? extent, low: padding, high: padding)
  }

  func outputExtent(_ inputExtent: Int) -> Int {
    (inputExtent + low + high - extent) / stride + 1
  }

  fileprivate func window(_ outputExtent: Int) -> Window {
    Window(
      resultExtent: outputExtent, stride: stride, low: -low, high: extent - 1 - low,
      circular: false)
  }
}

extension [PoolWindow] {
  /// `3×3 /2 +1 over 2,3`: extents, strides, padding, axes. What is the same along all axes is
  /// written once, and padding only where there is some.
  var text: String {
    func common(_ texts: [String]) -> String {
      Set(texts).count == 1 ? texts[0] : texts.joined(separator: "×")
    }
    let extents = map { "\($0.extent)" }.joined(separator: "×")
    let padding = map { $0.low == $0.high ? "\($0.low)" : "\($0.low):\($0.high)" }
    let padded = contains { $0.low != 0 || $0.high != 0 } ? " +\(common(padding))" : ""
    return "\(extents) /\(common(map { "\($0.stride)" }))\(padded) over \(list(map(\.axis)))"
  }

  /// The axes of the output of a pool of `x`.
  func pooled(_ x: Value) throws(GraphError.Misfit) -> [Axis] {
    var axes = x.axes
    try x.check(axes: map(\.axis))
    for window in self {
      let axis = axes[window.axis]
      guard (1..<Int(largestExtent)).contains(window.extent),
        (1..<Int(largestExtent)).contains(window.stride), axis.extent >= 1,
        (0..<window.extent).contains(window.low), (0..<window.extent).contains(window.high),
        axis.extent + window.low + window.high >= window.extent
      else { throw .window(window, extent: axis.extent) }
      axes[window.axis] = axis.with(extent: window.outputExtent(axis.extent))
    }
    return axes
  }

  /// Factors of inputs and outputs that are either of the pool's input's shape, and then read
  /// through windows, or of its output's, `shape`.
  func factors(_ shape: [Int], inputsArePooled: [Bool], outputsArePooled: [Bool]) -> [Factor] {
    shape.indices.map { dimension in
      let window = first { $0.axis == dimension }?.window(shape[dimension])
      let place = { (isPooled: Bool) -> Factor.Dimension? in
        Factor.Dimension(dimension, window: isPooled ? nil : window)
      }
      return Factor(
        extent: shape[dimension], inputs: inputsArePooled.map(place),
        outputs: outputsArePooled.map(place))
    }
  }
}
