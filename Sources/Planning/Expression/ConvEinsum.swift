/// A conv_einsum expression as it was written: operands, output and convolution modes, not yet
/// bound to shapes.
///
/// ```swift
/// let layer = try ConvEinsum("bshw,rt,rs,rh,rw->bthw|hw")
/// layer.operands.count        // 5
/// layer.convolutionModes      // [h, w]
/// ```
public struct ConvEinsum: Hashable, Sendable {
  /// The modes of one operand, or of the output.
  public struct Term: Hashable, Sendable {
    public let modes: [Mode]
    /// Where `...` stands among `modes` (0 … count), if it does.
    public let ellipsis: Int?

    public init(modes: [Mode], ellipsis: Int? = nil) {
      self.modes = modes
      self.ellipsis = ellipsis
    }
  }

  /// The text as given.
  public let text: String
  public let operands: [Term]
  /// The output, given or implied: without `->` the modes that appear once together with all
  /// convolution modes, sorted by name, after the ellipsis if there is one.
  public let output: Term
  /// Each once, in the order written after `|`.
  public let convolutionModes: [Mode]
}
