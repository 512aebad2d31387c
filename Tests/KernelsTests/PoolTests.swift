import CKernels
import Testing

/// What pools in C do beyond what operators show of them.
@Suite struct PoolTests {
  /// Heights and widths that windows of 2 tile, or leave a row or a column of: where no window is, the gradient is 0,
  /// whatever memory held before.
  @Test(arguments: [6, 7], [6, 7])
  func pixelsWithoutAWindowHaveNoGradient(height: Int, width: Int) {
    let (batch, channels) = (2, 3)
    var pool = convoy_pool(
      batch: batch, height: height, width: width, channels: channels, window: 2, stride: 2,
      outHeight: 3, outWidth: 3)
    let outputGradient = (0..<batch * 9 * channels).map { Float($0 + 1) }
    // The maximum of each window is its last pixel.
    let input = (0..<batch * height * width * channels).map { Float($0) }
    var inputGradient = [Float](repeating: .nan, count: batch * height * width * channels)
    convoy_max_pool_adjoint(&pool, input, outputGradient, &inputGradient)
    var expected = [Float](repeating: 0, count: inputGradient.count)
    for index in outputGradient.indices {
      let (window, channel) = index.quotientAndRemainder(dividingBy: channels)
      let (line, j) = window.quotientAndRemainder(dividingBy: 3)
      let (b, i) = line.quotientAndRemainder(dividingBy: 3)
      let pixel = (b * height + 2 * i + 1) * width + 2 * j + 1
      expected[pixel * channels + channel] = outputGradient[index]
    }
    #expect(inputGradient == expected)
  }
}
