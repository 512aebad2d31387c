import Kernels
import TestSupport
import Testing

@testable import Training

/// Initial values: variance of activations, and what they depend on.
@Suite struct InitializationTests {
  /// Inputs of unit mean square give outputs of variance `gain`, in every form. The kernel's
  /// elements are products of few normal numbers, so the estimate scatters; seeds are averaged.
  @Test(arguments: Form.all) func activationsKeepTheirVariance(form: Form) throws {
    let seeds: [UInt64] = [1, 2, 3, 4, 5, 6, 7, 8]
    var ratio = 0.0
    for seed in seeds {
      let settings = ConvolutionSettings(
        channels: 64, kernel: 3, factorization: Factorization(form.name, compression: 0.3))
      let made = try NetworkDescription([.convolution(settings)]).graph(
        NetworkInput(batch: 2, extents: [6, 6], channels: 48), classes: 64, mode: .evaluation)
      // White noise; the border of a padded image has fewer inputs and is left out.
      let noise = drawn(.normal(standardDeviation: 1), [2, 6, 6, 48], seed: 9, "noise \(seed)")
      let output = try forward(made, noise, seed: seed)
      var sum = 0.0
      for b in 0..<2 {
        for h in 1..<5 {
          for w in 1..<5 {
            for t in 0..<64 { sum += Double(output[b, h, w, t]) * Double(output[b, h, w, t]) }
          }
        }
      }
      ratio += sum / Double(2 * 4 * 4 * 64) / Double(seeds.count)
    }
    #expect(ratio > 1.5 && ratio < 2.6, "\(form.name): \(ratio)")
  }

  /// The derivation's own claim, without sampling: S·Kh·Kw · Π ranks · Π var = gain.
  @Test(arguments: Form.all) func variancesMultiplyToTheGain(form: Form) {
    let kernel = KernelShape(inputChannels: 32, outputChannels: 64, height: 3, width: 5)
    let rank = 6
    let deviations = form.standardDeviations(kernel, rank: rank, gain: 2)
    let sums: [String: Int] = [
      "dense": 1, "cp": 6, "tk": 36, "tt": 216, "tr": 1296, "bt": 4 * 36, "rcp": 6, "rtk": 1296,
      "rtt": 216, "rtr": 1296, "ht": 46656,
    ]
    var product = Double(32 * 3 * 5 * (sums[form.name] ?? 0))
    for deviation in deviations { product *= deviation * deviation }
    #expect(abs(product - 2) < 1e-9)
    // All factors have the same norm.
    let norms = zip(form.factorShapes(kernel, rank: rank), deviations).map {
      Double($0.reduce(1, *)) * $1 * $1
    }
    for norm in norms { #expect(abs(norm / norms[0] - 1) < 1e-9) }
  }

  @Test func valuesDependOnSeedAndNameOnly() {
    func values(_ seed: UInt64, _ name: String, _ count: Int = 50) -> [Float] {
      drawn(.normal(standardDeviation: 2), [count], seed: seed, name).elements
    }
    #expect(values(1, "a.w") == values(1, "a.w"))
    #expect(values(1, "a.w", 80).prefix(50) == values(1, "a.w")[...])
    #expect(values(1, "a.w") != values(2, "a.w"))
    #expect(values(1, "a.w") != values(1, "b.w"))
  }

  @Test func valuesAreNormal() {
    let values = drawn(.normal(standardDeviation: 2), [40_000], seed: 5, "w").elements
    let count = Double(values.count)
    let mean = values.reduce(0) { $0 + Double($1) } / count
    let variance = values.reduce(0) { $0 + Double($1) * Double($1) } / count
    let kurtosis = values.reduce(0) { $0 + Double($1) * Double($1) * Double($1) * Double($1) }
    #expect(abs(mean) < 0.04)
    #expect(abs(variance - 4) < 0.12)
    #expect(abs(kurtosis / count / 48 - 1) < 0.1)
  }

  /// FNV-1a of its authors' test vectors.
  @Test func namesHashAsPublished() {
    #expect(UInt64(bitPattern: Int64(stableHash(""))) == 0xcbf2_9ce4_8422_2325)
    #expect(UInt64(bitPattern: Int64(stableHash("a"))) == 0xaf63_dc4c_8601_ec8c)
    #expect(UInt64(bitPattern: Int64(stableHash("foobar"))) == 0x8594_4171_f739_67e8)
  }
}
