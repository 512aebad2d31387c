import Collectives
import Kernels
import Partitioning

/// A trainable tensor with its gradient.
///
/// A class, for a layer and the optimizer refer to the same one.
///
/// ```swift
/// let shift = Parameter(name: "norm1.shift", value: Tensor(shape: [32]), decays: false)
/// ```
public final class Parameter {
  /// Unique in its network and stable between runs: the key in checkpoints, e.g. `conv2.r1_t`.
  public let name: String
  public var value: Tensor<Float>
  /// The sum over this rank's samples; over all ranks once the coordinator has reduced it.
  public var gradient: Tensor<Float>
  /// Whether weight decay applies; not to biases nor to the scale and shift of a normalisation.
  public let decays: Bool

  public init(name: String, value: Tensor<Float>, decays: Bool) {
    self.name = name
    self.value = value
    self.decays = decays
    gradient = Tensor(shape: value.shape)
  }
}

/// What one pass through a network needs to know; passed, never ambient.
///
/// ```swift
/// let pass = Pass(isTraining: true, communicator: SingleCommunicator())
/// ```
public struct Pass: Sendable {
  /// Training (batch statistics) or evaluation (running statistics).
  public let isTraining: Bool
  /// The ranks that share the global batch; batch statistics are summed over them.
  public let communicator: any Communicator
  /// Which part of the layer's input, of all ranks together, each rank has; `nil`: whole samples of
  /// its own. A network adapts it to each of its layers.
  public var sharding: Layout?

  public init(isTraining: Bool, communicator: any Communicator, sharding: Layout? = nil) {
    self.isTraining = isTraining
    self.communicator = communicator
    self.sharding = sharding
  }
}

/// From the gradient of a layer's output to that of its input; adds the layer's parameter gradients
/// to `Parameter.gradient`. `nil` where nothing before the layer needs a gradient.
public typealias Pullback = (_ outputGradient: Tensor<Float>) throws -> Tensor<Float>?

/// One layer of a network. Images are `bhws`: batch, height, width, channels (channels last).
///
/// ```swift
/// let (y, pullback) = try layer.forward(x, pass)
/// let inputGradient = try pullback(outputGradient)  // and adds to layer.parameters' gradients
/// ```
public protocol Layer: AnyObject {
  /// Trained by the optimizer.
  var parameters: [Parameter] { get }
  /// Kept in checkpoints but not trained: running statistics.
  var state: [Parameter] { get }

  /// The output, and how to go back. The batch may be empty on a rank.
  ///
  /// With `pass.sharding`, input and output are this rank's parts, and all ranks of the communicator
  /// make the call, and later that of the pullback. Parameter gradients are then this rank's terms
  /// of a sum over all ranks.
  func forward(_ input: Tensor<Float>, _ pass: Pass) throws -> (
    output: Tensor<Float>, pullback: Pullback
  )

  /// Where the output is, of an input in this layout: by default just there.
  func outputLayout(_ input: Layout) throws -> Layout
}

extension Layer {
  public var parameters: [Parameter] { [] }
  public var state: [Parameter] { [] }
  public func outputLayout(_ input: Layout) throws -> Layout { input }
}
