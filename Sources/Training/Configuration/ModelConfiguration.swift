import Execution

/// Which network is trained, and which of its layers are factorised.
///
/// ```swift
/// var model = ModelConfiguration(form: "cp", compression: 0.1)
/// model.network = .resnet34
/// let network = model.description(for: [32, 32])
/// ```
public struct ModelConfiguration: Hashable, Sendable {
  /// The networks that there are from the start.
  public enum BuiltIn: String, Hashable, Sendable, CaseIterable {
    case demo
    case resnet18
    case resnet20
    case resnet34
    case resnet50
  }

  public var network = BuiltIn.demo
  /// What a residual network begins with; `nil` follows from the extents of the images.
  public var stem: NetworkDescription.Stem?
  /// A network of one's own, instead of one that is built in.
  public var layers: [LayerDescription]?
  /// Beside what the network itself says; the later of two rules counts.
  public var factorize: [FactorizationRule] = []
  /// The name of a `Form`, in lower case: `cp`, `tk`, `tt`, `tr`, or `dense`: that of the
  /// convolutions of a built-in network that are factorised.
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

  /// The network, for images of these extents.
  public func description(for extents: [Int]) -> NetworkDescription {
    let stem = stem ?? .usual(for: extents)
    let factorization = Factorization(form, compression: compression)
    var description: NetworkDescription
    if let layers {
      description = NetworkDescription(layers)
    } else {
      switch network {
      case .demo: description = .demo(factorization: factorization)
      case .resnet18: description = .resnet18(stem: stem, factorization: factorization)
      case .resnet20: description = .resnet20(stem: stem, factorization: factorization)
      case .resnet34: description = .resnet34(stem: stem, factorization: factorization)
      case .resnet50: description = .resnet50(stem: stem, factorization: factorization)
      }
    }
    description.factorize += factorize
    return description
  }
}
