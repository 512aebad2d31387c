import CKernels

/// How many terms each written element is the sum of, and how such sums are added up (`PartialSums.h`).
struct SumLength: Sendable {
  let terms: Double

  init(terms: Double) { self.terms = terms }

  /// Of a nest that writes one of its tensors. (Of one that scatters, about.)
  init(_ nest: ContractionNest, writing written: ContractionNest.Role) {
    let elements = nest[written].reduce(1.0) { $0 * Double($1.extent) }
    terms = nest.loops.reduce(1.0) { $0 * Double($1) } / max(1, elements)
  }

  /// Terms of one running sum: all where they are few, and where they are many so few that a millionth is not lost.
  var run: Int {
    terms <= Double(CONVOY_PLAIN_TERMS)
      ? Int.max : isLong ? Int(CONVOY_RUN) : Int(CONVOY_PLAIN_TERMS)
  }

  /// Whether it is worth a tenth of the time to lose no more than that. Shorter sums OpenBLAS makes as it likes: a few
  /// hundred products to a running sum, the next added to the first.
  var isLong: Bool { terms > 32_768 }

  /// Whether what additions round off is added up too, where so many terms are added up before each: else the sum of
  /// `mostAdditions` of them is plain.
  func keepsLow(termsAtOnce: Double) -> Bool {
    terms > Double(CONVOY_PLAIN_TERMS) && terms / max(1, termsAtOnce) > Self.mostAdditions
  }

  private static let mostAdditions = 16.0
}

extension TensorElement {
  /// From an element to where what additions to it round off is added up, in bytes.
  static func distance(
    from start: UnsafeMutablePointer<Self>, to low: UnsafeMutablePointer<Self>
  ) -> Int {
    UnsafeRawPointer(low) - UnsafeRawPointer(start)
  }

  /// Adds what was rounded off, divided over threads.
  static func settleAll(
    _ sums: UnsafeMutablePointer<Self>, low: UnsafeMutablePointer<Self>, count: Int
  ) {
    nonisolated(unsafe) let (sums, low) = (sums, low)
    ThreadPool.run(over: count, unit: 1024, nanoseconds: 0.2 * Double(count)) {
      settle(sums + $0.lowerBound, low: low + $0.lowerBound, count: $0.count)
    }
  }
}
