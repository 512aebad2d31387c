/// Copies of strided tensors, and zeros, divided over threads.
enum Movement {
  /// `Element.permute`, or `Element.add`, of parts of the longest-stepping of the long dimensions.
  static func move<Element: TensorElement>(
    adding: Bool = false, extents: [Int], to: UnsafeMutablePointer<Element>, _ toStrides: [Int],
    from: UnsafePointer<Element>, _ fromStrides: [Int]
  ) {
    @Sendable func part(
      _ extents: [Int], _ to: UnsafeMutablePointer<Element>, _ from: UnsafePointer<Element>
    ) {
      if adding {
        Element.add(extents: extents, to: to, toStrides, from: from, fromStrides)
      } else {
        Element.permute(extents: extents, to: to, toStrides, from: from, fromStrides)
      }
    }
    let count = Double(extents.reduce(1, *))
    // Where lines are written across those that are read, an element takes longer: small ones are worth
    // dividing too, while more than a few parts of one were not faster.
    let isTransposed = !extents.indices.contains { toStrides[$0] == 1 && fromStrides[$0] == 1 }
    let nanoseconds = max(0.4 * count, isTransposed ? min(count, 10_000) : 0)
    let parts = ThreadPool.parts(nanoseconds: nanoseconds)
    guard parts > 1, let longest = extents.max() else { return part(extents, to, from) }
    func step(_ dimension: Int) -> (Int, Int) {
      (min(abs(toStrides[dimension]), abs(fromStrides[dimension])), extents[dimension])
    }
    let candidates = extents.indices.filter { extents[$0] >= min(longest, 8) }
    guard let cut = candidates.max(by: { step($0) < step($1) }) else {
      return part(extents, to, from)
    }
    // Vectors, and the squares of a transposition, stay whole.
    let unit = extents[cut] >= 256 ? 16 : 1
    nonisolated(unsafe) let (to, from) = (to, from)
    ThreadPool.run(over: extents[cut], unit: unit, nanoseconds: nanoseconds) { range in
      var extents = extents
      extents[cut] = range.count
      part(
        extents, to + range.lowerBound * toStrides[cut], from + range.lowerBound * fromStrides[cut])
    }
  }

  static func fillWithZeros<Element: TensorElement>(
    _ start: UnsafeMutablePointer<Element>, count: Int
  ) {
    nonisolated(unsafe) let start = start
    ThreadPool.run(over: count, unit: 1024, nanoseconds: 0.1 * Double(count)) {
      (start + $0.lowerBound).fillWithZeros(count: $0.count)
    }
  }
}

extension TensorElement {
  /// Copies a strided tensor, divided over threads; extents and strides outermost first.
  public static func move(
    extents: [Int], to: UnsafeMutablePointer<Self>, _ toStrides: [Int],
    from: UnsafePointer<Self>, _ fromStrides: [Int]
  ) {
    Movement.move(extents: extents, to: to, toStrides, from: from, fromStrides)
  }

  /// Adds elements to others, divided over threads.
  public static func addAll(
    _ terms: UnsafePointer<Self>, to sums: UnsafeMutablePointer<Self>, count: Int
  ) {
    Movement.move(adding: true, extents: [count], to: sums, [1], from: terms, [1])
  }
}
