import CKernels
import Collectives
import Kernels
import Partitioning
import Synchronization

/// A trainable tensor with its gradient.
///
/// A class, for a layer and the optimizer refer to the same one. Who runs the network changes it between passes
/// only; during one, threads read the value and add to the gradient by `accumulate`, one at a time: hence
/// `@unchecked Sendable`.
///
/// ```swift
/// let shift = Parameter(name: "norm1.shift", value: Tensor(shape: [32]), decays: false)
/// ```
public final class Parameter: @unchecked Sendable {
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

  /// Terms of the gradient that wait for those of the tiles in front of theirs: added in this order, the
  /// sum has the same bits whichever is computed first.
  private struct Order {
    var next = 0
    var waiting: [Int: Tensor<Float>] = [:]
  }
  private let order = Mutex(Order())

  /// Adds one more term to the gradient.
  ///
  /// - Parameter tile: the samples that it is of, between `beginTiles` and `endTiles`.
  func accumulate(_ term: Tensor<Float>, tile: Int? = nil) {
    order.withLock { order in
      guard let tile else { return add(term) }
      order.waiting[tile] = term
      while let term = order.waiting.removeValue(forKey: order.next) {
        add(term)
        order.next += 1
      }
    }
  }

  func beginTiles() { order.withLock { $0 = Order() } }

  /// Adds what still waits, where a tile had no term.
  func endTiles() {
    order.withLock { order in
      for (_, term) in order.waiting.sorted(by: { $0.key < $1.key }) { add(term) }
      order = Order()
    }
  }

  private func add(_ term: Tensor<Float>) {
    precondition(term.shape == gradient.shape, "\(name): a gradient of \(term.shape)")
    term.withElements { term in
      gradient.withMutableElements { sum in
        guard let from = term.baseAddress, let to = sum.baseAddress else { return }
        convoy_accumulate(term.count, from, to)
      }
    }
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
  /// The kernels that compute.
  public let context: Context
  /// Which part of the layer's input, of all ranks together, each rank has; `nil`: whole samples of
  /// its own. A network adapts it to each of its layers.
  public var sharding: Layout?
  /// The tile whose samples these are, where a batch goes through the network in several.
  var tile: Int?

  public init(
    isTraining: Bool, communicator: any Communicator, context: Context = .process,
    sharding: Layout? = nil
  ) {
    self.isTraining = isTraining
    self.communicator = communicator
    self.context = context
    self.sharding = sharding
  }
}

/// From the gradient of a layer's output to that of its input; adds the layer's parameter gradients
/// to `Parameter.gradient`. `nil` where nothing before the layer needs a gradient.
public typealias Pullback = @Sendable (_ outputGradient: Tensor<Float>) throws -> Tensor<Float>?

/// One layer of a network. Images are `bhws`: batch, height, width, channels (channels last).
///
/// ```swift
/// let (y, pullback) = try layer.forward(x, pass)
/// let inputGradient = try pullback(outputGradient)  // and adds to layer.parameters' gradients
/// ```
public protocol Layer: AnyObject, Sendable {
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

  /// The same of samples in tiles, each a tensor. By default every tile by itself, as is right for layers
  /// that treat each sample alike whatever the others are.
  ///
  /// Tiles may be made on several threads at the same time; gradients of parameters are added with
  /// `pass.tile`.
  func forward(_ input: Tiles<Tensor<Float>>, _ pass: Pass) throws -> (
    output: Tiles<Tensor<Float>>, pullback: TilesPullback
  )

  /// Where the output is, of an input in this layout: by default just there.
  func outputLayout(_ input: Layout) throws -> Layout
}

extension Layer {
  public var parameters: [Parameter] { [] }
  public var state: [Parameter] { [] }
  public func outputLayout(_ input: Layout) throws -> Layout { input }
}
