import Collectives
import Foundation
import Testing

/// The formula, on numbers worked out by hand.
@Suite struct TrafficTests {
  @Test func allReduceOfTenFloatsOnThreeRanks() {
    // Parts 3, 3, 4: own parts of two others, then the rest of the sum.
    let bytes = (0..<3).map {
      Traffic.received(by: $0, size: 3, in: .allReduce(count: 10, elementBytes: 4))
    }
    #expect(bytes == [4 * (2 * 3 + 7), 4 * (2 * 3 + 7), 4 * (2 * 4 + 6)])
  }

  @Test func allReduceOfOneElement() {
    // Only the last rank has a part: it receives three terms, and hands out the sum.
    let bytes = (0..<4).map {
      Traffic.received(by: $0, size: 4, in: .allReduce(count: 1, elementBytes: 8))
    }
    #expect(bytes == [8, 8, 8, 24])
  }

  @Test func partsOfAnAllReduceCannotOverflow() {
    let count = Int.max / 64
    let received = Traffic.received(by: 3, size: 8, in: .allReduce(count: count, elementBytes: 1))
    let own = Int(
      floor(Double(count) * 4 / 8) - floor(Double(count) * 3 / 8))
    #expect(abs(Double(received) / Double(6 * own + count) - 1) < 1e-12)
  }

  @Test func othersByHand() {
    let gather = Traffic.Collective.allGather(counts: [5, 0, 7])
    #expect((0..<3).map { Traffic.received(by: $0, size: 3, in: gather) } == [7, 12, 5])
    let scatter = Traffic.Collective.reduceScatter(counts: [5, 0, 7], elementBytes: 4)
    #expect((0..<3).map { Traffic.received(by: $0, size: 3, in: scatter) } == [40, 0, 56])
    let broadcast = Traffic.Collective.broadcast(bytes: 9, root: 1)
    #expect((0..<3).map { Traffic.received(by: $0, size: 3, in: broadcast) } == [9, 0, 9])
    #expect(Traffic.received(by: 2, size: 3, in: .barrier) == 0)
  }

  @Test func alone() {
    let all: [Traffic.Collective] = [
      .barrier, .broadcast(bytes: 9, root: 0), .allGather(counts: [4]),
      .reduceScatter(counts: [4], elementBytes: 4), .allReduce(count: 12, elementBytes: 4),
    ]
    #expect(all.allSatisfy { Traffic.received(by: 0, size: 1, in: $0) == 0 })
  }

  @Test func roundTrip() throws {
    var traffic = Traffic()
    traffic.bytesSent = 3
    traffic.bytesReceived = 4
    traffic.calls = 5
    let data = try JSONEncoder().encode(traffic)
    #expect(try JSONDecoder().decode(Traffic.self, from: data) == traffic)
  }
}
