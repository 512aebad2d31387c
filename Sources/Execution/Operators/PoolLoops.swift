import CKernels
import Graph
import Kernels
import Partitioning

/// The windows of a pool over boxes of its input and output. Axes that are not pooled are loops
/// too, whose windows see one input; those that are neighbours are one loop, and the last of them
/// are left to the caller, as *channels*.
///
/// ```swift
/// // [8, 28, 28, 64] pooled 2 × 2 over 1 and 2
/// let loops = PoolLoops(pool.windows, whole: part.inputs[0].box, pooled: part.outputs[0].box)
/// loops?.channels  // 64
/// ```
struct PoolLoops: Sendable {
  /// Output i of the box sees the inputs `stride·i + start ..< stride·i + start + extent` of the
  /// input's box, of which those outside it are padding.
  private struct Loop {
    var outputs: Int
    var inputs: Int
    var stride = 1
    var extent = 1
    var start = 0
    var isWindow = false
  }

  private var loops: [Loop] = []
  private(set) var channels = 1
  /// All inputs that a window may see, padding included.
  let windowCount: Int

  /// `nil` where the boxes differ along an axis that is not pooled.
  init?(_ windows: [PoolWindow], whole: Box, pooled: Box) {
    windowCount = windows.reduce(1) { $0 * $1.extent }
    guard whole.ranges.count == pooled.ranges.count else { return nil }
    for (axis, (inputs, outputs)) in zip(whole.ranges, pooled.ranges).enumerated() {
      if let window = windows.first(where: { $0.axis == axis }) {
        loops.append(
          Loop(
            outputs: outputs.count, inputs: inputs.count, stride: window.stride,
            extent: window.extent,
            start: window.stride * outputs.lowerBound - window.low - inputs.lowerBound,
            isWindow: true))
        continue
      }
      guard inputs.count == outputs.count else { return nil }
      if let last = loops.last, !last.isWindow {
        loops[loops.count - 1].outputs *= outputs.count
        loops[loops.count - 1].inputs *= inputs.count
      } else {
        loops.append(Loop(outputs: outputs.count, inputs: inputs.count))
      }
    }
    if let last = loops.last, !last.isWindow {
      channels = last.outputs
      loops.removeLast()
    }
  }

  /// Windows, each of all channels.
  var windows: Int { loops.reduce(1) { $0 * $1.outputs } }
  var inputCount: Int { loops.reduce(channels) { $0 * $1.inputs } }

  /// How many windows may see the same inputs: windows in other such groups see others.
  private var dependent: Int {
    guard let first = loops.first, !first.isWindow else { return windows }
    return loops.dropFirst().reduce(1) { $0 * $1.outputs }
  }

  /// The same as the kernels in C have it: of float32, square windows inside the image.
  var plain: convoy_pool? {
    let pooled = loops.filter(\.isWindow)
    guard pooled.count == 2, loops.suffix(2).allSatisfy(\.isWindow), loops.count <= 3,
      pooled[0].extent == pooled[1].extent, pooled[0].stride == pooled[1].stride,
      pooled[0].extent <= 16,
      pooled.allSatisfy({
        $0.start == 0 && ($0.outputs - 1) * $0.stride + $0.extent <= $0.inputs
          && $0.outputs > 0
      })
    else { return nil }
    return convoy_pool(
      batch: loops.count == 3 ? loops[0].outputs : 1, height: pooled[0].inputs,
      width: pooled[1].inputs, channels: channels, window: pooled[0].extent,
      stride: pooled[0].stride, outHeight: pooled[0].outputs, outWidth: pooled[1].outputs)
  }

  /// Calls the body for some of the windows, in order, with the first channel's place in the output
  /// and its places in the input, in row-major order, without padding.
  private func forEachWindow(
    _ range: Range<Int>, _ body: (Int, UnsafeBufferPointer<Int>) -> Void
  ) {
    let most = loops.reduce(1) { $0 * max(1, min($1.extent, $1.inputs)) }
    withUnsafeTemporaryAllocation(of: Int.self, capacity: most) { places in
      var index = [Int](repeating: 0, count: loops.count)
      var rest = range.lowerBound
      for loop in loops.indices.reversed() where !range.isEmpty {
        (rest, index[loop]) = rest.quotientAndRemainder(dividingBy: loops[loop].outputs)
      }
      for window in range {
        var count = 1
        places[0] = 0
        for (number, loop) in loops.enumerated() {
          let first = loop.stride * index[number] + loop.start
          let seen = max(0, first)..<max(0, first, min(first + loop.extent, loop.inputs))
          // From the last, so that nothing is overwritten before it is read.
          for place in (0..<count).reversed() {
            let outer = places[place] * loop.inputs
            for tap in (0..<seen.count).reversed() {
              places[place * seen.count + tap] = outer + seen.lowerBound + tap
            }
          }
          count *= seen.count
        }
        for place in 0..<count { places[place] *= channels }
        body(window * channels, UnsafeBufferPointer(rebasing: places[..<count]))
        var loop = loops.count - 1
        while loop >= 0 {
          index[loop] += 1
          if index[loop] < loops[loop].outputs { break }
          index[loop] = 0
          loop -= 1
        }
      }
    }
  }

  /// Calls the body for all windows, on several threads.
  func run(_ body: @Sendable (Int, UnsafeBufferPointer<Int>) -> Void) {
    ThreadPool.run(over: windows, nanoseconds: nanoseconds) { forEachWindow($0, body) }
  }

  /// Calls the body for all windows, those that see the same inputs on one thread and in order.
  func runScattering(_ body: @Sendable (Int, UnsafeBufferPointer<Int>) -> Void) {
    ThreadPool.run(over: windows, unit: max(1, dependent), nanoseconds: nanoseconds) {
      forEachWindow($0, body)
    }
  }

  var nanoseconds: Double {
    let taps = loops.reduce(1.0) { $0 * Double(min($1.extent, $1.inputs)) }
    return Double(windows) * (20 + taps * (3 + 0.5 * Double(channels)))
  }
}

extension convoy_pool {
  var windows: Int { batch * outHeight * outWidth }

  private var image: Int { height * width * channels }
  var nanoseconds: Double { 0.3 * Double(batch * image) }

  /// Calls the body for parts of the batch, on several threads: with the part's pool, and where its
  /// images start in the pool's input and in its output.
  func eachPart(
    _ body: @Sendable (UnsafePointer<convoy_pool>, _ input: Int, _ output: Int) -> Void
  ) {
    ThreadPool.run(over: batch, nanoseconds: nanoseconds) { run($0, body) }
  }

  /// How many parts `eachNumberedPart` makes.
  var parts: Int { max(1, min(batch, 16, Int(nanoseconds / 5000))) }

  /// `eachPart` with the number of the part.
  func eachNumberedPart(
    _ body: @Sendable (UnsafePointer<convoy_pool>, _ input: Int, _ output: Int, _ part: Int) -> Void
  ) {
    let parts = parts
    ThreadPool.run(count: parts) { part in
      run(part * batch / parts..<(part + 1) * batch / parts) { body($0, $1, $2, part) }
    }
  }

  private func run(
    _ samples: Range<Int>,
    _ body: (UnsafePointer<convoy_pool>, _ input: Int, _ output: Int) -> Void
  ) {
    var part = self
    part.batch = samples.count
    withUnsafePointer(to: part) {
      body($0, samples.lowerBound * image, samples.lowerBound * outHeight * outWidth * channels)
    }
  }
}
