import CKernels
import Kernels

extension convoy_pool {
  /// Calls the body for parts of the batch, on several threads: with the part's pool, and where its
  /// images start in the pool's input and in its output.
  func eachPart(
    _ body: @Sendable (UnsafePointer<convoy_pool>, _ input: Int, _ output: Int) -> Void
  ) {
    let image = height * width * channels
    ThreadPool.run(over: batch, nanoseconds: 0.3 * Double(batch * image)) { samples in
      var part = self
      part.batch = samples.count
      withUnsafePointer(to: part) {
        body($0, samples.lowerBound * image, samples.lowerBound * outHeight * outWidth * channels)
      }
    }
  }
}
