import CKernels
import Kernels

/// Adds to `sums`, two per channel, what `body` finds for parts of the rows. The parts depend on the
/// shape only and are added up in their order, so the sums have the same bits on any number of threads.
///
/// - Parameter body: overwrites 2 · channels sums of a range of rows; gets scratch for its own use.
func addChannelSums(
  rows: Int, channels: Int, nanosecondsPerElement: Double, to sums: inout [Double],
  _ body: @Sendable (Range<Int>, UnsafeMutablePointer<Double>, UnsafeMutablePointer<Float>) -> Void
) {
  // Whole blocks of the kernels, which are 64 rows.
  let blocks = (rows + 63) / 64
  let most = Int(nanosecondsPerElement * Double(rows * channels) / 5000)
  let parts = max(1, min(16, blocks, most))
  var partSums = [Double](repeating: 0, count: parts * 2 * channels)
  var scratch = [Float](repeating: 0, count: parts * convoy_channel_scratch(channels))
  partSums.withUnsafeMutableBufferPointer { partSums in
    scratch.withUnsafeMutableBufferPointer { scratch in
      guard let partSums = partSums.baseAddress, let scratch = scratch.baseAddress else { return }
      nonisolated(unsafe) let (sums, room) = (partSums, scratch)
      ThreadPool.run(count: parts) { part in
        body(
          part * blocks / parts * 64..<min(rows, (part + 1) * blocks / parts * 64),
          sums + part * 2 * channels, room + part * convoy_channel_scratch(channels))
      }
    }
  }
  for part in 0..<parts {
    for index in 0..<2 * channels { sums[index] += partSums[part * 2 * channels + index] }
  }
}
