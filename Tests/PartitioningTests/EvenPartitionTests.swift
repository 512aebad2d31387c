import Partitioning
import Testing

@Suite struct EvenPartitionTests {
  @Test func partsCoverTheRangeInOrderAndEvenly() {
    for extent in 0...40 {
      for parts in 1...13 {
        let partition = EvenPartition(extent: extent, parts: parts)
        let ranges = (0..<parts).map { partition.range(of: $0) }
        #expect(ranges.flatMap { Array($0) } == Array(0..<extent))
        let counts = ranges.map(\.count)
        #expect((counts.max() ?? 0) - (counts.min() ?? 0) <= 1)
        for (index, range) in ranges.enumerated() {
          #expect(range.lowerBound == extent * index / parts)
        }
      }
    }
  }

  @Test func thePartOfAnIndexIsTheOneThatHoldsIt() {
    for extent in 1...40 {
      for parts in 1...13 {
        let partition = EvenPartition(extent: extent, parts: parts)
        let found = (0..<extent).map { EvenPartition.part(of: $0, extent: extent, parts: parts) }
        let expected = (0..<parts).flatMap { part in partition.range(of: part).map { _ in part } }
        #expect(found == expected)
      }
    }
    #expect(EvenPartition.part(of: .max - 1, extent: .max, parts: 7) == 6)
  }

  @Test func extentsNearTheLimitDoNotOverflow() {
    let partition = EvenPartition(extent: .max, parts: 7)
    #expect(partition.range(of: 6).upperBound == .max)
    #expect(partition.range(of: 0).lowerBound == 0)
  }
}
