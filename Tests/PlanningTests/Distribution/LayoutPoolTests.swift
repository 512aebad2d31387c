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

  /// A gather of 12 indices over two ranks in 5 slices of 2, 2, 3, 2 and 3: the ranks hold 1|1, 1|1,
  /// 2|1, 1|1 and 1|2 of them. Of the first, the middle and the last slice a rank receives 1, 2 and 2 at
  /// most, and five thirds of that are taken for all.
  @Test func threeSlicesStandForFive() {
    let mesh = Mesh(axes: [2], slices: [5])
    let pool = LayoutPool(mesh: mesh, ranksPerNode: 16)
    let parts = Layout(mesh: mesh, cuts: [Layout.Cut(extent: 12, axes: [1, 0])])
    let whole = Layout(mesh: mesh, cuts: [Layout.Cut(extent: 12, axes: [1])])
    let volume = pool.volume(from: pool.number(parts), to: pool.number(whole))
    #expect(abs(volume.elements - 25.0 / 3) < 1e-12)
    #expect(volume.messages == 5)
    #expect(pool.largestBox(pool.number(whole)) == 3)
    #expect(pool.largestBox(pool.number(parts)) == 2)
  }

  /// More than four uneven slices: a third each for those at the ends and in the middle.
  @Test(arguments: [5, 7, 9]) func manySlicesAreSampled(slices: Int) {
    var isUneven = false
    for seed in 0..<200 {
      var random = TestRandom(seed)
      let mesh = Mesh(axes: [Int.random(in: 1...4, using: &random)], slices: [slices])
      let extent = Int.random(in: slices...3 * slices + 5, using: &random)
      let source = Self.sliced([extent, 6], mesh, &random)
      let target = Self.sliced([extent, 6], mesh, &random)
      let pool = LayoutPool(mesh: mesh, ranksPerNode: 16)
      let volume = pool.volume(from: pool.number(source), to: pool.number(target))
      let boxes = (0..<slices).map { RankBoxes(mesh: mesh, ranksPerNode: 16, slice: $0) }
      let counts = boxes.map { Double($0.volume(from: source, to: target).elements) }
      let sampled = (counts[0] + counts[slices / 2] + counts[slices - 1]) * Double(slices) / 3
      #expect(abs(volume.elements - sampled) < 1e-9, "seed \(seed)")
      if sampled != counts.reduce(0, +) { isUneven = true }
      // The largest box is that of all slices: the last slice is never smaller than another.
      let largest = boxes.map { $0.largestBox(source) }.max() ?? 0
      #expect(pool.largestBox(pool.number(source)) == Double(largest), "seed \(seed)")
    }
    #expect(isUneven)
  }

  private static func sliced(
    _ shape: [Int], _ mesh: Mesh, _ random: inout TestRandom
  ) -> Layout {
    let choice = Int.random(in: 0...2, using: &random)
    return Layout(
      mesh: mesh,
      cuts: [
        Layout.Cut(extent: shape[0], axes: choice == 0 ? [1, 0] : [1]),
        Layout.Cut(extent: shape[1], axes: choice == 1 ? [0] : []),
      ])
  }

  /// More than 64 ranks: the greatest that a rank receives of those at the ends and in the middle of every
  /// axis, which is no more than any rank does, and where parts are even exactly that.
  @Test(arguments: [[65], [9, 9], [4, 4, 5], [5, 3, 2, 3]])
  func manyRanksAreSampled(axes: [Int]) {
    let mesh = Mesh(axes: axes)
    var isUneven = false
    for seed in 0..<20 {
      var random = TestRandom(seed)
      let isEven = seed % 2 == 0
      let factor = mesh.ranks
      let shape = (0..<2).map { _ in
        isEven ? factor : Int.random(in: 3...2 * factor, using: &random)
      }
      let source = Self.plain(shape, mesh, &random)
      let target = Self.plain(shape, mesh, copies: source.replicationAxes, &random)
      let pool = LayoutPool(mesh: mesh, ranksPerNode: mesh.ranks)
      let volume = pool.volume(from: pool.number(source), to: pool.number(target))
      let boxes = RankBoxes(mesh: mesh, ranksPerNode: mesh.ranks)
      let counts = boxes.received(from: source, to: target)
      let sampled =
        zip(boxes.coordinates, counts).filter { coordinates, _ in
          zip(coordinates, axes).allSatisfy { [0, $1 / 2, $1 - 1].contains($0) }
        }.map(\.1).max() ?? 0
      #expect(volume.elements == Double(sampled), "seed \(seed): \(source) to \(target)")
      let most = counts.max() ?? 0
      if isEven { #expect(sampled == most, "seed \(seed): \(source) to \(target)") }
      if sampled != most { isUneven = true }
      let largest = boxes.largestBox(source)
      #expect(pool.largestBox(pool.number(source)) <= Double(largest))
      if isEven { #expect(pool.largestBox(pool.number(source)) == Double(largest)) }
    }
    // What is not looked at may be more.
    if axes == [9, 9] { #expect(isUneven) }
  }

  /// Cuts only, and sums.
  private static func plain(
    _ shape: [Int], _ mesh: Mesh, copies: [Int] = [], _ random: inout TestRandom
  ) -> Layout {
    var lists = shape.map { _ in [Int]() }
    var sums: [Int] = []
    for axis in mesh.axes.indices.shuffled(using: &random) {
      let choice = Int.random(in: 0...shape.count + 1, using: &random)
      if choice < shape.count {
        lists[choice].append(axis)
      } else if choice == shape.count && !copies.contains(axis) {
        sums.append(axis)
      }
    }
    return Layout(
      mesh: mesh, cuts: zip(shape, lists).map { Layout.Cut(extent: $0, axes: $1) },
      partialAxes: sums)
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
