import Graph
import Planning

/// One layer of a network, or several of them put together, as a value: what is computed, not with
/// which numbers. Layers take the number of channels, and the extents, from what they are given.
///
/// Inside a network every layer has a name, and its parameters theirs below it, as PyTorch's have:
/// `layer1.0.conv1.weight`. A layer that is given no name takes its kind's with a number, counted
/// within the layer around it: `conv1`, `norm1`, `conv2`.
///
/// ```swift
/// let block = LayerDescription.residual(
///   main: [
///     .convolution(ConvolutionSettings(channels: 64, kernel: 3)), .norm(.batch), .relu,
///     .convolution(ConvolutionSettings(channels: 64, kernel: 3)), .norm(.batch),
///   ])
/// let network = NetworkDescription([block, .relu, .globalMean, .linear(LinearSettings())])
/// ```
public struct LayerDescription: Hashable, Sendable {
  /// What a layer does.
  public indirect enum Kind: Hashable, Sendable {
    /// One after the other.
    case sequence([LayerDescription])
    /// The sum of two ways from the same input; no layers are the input itself.
    case residual(main: [LayerDescription], shortcut: [LayerDescription])
    /// Several ways from the same input, joined.
    case branch([[LayerDescription]], join: Join)
    /// Equal layers, each with parameters of its own, so many times one after the other, named `0`,
    /// `1`, ….
    case repetition(Int, [LayerDescription])
    case convolution(ConvolutionSettings)
    case linear(LinearSettings)
    case einsum(EinsumSettings)
    case norm(NormSettings)
    /// A function of every element: relu, gelu, silu, sigmoid, tanh.
    case map(Operators.Map.Function)
    /// Zeroes elements at random in training; nothing in evaluation.
    case dropout(rate: Double)
    case maxPool(PoolSettings)
    case averagePool(PoolSettings)
    /// The mean over all axes but samples and channels.
    case globalMean
    /// All axes but the samples as one, channels running fastest.
    case flatten
    /// Along the channels.
    case softmax
  }

  /// How branches come together.
  public enum Join: String, Hashable, Sendable, CaseIterable {
    /// Element by element; all have one shape.
    case sum
    /// Along the channels; all other extents are equal.
    case concatenate
  }

  /// `nil`: made. A layer that only holds others and has no name adds none to theirs.
  public var name: String?
  public var kind: Kind

  public init(_ kind: Kind, name: String? = nil) {
    self.kind = kind
    self.name = name
  }

  /// The same layer under a name: letters, digits, `_` and `-`.
  public func named(_ name: String) -> LayerDescription { LayerDescription(kind, name: name) }
}

extension LayerDescription {
  public static func sequence(_ layers: [LayerDescription]) -> Self { Self(.sequence(layers)) }

  public static func residual(
    main: [LayerDescription], shortcut: [LayerDescription] = []
  ) -> Self {
    Self(.residual(main: main, shortcut: shortcut))
  }

  public static func branch(_ branches: [[LayerDescription]], join: Join) -> Self {
    Self(.branch(branches, join: join))
  }

  public static func repetition(_ count: Int, _ layers: [LayerDescription]) -> Self {
    Self(.repetition(count, layers))
  }

  public static func convolution(_ settings: ConvolutionSettings) -> Self {
    Self(.convolution(settings))
  }

  public static func linear(_ settings: LinearSettings = LinearSettings()) -> Self {
    Self(.linear(settings))
  }

  public static func einsum(_ settings: EinsumSettings) -> Self { Self(.einsum(settings)) }

  public static func norm(_ kind: NormSettings.Kind) -> Self { Self(.norm(NormSettings(kind))) }

  public static let relu = Self(.map(.relu))
  public static let gelu = Self(.map(.gelu))
  public static let silu = Self(.map(.silu))
  public static let sigmoid = Self(.map(.sigmoid))
  public static let tanh = Self(.map(.tanh))
  public static let globalMean = Self(.globalMean)
  public static let flatten = Self(.flatten)
  public static let softmax = Self(.softmax)

  public static func dropout(_ rate: Double) -> Self { Self(.dropout(rate: rate)) }

  public static func maxPool(_ window: Int, stride: Int? = nil, padding: Int = 0) -> Self {
    Self(.maxPool(PoolSettings(window: [window], stride: stride.map { [$0] }, padding: [padding])))
  }

  public static func averagePool(_ window: Int, stride: Int? = nil, padding: Int = 0) -> Self {
    Self(
      .averagePool(PoolSettings(window: [window], stride: stride.map { [$0] }, padding: [padding])))
  }
}

extension LayerDescription.Kind {
  /// What configurations and tables call it.
  public var word: String {
    switch self {
    case .sequence: "sequence"
    case .residual: "residual"
    case .branch: "branch"
    case .repetition: "repeat"
    case .convolution: "convolution"
    case .linear: "linear"
    case .einsum: "einsum"
    case .norm: "norm"
    case .map(let function): function.rawValue
    case .dropout: "dropout"
    case .maxPool: "maxPool"
    case .averagePool: "averagePool"
    case .globalMean: "globalMean"
    case .flatten: "flatten"
    case .softmax: "softmax"
    }
  }

  /// What names that are made begin with; `nil` of a layer that needs none of its own.
  var namePrefix: String? {
    switch self {
    case .sequence, .residual, .branch: nil
    case .convolution: "conv"
    case .maxPool, .averagePool, .globalMean: "pool"
    default: word
    }
  }
}
