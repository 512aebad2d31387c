import Testing

@testable import Kernels

/// What measures kernels measures the right ones. How fast they are is no matter of tests.
@Suite struct MeasurementTests {
  @Test func everyKernelThatCanRunAProductIsMeasured() {
    let product = ProductMeasurement(of: Float.self, m: 24, n: 32, k: 20, seconds: 1e-4)
    let others = Set(ProductMeasurement.Kernel.allCases).subtracting([.dot])
    #expect(Set(product.flopsPerSecond.keys) == others)
    #expect(product.flopsPerSecond.values.allSatisfy { $0 > 0 && $0.isFinite })
    #expect(product.seconds > 0 && product.estimatedSeconds > 0)
    // One column is contiguous along k.
    let vector = ProductMeasurement(of: Float.self, m: 512, n: 1, k: 512, seconds: 1e-4)
    #expect(vector.flopsPerSecond[.dot] != nil)
    let single = ProductMeasurement(of: Double.self, m: 1, n: 1, k: 1, seconds: 1e-4)
    #expect(Set(single.flopsPerSecond.keys) == [.openblas, .loops])
    #expect(single.chosen == .loops)
  }

  /// 256³ multiply-adds are the most.
  @Test func loopsAreForSmallProductsOnly() {
    func isLooped(_ k: Int) -> Bool {
      let product = ProductMeasurement(of: Float.self, m: 256, n: 256, k: k, seconds: 1e-4)
      return product.flopsPerSecond[.loops] != nil
    }
    #expect(isLooped(256))
    #expect(!isLooped(257))
  }

  @Test func theChosenKernelIsTheOneThatRuns() {
    for (m, n, k) in [(200, 96, 64), (3, 2, 5), (1, 64, 64), (512, 1, 512)] {
      let lowered = LoweredNest(ContractionNest(rows: m, columns: n, depth: k), writing: .result)
      let product = ProductMeasurement(of: Float.self, m: m, n: n, k: k, seconds: 1e-4)
      let isGEMM = if case .gemm = lowered.strided?.kernel { true } else { false }
      #expect((product.chosen == .blocked) == (lowered.blocked != nil))
      #expect((product.chosen == .dot) == (lowered.dot != nil))
      #expect((product.chosen == .openblas) == (lowered.strided != nil && isGEMM))
      #expect(product.estimatedSeconds == lowered.nanoseconds * 1e-9)
    }
  }

  @Test func everyBodyIsCalledAndTimed() {
    var calls = [0, 0]
    let times = CallTimer.leastSeconds([{ calls[0] += 1 }, { calls[1] += 1 }], within: 0)
    #expect(times.count == 2 && times.allSatisfy { $0 >= 0 && $0.isFinite })
    // Once to learn how long it takes, and three batches at least.
    #expect(calls.allSatisfy { $0 >= 4 })
  }

  @Test func peaksArePositive() {
    #expect(PeakRates.flopsPerSecond(of: Double.self, seconds: 0) > 0)
    #expect(PeakRates.memoryBytesPerSecond(of: Double.self, elements: 1000, seconds: 0) > 0)
  }
}
