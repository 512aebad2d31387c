import CKernels
import Kernels

/// A box of rows and channels, channels last, of which each channel has its sums: what the kernels
/// of batch normalisation take.
struct ChannelLayout: Hashable, Sendable {
  let rows: Int
  let channels: Int

  var count: Int { rows * channels }

  init(rows: Int, channels: Int) {
    self.rows = rows
    self.channels = channels
  }

  /// `nil` unless all buffers but the first are vectors along the last loop.
  init?(_ loops: RowLoops) {
    let outer = loops.outer.strides
    guard outer.count <= 1, loops.rowStrides.allSatisfy({ $0 == 1 }),
      outer.allSatisfy({ $0.dropFirst().allSatisfy { $0 == 0 } })
    else { return nil }
    self.init(rows: loops.rows, channels: loops.rowCount)
  }

  /// Calls the body for ranges of rows, on several threads.
  func eachPart(nanoseconds: Double, _ body: @Sendable (Range<Int>) -> Void) {
    ThreadPool.run(over: rows, nanoseconds: nanoseconds, body)
  }
}

/// What a normalisation knows of each channel, in a work's workspace.
struct ChannelVectors {
  let inverse: UnsafeMutablePointer<Double>
  let mean: UnsafeMutablePointer<Float>
  let scale: UnsafeMutablePointer<Float>
  let shift: UnsafeMutablePointer<Float>
  let slope: UnsafeMutablePointer<Float>
  let constant: UnsafeMutablePointer<Float>

  static func bytes(_ channels: Int) -> Int { (28 * channels + 63) / 64 * 64 }

  init(_ workspace: UnsafeMutableRawPointer, _ channels: Int) {
    inverse = workspace.elements(Double.self)
    let singles = (workspace + 8 * channels).elements(Float.self)
    mean = singles
    scale = singles + channels
    shift = singles + 2 * channels
    slope = singles + 3 * channels
    constant = singles + 4 * channels
  }

  /// `y = scale·x + shift` by the sums of x.
  ///
  /// - Parameters:
  ///   - sums: Σx and Σx² of each channel.
  ///   - gamma: 1 if `nil`.
  ///   - beta: 0 if `nil`.
  init(
    _ workspace: UnsafeMutableRawPointer, _ channels: Int, count: Int, epsilon: Double,
    sums: UnsafeRawPointer, gamma: UnsafeRawPointer?, beta: UnsafeRawPointer?
  ) {
    self.init(workspace, channels)
    let sums = sums.elements(Double.self)
    convoy_channel_affine(
      channels, Double(count), epsilon, sums, sums + channels, gamma?.elements(Float.self),
      beta?.elements(Float.self), inverse, mean, scale, shift)
  }

  /// What the gradient of each x has besides that of its own output.
  ///
  /// - Parameter sums: Σg and Σg·x̂ of each channel.
  func findLine(_ channels: Int, count: Int, sums: UnsafeRawPointer) {
    let sums = sums.elements(Double.self)
    convoy_gradient_line(
      channels, Double(count), scale, inverse, sums, sums + channels, slope, constant)
  }
}

/// How rows are divided whose sums are taken channel by channel: parts depend on the shape only and
/// are added up in their order, so sums have the same bits on any number of threads.
struct ChannelSums: Sendable {
  /// Rows per block of the kernels in C.
  private static let blockRows = 64

  let layout: ChannelLayout
  /// Floats for a part's own use.
  let scratch: Int
  let parts: Int

  init(_ layout: ChannelLayout, nanosecondsPerElement: Double, scratch: Int) {
    self.layout = layout
    self.scratch = (scratch + 15) / 16 * 16
    let most = Int(nanosecondsPerElement * Double(layout.count) / 5000)
    parts = max(1, min(16, Self.blocks(layout), most))
  }

  private static func blocks(_ layout: ChannelLayout) -> Int {
    (layout.rows + blockRows - 1) / blockRows
  }

  var bytes: Int { parts * (4 * scratch + 16 * layout.channels) }

  /// Writes the sums, two per channel.
  ///
  /// - Parameter body: Overwrites 2 · channels sums of a range of rows; gets scratch.
  func run(
    _ workspace: UnsafeMutableRawPointer, sums: UnsafeMutablePointer<Double>,
    _ body:
      @Sendable (Range<Int>, UnsafeMutablePointer<Double>, UnsafeMutablePointer<Float>) -> Void
  ) {
    let (rows, channels, scratch, parts) = (layout.rows, layout.channels, scratch, parts)
    nonisolated(unsafe) let room = workspace.elements(Float.self)
    guard parts > 1 else { return body(0..<rows, sums, room) }
    let blocks = Self.blocks(layout)
    nonisolated(unsafe) let own = (workspace + 4 * parts * scratch).elements(Double.self)
    ThreadPool.run(count: parts) { part in
      let start = part * blocks / parts * Self.blockRows
      let end = (part + 1) * blocks / parts * Self.blockRows
      body(
        start..<min(rows, end), own + part * 2 * channels, room + part * scratch)
    }
    for index in 0..<2 * channels {
      sums[index] = (0..<parts).reduce(0) { $0 + own[$1 * 2 * channels + index] }
    }
  }
}
