import Partitioning
import Testing

@testable import Planning

/// What the search takes a redistribution to move, against a count rank by rank.
@Suite struct LayoutPoolTests {
  @Test func volumesAreExact() {
    for seed in 0..<1500 {
      var random = TestRandom(seed)
      let mesh = Self.mesh(&random)
      let ranksPerNode = Int.random(in: 1...12, using: &random)
      let shape = (0..<Int.random(in: 0...3, using: &random)).map { _ in
        Int.random(in: 1...12, using: &random)
      }
      let source = Self.layout(shape, mesh, &random)
      // No sum is made of copies.
      let target = Self.layout(shape, mesh, copies: source.replicationAxes, &random)
      let pool = LayoutPool(mesh: mesh, ranksPerNode: ranksPerNode)
      let volume = pool.volume(from: pool.number(source), to: pool.number(target))
      var expected = MoveVolume()
      let isRepeated = source.isSliced || target.isSliced
      for slice in 0..<(isRepeated ? mesh.sliceCount : 1) {
        let boxes = RankBoxes(mesh: mesh, ranksPerNode: ranksPerNode, slice: slice)
        let counted = boxes.volume(from: source, to: target)
        expected.elements += Double(counted.elements)
        expected.messages += Double(counted.messages)
        expected.crossesNodes = expected.crossesNodes || counted.crossesNodes
      }
      #expect(volume == expected, "seed \(seed): \(source) to \(target)")
    }
  }

  @Test func largestBoxesAreThoseOfAllSlices() {
    for seed in 0..<300 {
      var random = TestRandom(seed)
      let mesh = Self.mesh(&random)
      let layout = Self.layout(
        [Int.random(in: 1...20, using: &random), 5], mesh, &random)
      let pool = LayoutPool(mesh: mesh, ranksPerNode: 16)
      let largest =
        (0..<mesh.sliceCount).map {
          RankBoxes(mesh: mesh, ranksPerNode: 16, slice: $0).largestBox(layout)
        }.max() ?? 0
      #expect(pool.largestBox(pool.number(layout)) == Double(largest), "seed \(seed): \(layout)")
    }
  }

  /// Up to 36 ranks; half of the meshes with up to four slices.
  private static func mesh(_ random: inout TestRandom) -> Mesh {
    var axes: [Int] = []
    for _ in 0..<Int.random(in: 0...3, using: &random) {
      let room = 36 / axes.reduce(1, *)
      axes.append(Int.random(in: 1...min(6, room), using: &random))
    }
    let slices = Bool.random(using: &random) ? [] : [Int.random(in: 1...4, using: &random)]
    return Mesh(axes: axes, slices: slices)
  }

  /// - Parameter copies: axes along which the layout is no sum.
  private static func layout(
    _ shape: [Int], _ mesh: Mesh, copies: [Int] = [], _ random: inout TestRandom
  ) -> Layout {
    var lists = shape.map { _ in [Int]() }
    var sums: [Int] = []
    // A slice cuts the same dimension of every layout of a tensor.
    if !mesh.slices.isEmpty && !shape.isEmpty && Bool.random(using: &random) {
      lists[0].append(mesh.axes.count)
    }
    for axis in mesh.axes.indices.shuffled(using: &random) {
      let choice = Int.random(in: 0...shape.count + 1, using: &random)
      if choice < shape.count {
        lists[choice].append(axis)
      } else if choice == shape.count && !copies.contains(axis) {
        sums.append(axis)
      }
    }
    let cuts = zip(shape, lists).map { extent, axes in
      Layout.Cut(
        extent: extent, axes: axes,
        window: Int.random(in: 0..<3, using: &random) > 0 ? nil : window(&random))
    }
    return Layout(mesh: mesh, cuts: cuts, partialAxes: sums)
  }

  private static func window(_ random: inout TestRandom) -> Window {
    let low = Int.random(in: -6...6, using: &random)
    return Window(
      resultExtent: Int.random(in: 1...12, using: &random),
      stride: Int.random(in: 1...3, using: &random), low: low,
      high: low + Int.random(in: 0...5, using: &random), circular: Bool.random(using: &random))
  }
}
