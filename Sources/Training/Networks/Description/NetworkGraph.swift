import Graph

/// What goes into a network: samples, channels last.
///
/// ```swift
/// NetworkInput(batch: 32, extents: [28, 28], channels: 1).axes.map(\.extent)  // [32, 28, 28, 1]
/// ```
public struct NetworkInput: Hashable, Sendable {
  /// The first is of samples, the last of channels.
  public let axes: [Axis]

  /// - Parameter axes: Of which roles say what they are: one of samples, up to three of space or
  ///   time, one of channels.
  public init(axes: [Axis]) { self.axes = axes }

  /// Images, or lines or volumes.
  ///
  /// - Parameter extents: Up to three, of space: depth, height, width.
  public init(batch: Int, extents: [Int], channels: Int) {
    let names = ["depth", "height", "width"].suffix(extents.count)
    self.init(
      axes: [Axis("batch", .batch, batch)]
        + zip(names, extents).map { Axis($0, .space, $1) } + [Axis("channel", .channel, channels)])
  }
}

/// What a network is run for.
public enum NetworkMode: String, Hashable, Sendable, CaseIterable {
  /// Batch normalisation by the batch's own statistics, which change the running ones; dropout.
  case training
  /// Batch normalisation by the running statistics.
  case evaluation
}

/// A network for an input: the graph of its forward pass, what its layers are in it, and how
/// everything that is trained begins.
///
/// The graph's results are `logits`, `loss`, the sum of the samples' cross-entropies, and `correct`,
/// the number of samples whose class has the largest logit. Its inputs are `images` and `labels`
/// and, if there is dropout to train with, `key` (`Operators.Dropout`).
///
/// ```swift
/// let made = try NetworkDescription.resnet18().graph(images, classes: 10, mode: .training)
/// let trained = made.graph.parameters
/// let (graph, gradients) = try made.graph.differentiated("loss", withRespectTo: trained)
/// ```
public struct NetworkGraph: Hashable, Sendable {
  public let graph: Graph
  /// In order of evaluation: all that compute something, and dropout in evaluation.
  public let layers: [LayerSummary]
  /// Of every parameter and state, by name.
  public let initializations: [String: ParameterInitialization]

  /// Elements of all that is trained.
  public var parameterCount: Int { layers.reduce(0) { $0 + $1.parameterCount } }
}

/// A layer in a graph.
///
/// ```swift
/// for layer in made.layers { print(layer.name, layer.kind, layer.outputShape) }
/// ```
public struct LayerSummary: Hashable, Sendable {
  /// Its full name; of a residual or a branch that of what joins its ways.
  public let name: String
  /// `convolution`, `norm`, … as configurations call it; `sum` or `concatenate` of what joins.
  public let kind: String
  /// Which of the graph's nodes are its own.
  public let nodes: Range<Int>
  /// The number of the node that is its contraction; `nil` if it has none.
  public let contraction: Int?
  /// The contraction's.
  public let expression: String?
  /// The layers whose outputs it reads, by their place in `NetworkGraph.layers`; `nil` is the
  /// network's input.
  public let inputs: [Int?]
  public let output: ValueID
  public let outputShape: [Int]
  /// What is trained, in the graph.
  public let parameters: [ValueID]
  /// Their elements.
  public let parameterCount: Int
  /// Of a layer that is factorised.
  public let factors: Factors?

  /// What a factorisation came to.
  public struct Factors: Hashable, Sendable {
    public let form: String
    /// The extent of every rank; 1 of a form without.
    public let rank: Int
    /// Elements of the factors / elements of the dense kernel.
    public let compression: Double
  }
}

extension NetworkDescription {
  /// The network's graph for an input.
  ///
  /// ```swift
  /// let images = NetworkInput(batch: 128, extents: [32, 32], channels: 3)
  /// let made = try NetworkDescription.resnet20().graph(images, classes: 10, mode: .training)
  /// ```
  ///
  /// - Parameter type: Of images, parameters and state: float32 or float64.
  /// - Throws: `LayerError`, `NetworkError` or `GraphError`, each with the name of the layer that
  ///   does not fit, and the shapes.
  public func graph(
    _ input: NetworkInput, classes: Int, mode: NetworkMode, type: ElementType = .float32
  ) throws -> NetworkGraph {
    var maker = GraphMaker(self, classes: classes, mode: mode, type: type)
    return try maker.make(input)
  }
}
