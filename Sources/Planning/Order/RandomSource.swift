/// A seeded stream of random numbers, the same on every machine (SplitMix64: Steele, Lea and Flood,
/// *Fast splittable pseudorandom number generators*, 2014).
struct RandomSource: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var word = state
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }

  /// Uniform in the open interval (0, 1).
  mutating func uniform() -> Double { (Double(next() >> 11) + 0.5) * 0x1p-53 }

  /// Gumbel noise −log₂(−log₂ u), in which argmin(score − T·noise) is a Boltzmann sample at
  /// temperature T; as accurate as `approximateLog2`.
  mutating func gumbel() -> Double { -approximateLog2(-approximateLog2(uniform())) }
}

/// log₂ x of a positive finite x by linear interpolation between the powers of two: monotone, exact
/// at them, elsewhere at most 0.09 too small. The standard library has no logarithm, and a heuristic
/// needs no better one.
func approximateLog2(_ x: Double) -> Double { Double(x.exponent) + x.significand - 1 }
