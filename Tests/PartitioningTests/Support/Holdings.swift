import Partitioning

/// What every rank holds at one slice, found index by index from the documented rules of `Layout`
/// and without its arithmetic.
struct Holdings {
  let layout: Layout
  /// Per rank and dimension the indices held, in order.
  let indices: [[[Int]]]
  /// Per rank the numbers of the elements held, in row-major order of its box.
  let elements: [[Int]]
  /// Per rank its coordinates on the rank axes, then those of the slice.
  let coordinates: [[Int]]

  init(_ layout: Layout, slice: Int) {
    self.layout = layout
    let mesh = layout.mesh
    let times = Self.digits(slice, mesh.slices)
    coordinates = (0..<mesh.ranks).map { Self.digits($0, mesh.axes) + times }
    let extents = mesh.axes + mesh.slices
    indices = coordinates.map { coordinates in
      layout.cuts.map { Self.indices($0, coordinates, extents) }
    }
    elements = indices.map { indices in
      zip(indices, layout.cuts).reduce([0]) { elements, next in
        elements.flatMap { element in next.0.map { element * next.1.extent + $0 } }
      }
    }
  }

  var ranks: Range<Int> { elements.indices }

  /// Rank axes that neither cut nor are partial.
  var copyingAxes: [Int] {
    layout.mesh.axes.indices.filter { axis in
      !layout.partialAxes.contains(axis) && !layout.cuts.contains { $0.axes.contains(axis) }
    }
  }

  /// The elements of one rank, by number, with their places in its box.
  func places(_ rank: Int) -> [Int: Int] {
    Dictionary(uniqueKeysWithValues: elements[rank].enumerated().map { ($1, $0) })
  }

  func agree(_ one: Int, _ other: Int, on axes: Set<Int>) -> Bool {
    axes.allSatisfy { coordinates[one][$0] == coordinates[other][$0] }
  }

  /// The ranks at the origin of these axes.
  func first(on axes: [Int]) -> [Int] {
    ranks.filter { rank in axes.allSatisfy { coordinates[rank][$0] == 0 } }
  }

  /// The ranks that differ from one only on these axes; itself among them.
  func along(_ axes: [Int], of rank: Int) -> [Int] {
    ranks.filter { agree(rank, $0, on: Set(layout.mesh.axes.indices).subtracting(axes)) }
  }

  /// Random values for all boxes, the same along these axes.
  func values(alike axes: [Int], _ random: inout SplitMix) -> [[Int]] {
    var values = elements.map { random.values($0.count) }
    for rank in first(on: axes) {
      for other in along(axes, of: rank) { values[other] = values[rank] }
    }
    return values
  }

  /// Mixed radix, the last digit fastest.
  static func digits(_ number: Int, _ radices: [Int]) -> [Int] {
    var rest = number
    var digits: [Int] = []
    for radix in radices.reversed() {
      digits.insert(rest % radix, at: 0)
      rest /= radix
    }
    return digits
  }

  private static func indices(
    _ cut: Layout.Cut, _ coordinates: [Int], _ extents: [Int]
  ) -> [Int] {
    var parts = 1
    var part = 0
    for axis in cut.axes {
      parts *= extents[axis]
      part = part * extents[axis] + coordinates[axis]
    }
    func even(_ extent: Int) -> [Int] {
      (0..<extent).filter {
        extent * part / parts <= $0 && $0 < extent * (part + 1) / parts
      }
    }
    guard let window = cut.window, !cut.axes.isEmpty else { return even(cut.extent) }
    let results = even(window.resultExtent)
    guard let first = results.first, let last = results.last else { return [] }
    let positions = Array(window.stride * first + window.low...window.stride * last + window.high)
    guard window.circular else { return positions.filter { 0 <= $0 && $0 < cut.extent } }
    if positions.count >= cut.extent { return Array(0..<cut.extent) }
    return positions.map { modulo($0, cut.extent) }
  }
}

/// The remainder of least size that is not negative.
func modulo(_ number: Int, _ divisor: Int) -> Int {
  let remainder = number % divisor
  return remainder < 0 ? remainder + divisor : remainder
}
