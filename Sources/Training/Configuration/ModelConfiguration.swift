import Execution

/// Which network is trained: the demo network, its convolutions in one factorised form.
///
/// ```swift
/// let network = try Network(
///   ModelConfiguration(form: "cp", compression: 0.1),
///   imageShape: (height: 28, width: 28, channels: 1), classes: 10, seed: 0)
/// ```
public struct ModelConfiguration: Hashable, Sendable {
  /// The name of a `Form`, in lower case: `cp`, `tk`, `tt`, `tr`, or `dense`.
  public var form: String
  /// Parameters of a factorised convolution / parameters of the dense one, in (0, 1]. The dense
  /// form has none to choose and ignores it.
  public var compression: Double
  /// Whether the reverse pass keeps the forward pass's intermediates or computes them again.
  public var checkpointing: Checkpointing

  public init(
    form: String = "cp", compression: Double = 0.1, checkpointing: Checkpointing = .keep
  ) {
    self.form = form
    self.compression = compression
    self.checkpointing = checkpointing
  }
}
