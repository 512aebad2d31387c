import CKernels
import Kernels

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
  private let window: PoolWindow

  /// - Parameter stride: `window` unless given, so that windows do not overlap.
  /// - Throws: `NetworkError.extentNotPositive`.
  public init(name: String, window: Int, stride: Int? = nil) throws {
    self.window = try PoolWindow(name: name, window: window, stride: stride ?? window)
  }

  /// - Throws: `NetworkError.unexpectedInput`, `.windowDoesNotFit`.
  public func forward(_ input: Tensor<Float>, _ pass: Pass) throws -> (
    output: Tensor<Float>, pullback: Pullback
  ) {
    let (pool, shape) = try window.geometry(input.shape)
    var taps = [UInt8](repeating: 0, count: shape.reduce(1, *))
    let output = transformed(input, shape: shape) { input, output in
      withUnsafePointer(to: pool) { convoy_max_pool($0, input.start, output, &taps) }
    }
    guard pass.isTraining else { return (output, noPullback(window.name)) }
    let inputShape = input.shape
    let pullback: Pullback = { [taps] outputGradient in
      transformed(outputGradient, shape: inputShape) { gradient, result in
        withUnsafePointer(to: pool) { convoy_max_pool_backward($0, gradient.start, taps, result) }
      }
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

  /// - Parameter stride: `window` unless given, so that windows do not overlap.
  /// - Throws: `NetworkError.extentNotPositive`.
  public init(name: String, window: Int, stride: Int? = nil) throws {
    self.window = try PoolWindow(name: name, window: window, stride: stride ?? window)
  }

  /// - Throws: `NetworkError.unexpectedInput`, `.windowDoesNotFit`.
  public func forward(_ input: Tensor<Float>, _ pass: Pass) throws -> (
    output: Tensor<Float>, pullback: Pullback
  ) {
    let (pool, shape) = try window.geometry(input.shape)
    let output = transformed(input, shape: shape) { input, output in
      withUnsafePointer(to: pool) { convoy_average_pool($0, input.start, output) }
    }
    guard pass.isTraining else { return (output, noPullback(window.name)) }
    let inputShape = input.shape
    let pullback: Pullback = { outputGradient in
      transformed(outputGradient, shape: inputShape) { gradient, result in
        withUnsafePointer(to: pool) { convoy_average_pool_backward($0, gradient.start, result) }
      }
    }
    return (output, pullback)
  }
}

/// The mean over all pixels: `[batch, height, width, channels]` to `[batch, channels]`.
///
/// ```swift
/// let (features, _) = try GlobalAveragePool(name: "pool").forward(x, pass)
/// ```
public final class GlobalAveragePool: Layer {
  private let name: String

  public init(name: String) { self.name = name }

  /// - Throws: `NetworkError.unexpectedInput`.
  public func forward(_ input: Tensor<Float>, _ pass: Pass) throws -> (
    output: Tensor<Float>, pullback: Pullback
  ) {
    let shape = input.shape
    guard shape.count == 4, shape[1] > 0, shape[2] > 0 else { throw notImages(name, shape) }
    let (batch, pixels, channels) = (shape[0], shape[1] * shape[2], shape[3])
    let output = transformed(input, shape: [batch, channels]) { input, output in
      convoy_global_average(batch, pixels, channels, input.start, output)
    }
    let pullback: Pullback = { outputGradient in
      transformed(outputGradient, shape: shape) { gradient, result in
        convoy_global_average_backward(batch, pixels, channels, gradient.start, result)
      }
    }
    return (output, pass.isTraining ? pullback : noPullback(name))
  }
}

/// A square window that is moved over an image.
private struct PoolWindow {
  let name: String
  let window: Int
  let stride: Int

  init(name: String, window: Int, stride: Int) throws {
    try checkPositive(name, [("the window", window), ("the stride", stride)])
    self.name = name
    self.window = window
    self.stride = stride
  }

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
    let pool = convoy_pool(
      batch: shape[0], height: shape[1], width: shape[2], channels: shape[3], window: window,
      stride: stride, outHeight: height, outWidth: width)
    return (pool, [shape[0], height, width, shape[3]])
  }
}

private func notImages(_ layer: String, _ shape: [Int]) -> NetworkError {
  NetworkError.unexpectedInput(
    layer: layer, shape: shape, expected: "[batch, height, width, channels] with some pixels")
}
