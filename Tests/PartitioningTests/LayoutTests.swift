import Partitioning
import Testing

@Suite struct LayoutTests {
  @Test func examplesOfTheDocumentation() {
    let rows = Layout(shape: [10, 7], mesh: Mesh(axes: [3, 2]), axes: [[0], []])
    #expect(rows.box(of: 3) == Box([3..<6, 0..<7]))
    #expect(rows.replicationAxes == [1])
    let window = Window(resultExtent: 10, stride: 1, low: -1, high: 1, circular: false)
    #expect(window.reads(4..<8, extent: 10) == 3..<9)
  }

  @Test func boxesHoldWhatTheRulesSay() {
    for seed in 0..<1000 as Range<UInt64> {
      let random = RandomCase(seed: seed, windows: .both)
      let layout = random.target
      for slice in 0..<layout.mesh.sliceCount {
        let holdings = Holdings(layout, slice: slice)
        let boxes = holdings.ranks.map { layout.box(of: $0, slice: slice) }
        let held = boxes.map { box in
          zip(box.ranges, layout.shape).map { range, extent in range.map { modulo($0, extent) } }
        }
        #expect(held == holdings.indices, "\(random)")
        #expect(boxes.map(\.count) == holdings.elements.map(\.count))
      }
    }
  }

  @Test func cutsWithoutWindowsAreEvenPartitionsAndNest() {
    let mesh = Mesh(axes: [3, 2, 2])
    for extent in 0...30 {
      let one = Layout(shape: [extent], mesh: mesh, axes: [[1]])
      let three = Layout(shape: [extent], mesh: mesh, axes: [[1, 0, 2]])
      #expect(three.parts(0) == 12)
      for rank in 0..<12 {
        let part = three.part(0, rank: rank)
        let range = EvenPartition(extent: extent, parts: 12).range(of: part)
        #expect(three.box(of: rank) == Box([range]))
        #expect(three.range(0, part: part) == range)
        #expect(Set(range).isSubset(of: one.box(of: rank).ranges[0]))
      }
      #expect(Set((0..<12).map { three.part(0, rank: $0) }) == Set(0..<12))
    }
  }

  /// Every index that some result reads at some tap is among those held.
  @Test func windowsCoverEveryTap() {
    var random = SplitMix(seed: 7)
    for _ in 0..<2000 {
      let window = RandomCase.window(&random)
      let extent = random.int(1...9)
      let first = random.int(0...window.resultExtent)
      let results = first..<random.int(first...window.resultExtent)
      let range = window.reads(results, extent: extent)
      let taps = results.flatMap { result in
        (window.low...window.high).map { window.stride * result + $0 }
      }
      let read =
        window.circular
        ? taps.map { modulo($0, extent) } : taps.filter { 0 <= $0 && $0 < extent }
      #expect(Set(read).isSubset(of: range.map { modulo($0, extent) }), "\(window) \(results)")
      #expect(range.count <= extent)
      // Without gaps between the windows nothing else is held.
      if window.high - window.low + 1 >= window.stride {
        #expect(Set(read).count == range.count, "\(window) \(results) of \(extent)")
      }
    }
  }

  @Test func circularWindowsWrapAround() {
    let window = Window(resultExtent: 8, stride: 1, low: -2, high: 1, circular: true)
    #expect(window.reads(0..<2, extent: 8) == -2..<3)
    #expect(window.reads(6..<8, extent: 8) == 4..<9)
    #expect(window.reads(0..<5, extent: 8) == 0..<8)
    #expect(window.reads(3..<3, extent: 8).isEmpty)
    let outside = Window(resultExtent: 4, stride: 1, low: 20, high: 22, circular: false)
    #expect(outside.reads(0..<4, extent: 8).isEmpty)
  }

  /// `isPartition` against counts of ranks, over all slices, and `isSliced` against the boxes.
  @Test func propertiesMatchTheBoxes() {
    var partitions = 0
    for seed in 0..<1000 as Range<UInt64> {
      let random = RandomCase(seed: seed)
      let layout = random.source
      let slices = (0..<layout.mesh.sliceCount).map { Holdings(layout, slice: $0) }
      if !layout.isSliced {
        #expect(slices.allSatisfy { $0.elements == slices[0].elements }, "\(random)")
      }
      #expect(layout.replicationAxes == slices[0].copyingAxes.filter { layout.mesh.axes[$0] > 1 })
      guard !layout.shape.contains(0) else { continue }
      var holders = [Set<Int>](repeating: [], count: layout.shape.reduce(1, *))
      for holdings in slices {
        for rank in holdings.ranks {
          for element in holdings.elements[rank] { holders[element].insert(rank) }
        }
      }
      let isPartition = holders.allSatisfy { $0.count == 1 }
      if layout.isPartition { partitions += 1 }
      if layout.hasWindows {
        #expect(!layout.isPartition, "\(random)")
      } else {
        #expect(layout.isPartition == isPartition, "\(random)")
      }
    }
    #expect(partitions > 100)
  }

  @Test func windowsOfWholeDimensionsHaveNoEffect() {
    let window = Window(resultExtent: 2, stride: 1, low: 0, high: 0, circular: false)
    let layout = Layout(
      mesh: Mesh(axes: [2]), cuts: [.init(extent: 5, window: window), .init(extent: 4, axes: [0])])
    #expect(!layout.hasWindows)
    #expect(layout.isPartition)
    #expect(layout.box(of: 1) == Box([0..<5, 2..<4]))
  }

  @Test func theDualOfCopiesAreTermsAndOfTermsCopies() {
    let mesh = Mesh(axes: [2, 3, 5], slices: [2])
    let layout = Layout(shape: [9, 9], mesh: mesh, axes: [[3, 1], []], partialAxes: [2])
    #expect(layout.isSliced)
    #expect(layout.dual.partialAxes == [0])
    #expect(layout.dual.replicationAxes == [2])
    #expect(layout.dual.cuts == layout.cuts)
    #expect(layout.dual.dual == layout)
  }

  @Test func replicatedLayoutsHoldAllOnEveryRank() {
    let layout = Layout.replicated([3, 0, 2], mesh: Mesh(axes: [2, 3]))
    #expect((0..<6).allSatisfy { layout.box(of: $0) == Box(shape: [3, 0, 2]) })
    #expect(layout.replicationAxes == [0, 1])
  }
}
