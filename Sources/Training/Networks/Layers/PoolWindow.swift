import CKernels
import Collectives
import Execution
import Kernels
import Partitioning
import Synchronization

/// A square window that is moved over an image.
struct PoolWindow {
  let name: String
  let window: Int
  let stride: Int

  init(name: String, window: Int, stride: Int) throws {
    try checkPositive(name, [("the window", window), ("the stride", stride)])
    self.name = name
    self.window = window
    self.stride = stride
  }

  /// Whether no pixel is in two windows.
  var isDisjoint: Bool { stride == window }

  /// The kernels' description of the pool and the shape of the output.
  func geometry(_ shape: [Int]) throws -> (convoy_pool, outputShape: [Int]) {
    guard shape.count == 4 else { throw notImages(name, shape) }
    // A tap's number is kept in a byte, hence at most 16×16 of them.
    guard window <= min(shape[1], shape[2], 16) else {
      throw NetworkError.windowDoesNotFit(
        layer: name, window: window, height: shape[1], width: shape[2])
    }
    let height = (shape[1] - window) / stride + 1
    let width = (shape[2] - window) / stride + 1
    return describe(shape, [shape[0], height, width, shape[3]])
  }

  func describe(_ shape: [Int], _ output: [Int]) -> (convoy_pool, outputShape: [Int]) {
    let pool = convoy_pool(
      batch: shape[0], height: shape[1], width: shape[2], channels: shape[3], window: window,
      stride: stride, outHeight: output[1], outWidth: output[2])
    return (pool, output)
  }

  func outputLayout(_ input: Layout) throws -> Layout {
    input.resized(to: try geometry(input.shape).outputShape)
  }
}

/// How a pool reads images that are cut into rows: every rank gets the pixels that its part of the
/// output is made of, and gives their gradient back to where they came from.
struct PoolHalo {
  private let bring: LayoutExchange
  private let giveBack: LayoutExchange
  /// Of this rank's windows alone.
  let geometry: (convoy_pool, outputShape: [Int])

  init(_ window: PoolWindow, input: Layout, rank: Int) throws {
    let output = try window.outputLayout(input)
    let read = Layout(
      mesh: input.mesh,
      cuts: input.cuts.indices.map { dimension in
        let cut = input.cuts[dimension]
        guard [1, 2].contains(dimension) else { return cut }
        return Layout.Cut(
          extent: cut.extent, axes: cut.axes,
          window: Window(
            resultExtent: output.cuts[dimension].extent, stride: window.stride, low: 0,
            high: window.window - 1, circular: false))
      })
    bring = LayoutExchange(from: input, to: read, rank: rank)
    giveBack = LayoutExchange(from: read.dual, to: input.dual, rank: rank)
    geometry = window.describe(read.box(of: rank).shape, output.box(of: rank).shape)
  }

  func bring(
    _ input: Tensor<Float>, _ communicator: any Communicator, _ name: String
  ) throws -> Tensor<Float> {
    try bring(input, communicator, what: "bring the halo of \(name)")
  }

  func giveBack(
    _ gradient: Tensor<Float>, _ communicator: any Communicator, _ name: String
  ) throws -> Tensor<Float> {
    try giveBack(gradient, communicator, what: "give back the halo's gradient of \(name)")
  }
}

/// The halos of one pool, each made when it is first needed.
final class PoolHalos: Sendable {
  private struct Key: Hashable {
    let input: Layout
    let rank: Int
  }

  private let window: PoolWindow
  private let known = Mutex<[Key: PoolHalo]>([:])

  init(_ window: PoolWindow) { self.window = window }

  /// `nil` where every rank has whole samples.
  ///
  /// - Throws: `NetworkError.unexpectedSharding`, `.unexpectedInput`, `.windowDoesNotFit`.
  func halo(for input: Tensor<Float>, _ pass: Pass) throws -> PoolHalo? {
    guard let layout = pass.sharding, !layout.cutsSamplesOnly else { return nil }
    let rank = pass.communicator.rank
    try layout.requireImages(
      window.name, box: input.shape, rank: rank, ranks: pass.communicator.size)
    let key = Key(input: layout, rank: rank)
    return try known.withLock { known in
      if let halo = known[key] { return halo }
      let halo = try PoolHalo(window, input: layout, rank: rank)
      known[key] = halo
      return halo
    }
  }
}

func notImages(_ layer: String, _ shape: [Int]) -> NetworkError {
  NetworkError.unexpectedInput(
    layer: layer, shape: shape, expected: "[batch, height, width, channels] with some pixels")
}
