import Partitioning
import Testing

@Suite struct RedistributionTests {
  private static let seeds: Range<UInt64> = 0..<1200

  @Test func exampleOfTheDocumentation() {
    let mesh = Mesh(axes: [4])
    let rows = Layout(shape: [8, 8], mesh: mesh, axes: [[0], []])
    let columns = Layout(shape: [8, 8], mesh: mesh, axes: [[], [0]])
    let transpose = Redistribution(from: rows, to: columns)
    #expect(transpose.received(by: 1) == 12)
    let messages = transpose.messages(of: 1)
    #expect(messages.received.map(\.peer) == [0, 2, 3])
    #expect(messages.received.map(\.count) == [4, 4, 4])
    // Of the rows 4 ..< 6 of rank 2 the columns 2 ..< 4, which are all that rank 1 shall have.
    #expect(messages.received[1].pieces.map(\.inSource) == [[0, 2]])
    #expect(messages.received[1].pieces.map(\.inTarget) == [[4, 0]])
    #expect(messages.received[1].pieces.map(\.shape) == [[2, 2]])
    #expect(messages.kept.map(\.inSource) == [[0, 2]])
    #expect(messages.kept.map(\.inTarget) == [[2, 0]])
  }

  @Test func countsAreThoseOfTheElements() {
    for seed in Self.seeds {
      let random = RandomCase(seed: seed)
      let redistribution = Redistribution(from: random.source, to: random.target)
      for slice in 0..<random.source.mesh.sliceCount {
        let exchange = Exchange(redistribution, slice: slice)
        let ranks = exchange.source.ranks
        var sent = ranks.map { _ in 0 }
        var received = sent
        var own = sent
        for (receiver, elements) in exchange.contributions().enumerated() {
          for (sender, _) in elements.joined() {
            if sender == receiver {
              own[receiver] += 1
            } else {
              sent[sender] += 1
              received[receiver] += 1
            }
          }
        }
        let counts = ranks.map { rank in
          [
            redistribution.sent(by: rank, slice: slice),
            redistribution.received(by: rank, slice: slice),
            redistribution.own(rank, slice: slice),
          ]
        }
        #expect(counts == ranks.map { [sent[$0], received[$0], own[$0]] }, "\(random)")
      }
    }
  }

  @Test func senderAndReceiverListTheSamePieces() {
    for seed in Self.seeds {
      let random = RandomCase(seed: seed)
      let redistribution = Redistribution(from: random.source, to: random.target)
      for slice in 0..<random.source.mesh.sliceCount {
        let ranks = 0..<random.source.mesh.ranks
        let messages = ranks.map { redistribution.messages(of: $0, slice: slice) }
        let sent = messages.enumerated().flatMap { rank, list in
          list.sent.map { Route(from: rank, to: $0.peer, pieces: $0.pieces) }
        }
        let received = messages.enumerated().flatMap { rank, list in
          list.received.map { Route(from: $0.peer, to: rank, pieces: $0.pieces) }
        }
        #expect(Set(sent) == Set(received), "\(random)")
        #expect(sent.count == Set(sent).count)
        #expect(sent.allSatisfy { $0.from != $0.to && $0.pieces.allSatisfy { $0.count > 0 } })
        for (rank, list) in messages.enumerated() {
          for half in [list.sent, list.received] {
            let isAscending = zip(half, half.dropFirst()).allSatisfy { $0.peer < $1.peer }
            #expect(isAscending, "\(random)")
          }
          let counts = [list.sent, list.received].map { $0.reduce(0) { $0 + $1.count } }
          #expect(
            counts + [list.kept.reduce(0) { $0 + $1.count }] == [
              redistribution.sent(by: rank, slice: slice),
              redistribution.received(by: rank, slice: slice),
              redistribution.own(rank, slice: slice),
            ], "\(random)")
        }
      }
    }
  }

  /// The messages bring what the rules say, and the target is the tensor that the source was: the
  /// sum of the source's terms, and of the boxes of its windows.
  @Test func messagesCarryTheTensor() throws {
    for seed in Self.seeds {
      let random = RandomCase(seed: seed)
      let redistribution = Redistribution(from: random.source, to: random.target)
      var numbers = SplitMix(seed: ~seed)
      for slice in 0..<random.source.mesh.sliceCount {
        let exchange = Exchange(redistribution, slice: slice)
        let (source, target) = (exchange.source, exchange.target)
        let values = source.values(alike: source.copyingAxes, &numbers)
        let carried = try exchange.carry(values)
        let expected = exchange.contributions().map { elements in
          elements.map { $0.reduce(0) { $0 + values[$1.sender][$1.place] } }
        }
        #expect(carried == expected, "\(random)")

        var tensor: [Int: Int] = [:]
        for rank in source.first(on: source.copyingAxes) {
          for (element, value) in zip(source.elements[rank], values[rank]) {
            tensor[element, default: 0] += value
          }
        }
        for rank in target.first(on: random.target.partialAxes) {
          let terms = target.along(random.target.partialAxes, of: rank).map { carried[$0] }
          let sums = target.elements[rank].indices.map { place in
            terms.reduce(0) { $0 + $1[place] }
          }
          #expect(sums == target.elements[rank].map { tensor[$0, default: 0] }, "\(random)")
        }
      }
    }
  }
}

/// One message, seen from outside.
private struct Route: Hashable {
  let from: Int
  let to: Int
  let pieces: [BoxMessage.Piece]
}
