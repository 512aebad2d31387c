import CKernels
import Execution
import Kernels
import Partitioning

/// The largest value of each window, channel by channel; no padding.
///
/// Input `[batch, height, width, channels]`; the output's height is ⌊(height − window)/stride⌋ + 1,
/// and so for the width. The gradient goes to the first maximum of each window, as in PyTorch.
///
/// ```swift
/// let pool = try MaxPool(name: "pool1", window: 2)
/// let (y, _) = try pool.forward(x, pass)    // [b, 28, 28, 64] to [b, 14, 14, 64]
/// ```
public final class MaxPool: Layer {
  let window: PoolWindow
  private let halos: PoolHalos

  /// - Parameter stride: `window` unless given, so that windows do not overlap.
  /// - Throws: `NetworkError.extentNotPositive`.
  public init(name: String, window: Int, stride: Int? = nil) throws {
    self.window = try PoolWindow(name: name, window: window, stride: stride ?? window)
    halos = PoolHalos(self.window)
  }

  public func outputLayout(_ input: Layout) throws -> Layout { try window.outputLayout(input) }

  /// - Throws: `NetworkError.unexpectedInput`, `.windowDoesNotFit`, `.unexpectedSharding`.
  public func forward(_ input: Tensor<Float>, _ pass: Pass) throws -> (
    output: Tensor<Float>, pullback: Pullback
  ) {
    let halo = try halos.halo(for: input, pass)
    let (pool, shape) = try halo?.geometry ?? window.geometry(input.shape)
    let read = try halo?.bring(input, pass.communicator, window.name) ?? input
    var output = Tensor<Float>(uninitialized: shape)
    let taps = [UInt8](unsafeUninitializedCapacity: output.count) { taps, count in
      count = output.count
      read.withElements { input in
        output.withMutableElements { output in
          guard let input = input.baseAddress, let output = output.baseAddress,
            let taps = taps.baseAddress
          else { return }
          nonisolated(unsafe) let (x, y, tap) = (input, output, taps)
          pool.eachPart { convoy_max_pool($0, x + $1, y + $2, tap + $2) }
        }
      }
    }
    guard pass.isTraining else { return (output, noPullback(window.name)) }
    let inputShape = read.shape
    let pullback: Pullback = { [taps, window] outputGradient in
      let gradient = transformed(outputGradient, shape: inputShape) { gradient, result in
        taps.withUnsafeBufferPointer { taps in
          guard let taps = taps.baseAddress else { return }
          nonisolated(unsafe) let (gradient, tap, result) = (gradient, taps, result)
          pool.eachPart { convoy_max_pool_backward($0, gradient.start + $2, tap + $2, result + $1) }
        }
      }
      return try halo?.giveBack(gradient, pass.communicator, window.name) ?? gradient
    }
    return (output, pullback)
  }
}

/// The mean of each window, channel by channel; no padding. Shapes as `MaxPool`.
///
/// ```swift
/// let pool = try AveragePool(name: "pool1", window: 2)
/// let (y, _) = try pool.forward(x, pass)    // [b, 28, 28, 64] to [b, 14, 14, 64]
/// ```
public final class AveragePool: Layer {
  private let window: PoolWindow
  private let halos: PoolHalos

  /// - Parameter stride: `window` unless given, so that windows do not overlap.
  /// - Throws: `NetworkError.extentNotPositive`.
  public init(name: String, window: Int, stride: Int? = nil) throws {
    self.window = try PoolWindow(name: name, window: window, stride: stride ?? window)
    halos = PoolHalos(self.window)
  }

  public func outputLayout(_ input: Layout) throws -> Layout { try window.outputLayout(input) }

  /// - Throws: `NetworkError.unexpectedInput`, `.windowDoesNotFit`, `.unexpectedSharding`.
  public func forward(_ input: Tensor<Float>, _ pass: Pass) throws -> (
    output: Tensor<Float>, pullback: Pullback
  ) {
    let halo = try halos.halo(for: input, pass)
    let (pool, shape) = try halo?.geometry ?? window.geometry(input.shape)
    let read = try halo?.bring(input, pass.communicator, window.name) ?? input
    let output = transformed(read, shape: shape) { input, output in
      nonisolated(unsafe) let (input, output) = (input, output)
      pool.eachPart { convoy_average_pool($0, input.start + $1, output + $2) }
    }
    guard pass.isTraining else { return (output, noPullback(window.name)) }
    let inputShape = read.shape
    let pullback: Pullback = { [window] outputGradient in
      let gradient = transformed(outputGradient, shape: inputShape) { gradient, result in
        nonisolated(unsafe) let (gradient, result) = (gradient, result)
        pool.eachPart { convoy_average_pool_backward($0, gradient.start + $2, result + $1) }
      }
      return try halo?.giveBack(gradient, pass.communicator, window.name) ?? gradient
    }
    return (output, pullback)
  }
}
