/// A conv_einsum expression bound to the shapes of its operands: every mode has an extent, every
/// convolution mode its geometry.
///
/// Modes are numbered in order of first appearance; `operands` and `output` refer to those numbers.
///
/// ```swift
/// let bound = try BoundExpression("bshw,tshw->bthw|hw", shapes: [[8, 3, 32, 32], [16, 3, 3, 3]])
/// bound.outputShape  // [8, 16, 32, 32]
/// ```
public struct BoundExpression: Hashable, Codable, Sendable {
  /// One mode with its extent; of a convolution mode, the feature's extent.
  public struct BoundMode: Hashable, Codable, Sendable {
    public let mode: Mode
    public let extent: Int
    public let convolution: ConvolutionGeometry?
  }

  /// The expression's text as given.
  public let text: String
  public let shapes: [[Int]]
  public let modes: [BoundMode]
  /// For every operand and dimension the number of its mode; `nil` where an ellipsis broadcasts a
  /// dimension of extent 1. A number that stands twice in one operand takes the diagonal.
  public let operands: [[Int?]]
  /// The modes of the output, each once.
  public let output: [Int]

  /// The shape of the result.
  public var outputShape: [Int] { output.map(outputExtent) }

  /// Extent of a mode in the result, were it there: n of a convolution mode.
  public func outputExtent(_ mode: Int) -> Int {
    modes[mode].convolution?.outputExtent ?? modes[mode].extent
  }

  /// Extent of dimension that carries `mode` in `operand` as given.
  public func extent(_ mode: Int, inOperand operand: Int) -> Int {
    modes[mode].convolution?.extent(ofOperand: operand) ?? modes[mode].extent
  }
}

/// The geometry of one convolution mode (design, section 2).
///
/// Let N be the feature's extent, K_j the filters', d the dilation, s the stride and
/// `E = Σ_j d(K_j − 1)` the reach. Then `n = ⌊(N + low + high − E − 1) / s⌋ + 1`, and
/// `y[i] = Σ_k x[i·s − low + Σ_j d·k_j]·Π_j w_j[k_j]` (correlation) or
/// `x[i·s − low + E − Σ_j d·k_j]` (convolution).
///
/// ```swift
/// let bound = try BoundExpression("h,h->h|h", shapes: [[9], [4]])
/// let geometry = bound.modes[0].convolution
/// geometry?.reach         // 3
/// geometry?.outputExtent  // 9
/// ```
public struct ConvolutionGeometry: Hashable, Codable, Sendable {
  /// One filter: the operand and its extent K_j.
  public struct Filter: Hashable, Codable, Sendable {
    public let operand: Int
    public let extent: Int
  }

  /// The operand that is the feature.
  public let feature: Int
  /// N.
  public let featureExtent: Int
  /// In order of operands.
  public let filters: [Filter]
  public let stride: Int
  public let dilation: Int
  /// Padding before and after, resolved: `wrap` is (0, E) for correlation and (E, 0) for convolution
  /// under a circular boundary.
  public let low: Int
  public let high: Int
  public let kind: ConvRule.Kind
  public let boundary: ConvRule.Boundary

  /// E, how far the filters reach together.
  public var reach: Int { filters.reduce(0) { $0 + dilation * ($1.extent - 1) } }

  /// N + lo + hi, the virtually padded extent.
  public var paddedExtent: Int { featureExtent + low + high }

  /// n.
  public var outputExtent: Int { (paddedExtent - reach - 1) / stride + 1 }

  public func extent(ofOperand operand: Int) -> Int {
    operand == feature
      ? featureExtent : filters.first { $0.operand == operand }?.extent ?? featureExtent
  }
}
