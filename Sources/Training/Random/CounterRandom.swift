import Foundation

/// Random numbers that are a function of (seed, stream, index) and of nothing else.
///
/// There is no state to advance, so what a sample or a weight is does not depend on the number of
/// ranks, on the order of the calls, or on what was drawn before: a run resumed in the middle of an
/// epoch draws what the uninterrupted one draws.
///
/// The generator is Philox 4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as
/// easy as 1, 2, 3", SC 2011): the key is the seed, the counter is the index and the stream.
///
/// ```swift
/// let random = CounterRandom(seed: 1, purpose: .initialWeights, item: 3)
/// let weight = 0.1 * random.normal(at: 0)
/// ```
public struct CounterRandom: Hashable, Sendable {
  /// What numbers are drawn for. Purposes never share a stream.
  public enum Purpose: UInt64, Hashable, Sendable {
    /// One item per parameter of a network.
    case initialWeights = 1
    /// One item per epoch.
    case shuffling = 2
    /// One item per class pattern, and one per sample.
    case syntheticPatterns = 3
    case syntheticSamples = 4
  }

  public let seed: UInt64
  public let stream: UInt64

  public init(seed: UInt64, stream: UInt64) {
    self.seed = seed
    self.stream = stream
  }

  /// The stream of one item of a purpose; only the item's lower 56 bits count.
  public init(seed: UInt64, purpose: Purpose, item: Int) {
    let itemBits = UInt64(truncatingIfNeeded: item) & 0x00FF_FFFF_FFFF_FFFF
    self.init(seed: seed, stream: purpose.rawValue << 56 | itemBits)
  }

  /// 128 random bits.
  public func bits(at index: Int) -> SIMD4<UInt32> {
    let index = UInt64(truncatingIfNeeded: index)
    let counter = SIMD4(
      UInt32(truncatingIfNeeded: index), UInt32(truncatingIfNeeded: index >> 32),
      UInt32(truncatingIfNeeded: stream), UInt32(truncatingIfNeeded: stream >> 32))
    let key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
    return philox4x32(counter: counter, key: key)
  }

  /// Uniform on [0, 1), a multiple of 2⁻²⁴.
  public func uniform(at index: Int) -> Float {
    Float(bits(at: index).x >> 8) * 0x1p-24
  }

  /// Normal with mean 0 and variance 1 (Box and Muller, 1958); at most 8.7 from 0.
  public func normal(at index: Int) -> Float {
    let bits = bits(at: index)
    // Uniform on (0, 1]: the logarithm is finite. 53 bits reach far into the tail.
    let word = UInt64(bits.x) << 32 | UInt64(bits.y)
    let radius = (-2 * log(Double((word >> 11) + 1) * 0x1p-53)).squareRoot()
    let angle = 2 * Double.pi * (Double(bits.z) * 0x1p-32)
    return Float(radius * cos(angle))
  }

  /// An integer in 0 ..< `bound`, which is positive. Its bias is below `bound` / 2⁶⁴.
  public func integer(below bound: Int, at index: Int) -> Int {
    let bits = bits(at: index)
    let word = UInt64(bits.x) << 32 | UInt64(bits.y)
    return Int(word.multipliedFullWidth(by: UInt64(bound)).high)
  }

  /// A random order of 0 ..< `count`, all orders equally likely (Fisher and Yates).
  public func permutation(of count: Int) -> [Int] {
    var order = Array(0..<count)
    for last in stride(from: count - 1, to: 0, by: -1) {
      order.swapAt(last, integer(below: last + 1, at: last))
    }
    return order
  }
}

/// One block of Philox 4x32 with 10 rounds.
func philox4x32(counter: SIMD4<UInt32>, key: SIMD2<UInt32>) -> SIMD4<UInt32> {
  var counter = counter
  var key = key
  for _ in 0..<10 {
    let even = UInt32(0xD251_1F53).multipliedFullWidth(by: counter.x)
    let odd = UInt32(0xCD9E_8D57).multipliedFullWidth(by: counter.z)
    counter = SIMD4(odd.high ^ counter.y ^ key.x, odd.low, even.high ^ counter.w ^ key.y, even.low)
    key = key &+ SIMD2(0x9E37_79B9, 0xBB67_AE85)
  }
  return counter
}
