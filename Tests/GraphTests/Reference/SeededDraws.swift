/// Random numbers that depend on a seed only (SplitMix64: Steele, Lea, Flood 2014).
struct SeededDraws: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var bits = state
    bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return bits ^ (bits >> 31)
  }

  /// Elements from 0.1 to 1 in magnitude: away from the corner that some functions have at 0.
  mutating func tensor(_ shape: [Int]) -> DoubleTensor {
    var tensor = DoubleTensor(shape)
    for offset in tensor.elements.indices {
      let magnitude = Double.random(in: 0.1...1, using: &self)
      tensor.elements[offset] = Bool.random(using: &self) ? magnitude : -magnitude
    }
    return tensor
  }
}
