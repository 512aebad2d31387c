/// How one convolution mode is evaluated: stride, dilation, padding, kind and boundary
/// (design, section 2).
///
/// ```swift
/// let pytorch = ConvRule(stride: 2, padding: .explicit(low: 1, high: 1), kind: .correlation)
/// let periodic = ConvRule(boundary: .circular)
/// ```
public struct ConvRule: Hashable, Codable, Sendable {
  public enum Kind: String, Hashable, Codable, Sendable, CaseIterable {
    /// `y[i] = Σ_k x[i·s − lo + E − Σ_j d·k_j] · Π_j w_j[k_j]`: numpy.convolve's, and the paper's.
    case convolution
    /// `y[i] = Σ_k x[i·s − lo + Σ_j d·k_j] · Π_j w_j[k_j]`: what neural network frameworks call
    /// convolution.
    case correlation
  }

  public enum Boundary: String, Hashable, Codable, Sendable, CaseIterable {
    /// The feature is 0 outside its extent.
    case zero
    /// Indices of the feature are taken modulo its extent.
    case circular
  }

  public enum Padding: Hashable, Codable, Sendable {
    /// Output as long as the input at stride 1.
    case same
    /// No padding.
    case valid
    /// Every overlap: `E` on both sides.
    case full
    /// Circular only: anchored at index 0, output extent ⌈N/s⌉.
    case wrap
    /// As many elements before and after as given; never negative.
    case explicit(low: Int, high: Int)
  }

  public var stride = 1
  public var dilation = 1
  /// `nil` is the default: `same` with a zero boundary, `wrap` with a circular one.
  public var padding: Padding?
  public var kind = Kind.convolution
  public var boundary = Boundary.zero
  /// The operand (from 0) that is the feature; `nil` takes the one with the largest extent.
  public var feature: Int?

  public init(
    stride: Int = 1, dilation: Int = 1, padding: Padding? = nil, kind: Kind = .convolution,
    boundary: Boundary = .zero, feature: Int? = nil
  ) {
    self.stride = stride
    self.dilation = dilation
    self.padding = padding
    self.kind = kind
    self.boundary = boundary
    self.feature = feature
  }
}

/// The rules of an expression's convolution modes.
///
/// ```swift
/// let rules = try ConvRules(options: ["*:kind=correlation", "h:stride=2,padding=1:2"])
/// let same = ConvRules(all: ConvRule(kind: .correlation))
/// ```
public struct ConvRules: Hashable, Codable, Sendable {
  /// The rule of every mode that has none of its own.
  public var all: ConvRule
  /// Rules of single modes, by name without parentheses.
  public var byMode: [String: ConvRule]

  public init(all: ConvRule = ConvRule(), byMode: [String: ConvRule] = [:]) {
    self.all = all
    self.byMode = byMode
  }

  public subscript(mode: Mode) -> ConvRule { byMode[mode.name] ?? all }
}
