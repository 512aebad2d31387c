/// A stream of random bits that depends on its seed only (SplitMix64: Steele, Lea, Flood 2014).
///
/// ```swift
/// var random = SeededGenerator(seed: 7)
/// let extent = random.integer(in: 1...5)
/// ```
public struct SeededGenerator: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return mixed(state)
  }

  public mutating func integer(in range: ClosedRange<Int>) -> Int {
    Int.random(in: range, using: &self)
  }

  /// True with a probability.
  public mutating func chance(_ probability: Double) -> Bool {
    Double.random(in: 0..<1, using: &self) < probability
  }

  /// One of some choices, each as likely as its weight says.
  public mutating func choice<Choice>(_ weighted: KeyValuePairs<Choice, Int>) -> Choice {
    var rest = integer(in: 0...weighted.reduce(0) { $0 + $1.value } - 1)
    var chosen = weighted[weighted.startIndex].key
    for (choice, weight) in weighted {
      chosen = choice
      if rest < weight { break }
      rest -= weight
    }
    return chosen
  }

  /// `count` different elements, in order.
  public mutating func subset<Element>(of elements: [Element], count: Int) -> [Element] {
    elements.indices.shuffled(using: &self).prefix(count).sorted().map { elements[$0] }
  }
}

/// SplitMix64's finaliser: a bijection that scatters neighbouring numbers.
func mixed(_ value: UInt64) -> UInt64 {
  var bits = value
  bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
  bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
  return bits ^ (bits >> 31)
}
