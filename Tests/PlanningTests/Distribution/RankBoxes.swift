import Partitioning

@testable import Planning

/// What the ranks of a mesh hold in some layouts, and what travels between two of those: found
/// index by index from the documented rules of `Layout` and `Redistribution`, pair of ranks by pair
/// of ranks, and without their arithmetic.
final class RankBoxes {
  /// What the rank receives that receives most.
  struct Volume: Hashable {
    /// Of the rank that receives most of them.
    var elements = 0
    /// Other ranks that send to the rank to which most of them do.
    var messages = 0
    /// Whether any rank receives anything from another node.
    var crossesNodes = false
  }

  private struct Held {
    let layout: Layout
    /// At (rank · dimensions + dimension) · 4: one or two runs of indices, as lower, upper, lower,
    /// upper.
    let runs: [Int]
    /// Two runs, for a window that wraps around.
    let wraps: Bool
  }

  let mesh: Mesh
  /// Each rank's coordinates, the last axis fastest.
  let coordinates: [[Int]]
  private let slice: Int
  private let ranksPerNode: Int
  private var numbers: [Layout: Int] = [:]
  private var held: [Held] = []
  private var volumes: [Int: Volume] = [:]
  /// Of the last count, elements by rank.
  private var received: [Int] = []

  init(mesh: Mesh, ranksPerNode: Int, slice: Int = 0) {
    self.mesh = mesh
    self.ranksPerNode = ranksPerNode
    self.slice = slice
    let times = Self.digits(slice, mesh.slices)
    let ranks = mesh.axes.reduce(1, *)
    coordinates = (0..<ranks).map { Self.digits($0, mesh.axes) + times }
  }

  subscript(number: Int) -> Layout { held[number].layout }

  func number(_ layout: Layout) -> Int {
    if let number = numbers[layout] { return number }
    numbers[layout] = held.count
    held.append(hold(layout))
    return held.count - 1
  }

  /// Elements of the largest box.
  func largestBox(_ layout: Layout) -> Int {
    let runs = held[number(layout)].runs
    let dimensions = layout.cuts.count
    return coordinates.indices.map { rank in
      (0..<dimensions).reduce(1) { product, dimension in
        let at = (rank * dimensions + dimension) * 4
        return product * (runs[at + 1] - runs[at] + runs[at + 3] - runs[at + 2])
      }
    }.max() ?? 0
  }

  func volume(from source: Layout, to target: Layout) -> Volume {
    volume(from: number(source), to: number(target))
  }

  func volume(from source: Int, to target: Int) -> Volume {
    if source == target { return Volume() }
    let key = source << 32 | target
    if let known = volumes[key] { return known }
    let volume = count(held[source], held[target])
    volumes[key] = volume
    return volume
  }

  /// Elements that each rank receives.
  func received(from source: Layout, to target: Layout) -> [Int] {
    _ = count(held[number(source)], held[number(target)])
    return received
  }

  /// A rank receives from every other rank the indices that both have: but of copies, and of sums
  /// that stay partial, only from ranks on its own coordinates.
  private func count(_ source: Held, _ target: Held) -> Volume {
    let agreeing = mesh.axes.indices.filter { axis in
      target.layout.partialAxes.contains(axis)
        || !(source.layout.partialAxes.contains(axis)
          || source.layout.cuts.contains { $0.axes.contains(axis) })
    }
    let dimensions = source.layout.cuts.count
    var volume = Volume()
    received = []
    for receiver in coordinates.indices {
      var elements = 0
      var messages = 0
      for sender in coordinates.indices where sender != receiver {
        guard agreeing.allSatisfy({ coordinates[sender][$0] == coordinates[receiver][$0] }) else {
          continue
        }
        var common = 1
        for dimension in 0..<dimensions where common > 0 {
          common *= Self.common(
            source, (sender * dimensions + dimension) * 4, target,
            (receiver * dimensions + dimension) * 4)
        }
        if common == 0 { continue }
        elements += common
        messages += 1
        if sender / ranksPerNode != receiver / ranksPerNode { volume.crossesNodes = true }
      }
      received.append(elements)
      volume.elements = max(volume.elements, elements)
      volume.messages = max(volume.messages, messages)
    }
    return volume
  }

  @inline(__always)
  private static func common(_ a: Held, _ i: Int, _ b: Held, _ j: Int) -> Int {
    func overlap(_ m: Int, _ n: Int) -> Int {
      max(0, min(a.runs[m + 1], b.runs[n + 1]) - max(a.runs[m], b.runs[n]))
    }
    if !a.wraps && !b.wraps { return overlap(i, j) }
    return overlap(i, j) + overlap(i + 2, j) + overlap(i, j + 2) + overlap(i + 2, j + 2)
  }

  private func hold(_ layout: Layout) -> Held {
    let runs = coordinates.map { coordinates in
      layout.cuts.map { self.runs($0, coordinates) }
    }
    return Held(
      layout: layout, runs: runs.flatMap { $0.flatMap { $0 } },
      wraps: runs.contains { $0.contains { $0[3] > $0[2] } })
  }

  private func runs(_ cut: Layout.Cut, _ coordinates: [Int]) -> [Int] {
    guard let window = cut.window, !cut.axes.isEmpty else {
      let part = part(of: cut.extent, cut.axes, coordinates)
      return [part.lowerBound, part.upperBound, 0, 0]
    }
    let part = part(of: window.resultExtent, cut.axes, coordinates)
    if part.isEmpty { return [0, 0, 0, 0] }
    let lower = window.stride * part.lowerBound + window.low
    let upper = window.stride * (part.upperBound - 1) + window.high + 1
    if !window.circular {
      let start = min(max(lower, 0), cut.extent)
      return [start, max(start, min(upper, cut.extent)), 0, 0]
    }
    if upper - lower >= cut.extent { return [0, cut.extent, 0, 0] }
    let start = (lower % cut.extent + cut.extent) % cut.extent
    let end = start + upper - lower
    return end <= cut.extent ? [start, end, 0, 0] : [start, cut.extent, 0, end - cut.extent]
  }

  /// Part c of p of n indices: those from ⌊n·c/p⌋ up to ⌊n·(c + 1)/p⌋.
  func part(of extent: Int, _ axes: [Int], _ coordinates: [Int]) -> Range<Int> {
    let extents = mesh.axes + mesh.slices
    var parts = 1
    var part = 0
    for axis in axes {
      parts *= extents[axis]
      part = part * extents[axis] + coordinates[axis]
    }
    return extent * part / parts..<extent * (part + 1) / parts
  }

  private static func digits(_ number: Int, _ radices: [Int]) -> [Int] {
    var rest = number
    var digits: [Int] = []
    for radix in radices.reversed() {
      digits.insert(rest % radix, at: 0)
      rest /= radix
    }
    return digits
  }
}
