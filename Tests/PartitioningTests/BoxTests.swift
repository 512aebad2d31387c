import Partitioning
import Testing

@Suite struct BoxTests {
  @Test func exampleOfTheDocumentation() {
    let box = Box([0..<2, 3..<7])
    #expect(box.shape == [2, 4])
    #expect(box.count == 8)
    #expect(!box.isEmpty)
  }

  @Test func aScalarHasOneElement() {
    #expect(Box([]).count == 1)
    #expect(!Box([]).isEmpty)
    #expect(Box(shape: []) == Box([]))
    #expect(Box(shape: [2, 0]).isEmpty)
  }

  @Test func intersectionHoldsTheCommonIndices() {
    let ranges = (0...4).flatMap { lower in (lower...4).map { lower..<$0 } }
    for one in ranges {
      for other in ranges {
        let common = Box([one, 0..<3]).intersection(Box([other, 2..<5]))
        #expect(Set(common.ranges[0]) == Set(one).intersection(other))
        #expect(common.ranges[1] == 2..<3)
        #expect(common.isEmpty == Set(one).isDisjoint(with: other))
      }
    }
  }
}
