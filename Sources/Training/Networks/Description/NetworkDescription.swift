/// A network as a value: its layers, and which of them are factorised. It knows neither the extents
/// of its input nor the number of classes; `graph` is told them.
///
/// ```swift
/// let network = NetworkDescription.resnet20(factorization: Factorization("cp", compression: 0.1))
/// let images = NetworkInput(batch: 32, extents: [32, 32], channels: 3)
/// let made = try network.graph(images, classes: 10, mode: .training)
/// made.layers.map(\.name)      // conv1, bn1, …
/// made.parameterCount
/// ```
public struct NetworkDescription: Hashable, Sendable {
  /// What parameters are called below their layer.
  public enum Naming: String, Hashable, Sendable {
    /// As PyTorch's: `weight`, `bias`, `running_mean`, `running_var`; factors by their modes.
    case pyTorch
    /// By what they are: dense kernels of convolutions too by their modes, `t_s_h_w`; `scale`, `shift`, `mean`,
    /// `variance` of a normalisation.
    case roles
  }

  public var layers: [LayerDescription]
  /// Of two rules that match a layer the later counts.
  public var factorize: [FactorizationRule] = []
  public var naming = Naming.pyTorch

  public init(_ layers: [LayerDescription]) { self.layers = layers }
}
