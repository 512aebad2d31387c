import TestSupport
import Testing

@testable import Execution

/// Where buffers lie.
@Suite struct BufferPlacementTests {
  private typealias Life = BufferPlacement.Life

  private static func lives(_ seed: UInt64) -> [BufferPlacement.Life] {
    var draws = SeededDraws(seed: seed)
    return (0..<Int.random(in: 0...40, using: &draws)).map { _ in
      let first = Int.random(in: 0...30, using: &draws)
      let last = Int.random(in: first...min(31, first + 9), using: &draws)
      // Many of one size, as samples are; some of none.
      let bytes = [0, 1, 64, 640, 640, Int.random(in: 0...5000, using: &draws)]
      return .init(
        bytes: bytes[Int.random(in: 0...5, using: &draws)], first: first, last: last)
    }
  }

  /// The most bytes that are there at any one time.
  private func mostAtOnce(_ lives: [Life]) -> Int {
    (0...40).reduce(0) { most, time in
      let alive = lives.filter { $0.first <= time && time <= $0.last }
      return max(most, alive.reduce(0) { $0 + ($1.bytes + 63) / 64 * 64 })
    }
  }

  @Test(
    "buffers that live at the same time lie apart, aligned, within what is said",
    arguments: UInt64(0)..<(testsAreLong ? 5000 : 300))
  func placement(_ seed: UInt64) {
    let lives = Self.lives(seed)
    let placement = BufferPlacement(lives)
    #expect(placement.offsets.count == lives.count)
    for (a, life) in lives.enumerated() where life.bytes > 0 {
      let offset = placement.offsets[a]
      #expect(offset >= 0 && offset.isMultiple(of: 64))
      #expect(offset + life.bytes <= placement.bytes)
      for (b, other) in lives.enumerated() where b < a && other.bytes > 0 {
        let meet = life.first <= other.last && other.first <= life.last
        let isApart =
          offset + life.bytes <= placement.offsets[b]
          || placement.offsets[b] + other.bytes <= offset
        #expect(!meet || isApart, "\(life) and \(other)")
      }
    }
    #expect(placement.liveBytes == mostAtOnce(lives))
    #expect(placement.bytes >= placement.liveBytes)
    #expect(placement.bytes.isMultiple(of: 64))
  }

  @Test("no space is lost in a chain, where each buffer is read by the next operation")
  func chains() {
    for sizes in [
      [640, 640, 640, 640], [64, 128, 192, 256, 320], [640, 64, 640, 64], [1, 65, 1],
    ] {
      let placement = BufferPlacement(
        sizes.enumerated().map { .init(bytes: $1, first: $0, last: $0 + 1) })
      #expect(placement.bytes == placement.liveBytes, "\(sizes)")
    }
  }

  @Test("buffers that never meet share one place, those that always do share none")
  func extremes() {
    let apart = BufferPlacement((0..<9).map { .init(bytes: 100, first: $0, last: $0) })
    #expect(apart.offsets == Array(repeating: 0, count: 9) && apart.bytes == 128)
    let together = BufferPlacement((0..<9).map { _ in .init(bytes: 100, first: 0, last: 5) })
    #expect(together.offsets == (0..<9).map { $0 * 128 } && together.bytes == 9 * 128)
    let none = BufferPlacement([])
    #expect(none.offsets == [] && none.bytes == 0 && none.liveBytes == 0)
  }

  @Test("the lowest gap that is large enough is taken, though it is not the first")
  func gaps() {
    let placement = BufferPlacement([
      .init(bytes: 640, first: 0, last: 9),  // 0 ..< 640
      .init(bytes: 512, first: 0, last: 2),  // 640 ..< 1152
      .init(bytes: 448, first: 0, last: 9),  // 1152 ..< 1600
      .init(bytes: 384, first: 3, last: 9),  // in the place of the second
      .init(bytes: 128, first: 3, last: 9),  // behind it
      .init(bytes: 64, first: 3, last: 9),  // nowhere but at the end
    ])
    #expect(placement.offsets == [0, 640, 1152, 640, 1024, 1600])
    #expect(placement.bytes == 1664)
  }
}
