import Testing

@testable import Kernels

/// Runs of a linear index as boxes of the modes it consists of.
@Suite struct IndexBoxTests {
  /// The linear indices of a box, its last mode fastest.
  private static func indices(_ box: IndexBox, of extents: [Int]) -> [Int] {
    var found = [0]
    for (mode, extent) in extents.enumerated() {
      let range = box.starts[mode]..<box.starts[mode] + box.extents[mode]
      found = found.flatMap { index in range.map { index * extent + $0 } }
    }
    return found
  }

  @Test(arguments: [[], [1], [7], [3, 4], [4, 1, 3], [2, 3, 4], [1, 5, 1, 2]])
  func boxesCoverEveryRunInItsOrder(extents: [Int]) {
    let count = extents.reduce(1, *)
    for start in 0...count {
      for end in start...count {
        let boxes = IndexBox.boxes(start..<end, of: extents[...])
        #expect(boxes.flatMap { Self.indices($0, of: extents) } == Array(start..<end))
        for box in boxes { #expect(Self.indices(box, of: extents).first == box.first) }
        #expect(boxes.count <= max(1, 2 * extents.count - 1))
      }
    }
  }

  @Test func aWholeModeIsOneBox() {
    let boxes = IndexBox.boxes(4..<12, of: [5, 4])
    #expect(boxes == [IndexBox(starts: [1, 0], extents: [2, 4], first: 4)])
  }

  @Test func offsetsFollowTheStridesOfATensor() {
    let box = IndexBox(starts: [2, 1], extents: [1, 1], first: 9)
    #expect(box.offset([10, 300]) == 320)
  }
}
