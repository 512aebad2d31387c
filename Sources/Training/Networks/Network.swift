import Kernels
import Synchronization

/// Layers one after the other.
///
/// ```swift
/// let network = try Network(
///   ModelConfiguration(form: "cp", compression: 0.1), height: 28, width: 28, channels: 1,
///   classes: 10, seed: 0)
/// let (logits, pullback) = try network.forward(images, pass)
/// let loss = try softmaxCrossEntropy(logits: logits, labels: labels)
/// _ = try pullback(loss.gradient)          // fills Parameter.gradient of network.parameters
/// ```
public final class Network {
  public let layers: [any Layer]
  /// Trained, in order of the layers.
  public let parameters: [Parameter]
  /// Kept in checkpoints beside the parameters: running statistics.
  public let state: [Parameter]

  /// - Throws: `NetworkError.duplicateParameter`, for checkpoints refer to parameters by name.
  public init(layers: [any Layer]) throws {
    self.layers = layers
    parameters = layers.flatMap(\.parameters)
    state = layers.flatMap(\.state)
    var names: Set<String> = []
    for parameter in parameters + state where !names.insert(parameter.name).inserted {
      throw NetworkError.duplicateParameter(name: parameter.name)
    }
  }

  /// Elements of all parameters.
  public var parameterCount: Int { parameters.reduce(0) { $0 + $1.value.count } }

  /// Sets every gradient to 0, as must be done before each step: pullbacks add to them.
  public func resetGradients() {
    for parameter in parameters {
      parameter.gradient.withMutableElements { $0.update(repeating: 0) }
    }
  }

  /// Images `[batch, height, width, channels]` to logits `[batch, classes]`.
  ///
  /// With `pass.sharding`, which is then the layout of all ranks' images together, `images` is this
  /// rank's part, and so are the logits: the samples that a layer before has left it. After a
  /// `GlobalAveragePool` these are ⌊b·r/P⌋ ..< ⌊b·(r+1)/P⌋ on rank r of P.
  ///
  /// The pullback may be called once, and throws `NetworkError.pullbackUsed` after that: it lets go of
  /// what each layer has kept as soon as that layer is done.
  public func forward(_ images: Tensor<Float>, _ pass: Pass) throws -> (
    logits: Tensor<Float>, pullback: Pullback
  ) {
    var pass = pass
    try pass.sharding?.requireImages(
      "network", box: images.shape, rank: pass.communicator.rank, ranks: pass.communicator.size)
    if pass.sharding == nil {
      let parts = tiles(of: images.shape)
      if parts.count > 1 { return try forward(images, pass, in: parts) }
    }
    var activations = images
    var pullbacks: [Pullback] = []
    for layer in layers {
      let (output, pullback) = try layer.forward(activations, pass)
      pass.sharding = try pass.sharding.map(layer.outputLayout)
      activations = output
      if pass.isTraining { pullbacks.append(pullback) }
    }
    guard pass.isTraining else { return (activations, noPullback("network")) }
    let kept = UsedOnce(pullbacks, name: "network")
    let pullback: Pullback = { outputGradient in
      var pullbacks = try kept.take()
      var gradient: Tensor<Float>? = outputGradient
      while let pullback = pullbacks.popLast() {
        guard let outputGradient = gradient else { return nil }
        gradient = try pullback(outputGradient)
      }
      return gradient
    }
    return (activations, pullback)
  }
}

/// What a pullback uses up.
final class UsedOnce<Value: Sendable>: Sendable {
  private let name: String
  private let value: Mutex<Value?>

  init(_ value: Value, name: String) {
    self.name = name
    self.value = Mutex(value)
  }

  /// - Throws: `NetworkError.pullbackUsed` from the second time on.
  func take() throws -> Value {
    let taken = value.withLock { value in
      defer { value = nil }
      return value
    }
    guard let taken else { throw NetworkError.pullbackUsed(layer: name) }
    return taken
  }
}

extension Network {
  /// The demo network: a dense 3×3 convolution to 32 channels, three 3×3 convolutions in the
  /// model's form to 64, 128 and 128, each with batch normalisation and ReLU, the second and third
  /// followed by a maximum over 2×2 pixels; then the mean over all pixels, and a linear layer.
  ///
  /// Initial weights depend on the seed and the parameters' names only.
  ///
  /// - Throws: `NetworkError`, if the form is unknown or cannot be that compressed, or the images
  ///   are too small for two pools (4×4).
  public convenience init(
    _ model: ModelConfiguration, height: Int, width: Int, channels: Int, classes: Int, seed: UInt64
  ) throws {
    let form = try Form.named(model.form)
    guard min(height, width) >= 4 else {
      throw NetworkError.unexpectedInput(
        layer: "network", shape: [height, width, channels],
        expected: "[height, width, channels] with at least 4×4 pixels")
    }
    func convolution(
      _ number: Int, _ form: Form, _ inputs: Int, _ outputs: Int, pool: Int? = nil
    ) throws -> [any Layer] {
      let normalization = try BatchNormalization(
        name: "norm\(number)", channels: outputs, relu: true)
      return [
        try FactorizedConvolution(
          name: "conv\(number)", form: form,
          kernel: KernelShape(inputChannels: inputs, outputChannels: outputs, height: 3, width: 3),
          compression: model.compression, seed: seed, needsInputGradient: number > 1,
          checkpointing: model.checkpointing),
        try pool.map {
          NormalizedMaxPool(normalization, try MaxPool(name: "pool\(number)", window: $0))
        } ?? normalization,
      ]
    }
    try self.init(
      layers: convolution(1, .dense, channels, 32)
        + convolution(2, form, 32, 64, pool: 2)
        + convolution(3, form, 64, 128, pool: 2)
        + convolution(4, form, 128, 128)
        + [
          GlobalAveragePool(name: "pool4"),
          Linear(name: "linear", inputs: 128, outputs: classes, seed: seed),
        ])
  }
}
