import Kernels
import TestSupport
import Testing

@testable import Training

/// What every layer of the demo network computes, on several threads.
@Suite(.serialized) struct ThreadsTests {
  /// Logits and every gradient.
  private func step(form: String, threads: Int, _ context: Context) throws -> [[Float]] {
    ThreadPool.use(count: threads)
    defer { ThreadPool.use(count: 1) }
    let network = try Network(
      ModelConfiguration(form: form, compression: 0.2), height: 14, width: 14, channels: 1,
      classes: 10, seed: 3)
    // Many rows, so that sums over them are divided.
    let shape = [48, 14, 14, 1]
    let pixels = (0..<48 * 14 * 14).map { (index: Int) -> Float in
      Float(index * 7919 % 1009) / 500 - 1
    }
    let images = Tensor<Float>(shape: shape, elements: pixels)
    let (logits, pullback) = try network.forward(
      images, alone(in: context))
    let loss = try softmaxCrossEntropy(logits: logits, labels: (0..<48).map { $0 % 10 })
    _ = try pullback(loss.gradient)
    var optimizer = StochasticGradientDescent(parameters: network.parameters, momentum: 0.9)
    optimizer.update(network.parameters, learningRate: 0.1)
    return [logits.elements]
      + network.parameters.flatMap { [$0.gradient.elements, $0.value.elements] }
  }

  @Test(arguments: ["dense", "cp", "tk", "tt"], Context.paths)
  func aStepHasTheSameBitsOnAnyNumberOfThreads(form: String, context: Context) throws {
    let expected = try step(form: form, threads: 1, context)
    #expect(expected.joined().allSatisfy { $0.isFinite })
    for threads in [2, 3, 7] {
      #expect(try step(form: form, threads: threads, context) == expected, "\(threads) threads")
    }
  }
}
