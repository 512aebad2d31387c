import Partitioning
import Testing

/// `isIdentity`, `isCopy`, `isComplete` and `isContiguous` against what travels.
@Suite struct RedistributionPropertyTests {
  @Test func propertiesMatchWhatTravels() throws {
    let sides: [RandomCase.Windows] = [.neither, .neither, .source, .target]
    var identities = 0
    var complete = 0
    var contiguous = 0
    for seed in 0..<1500 as Range<UInt64> {
      let random = RandomCase(seed: seed, windows: sides[Int(seed) % sides.count])
      let redistribution = Redistribution(from: random.source, to: random.target)
      let slices = (0..<random.source.mesh.sliceCount).map { Exchange(redistribution, slice: $0) }
      var counts: Set<Int> = []
      for exchange in slices {
        for elements in exchange.contributions() { counts.formUnion(elements.map(\.count)) }
      }
      let isInPlace = slices.allSatisfy { exchange in
        exchange.source.elements == exchange.target.elements
          && exchange.source.ranks.allSatisfy {
            redistribution.received(by: $0, slice: exchange.slice) == 0
          }
      }

      if redistribution.isIdentity { #expect(isInPlace, "\(random)") }
      if redistribution.isCopy { #expect(counts.isSubset(of: [0, 1]), "\(random)") }
      if redistribution.isComplete { #expect(counts.isSubset(of: [1]), "\(random)") }
      if redistribution.isContiguous {
        for exchange in slices { try expectContiguous(exchange, random) }
      }
      // Where nothing is so by chance, the properties hold only if they are so.
      if isGeneric(random) {
        #expect(redistribution.isIdentity == isInPlace, "\(random)")
        #expect(redistribution.isCopy == counts.isSubset(of: [0, 1]), "\(random)")
        #expect(redistribution.isComplete == (counts == [1]), "\(random)")
        identities += redistribution.isIdentity ? 1 : 0
        complete += redistribution.isComplete ? 1 : 0
        contiguous += redistribution.isContiguous && !redistribution.isIdentity ? 1 : 0
      }
    }
    #expect(min(identities, complete, contiguous) > 20, "\(identities) \(complete) \(contiguous)")
  }

  /// No windows, no axes of extent 1 and no empty boxes.
  private func isGeneric(_ random: RandomCase) -> Bool {
    let mesh = random.source.mesh
    return !(mesh.axes + mesh.slices).contains(1)
      && [random.source, random.target].allSatisfy { layout in
        !layout.hasWindows
          && layout.shape.indices.allSatisfy {
            layout.shape[$0] >= layout.parts($0)
          }
      }
  }

  private func expectContiguous(_ exchange: Exchange, _ random: RandomCase) throws {
    for rank in exchange.source.ranks {
      let messages = exchange.redistribution.messages(of: rank, slice: exchange.slice)
      let here = (exchange.source.indices[rank], exchange.target.indices[rank])
      var places: [[Int]] = []
      for piece in messages.sent.flatMap(\.pieces) + messages.kept {
        places.append(try exchange.places(piece.inSource, piece.shape, in: here.0))
      }
      for piece in messages.received.flatMap(\.pieces) + messages.kept {
        places.append(try exchange.places(piece.inTarget, piece.shape, in: here.1))
      }
      let isContiguous = places.allSatisfy { $0 == Array($0[0]..<$0[0] + $0.count) }
      #expect(isContiguous, "\(random)")
    }
  }
}
