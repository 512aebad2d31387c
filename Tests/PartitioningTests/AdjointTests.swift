import Partitioning
import Testing

/// A gradient goes back by the redistribution of the dual layouts.
@Suite struct AdjointTests {
  private static let seeds: Range<UInt64> = 0..<1000

  /// As maps between the arrays of all ranks the two are each other's transpose, whatever the arrays
  /// hold: ⟨R x, y⟩ = ⟨x, Rᵀ y⟩. Sender and receiver agree on the same axes both ways.
  @Test func theDualRedistributionIsTheTranspose() throws {
    for seed in Self.seeds {
      let random = RandomCase(seed: seed)
      let forward = Redistribution(from: random.source, to: random.target)
      let reverse = Redistribution(from: random.target.dual, to: random.source.dual)
      var numbers = SplitMix(seed: ~seed)
      for slice in 0..<random.source.mesh.sliceCount {
        let there = Exchange(forward, slice: slice)
        let back = Exchange(reverse, slice: slice)
        let x = there.source.values(alike: [], &numbers)
        let y = there.target.values(alike: [], &numbers)
        #expect(try dot(there.carry(x), y) == dot(x, back.carry(y)), "\(random)")
      }
    }
  }

  /// Of f = Σ ⟨weights, what a rank holds⟩ the gradient by an element of the tensor is the sum of
  /// its weights on all ranks. The reverse redistribution brings it to where the tensor was: there
  /// copies add up to it, and every term of a sum has it.
  ///
  /// Where the target is itself a sum, f depends on that sum alone, and its terms weigh the same.
  @Test func gradientsReachTheirTensor() throws {
    for seed in Self.seeds {
      let random = RandomCase(seed: seed, windows: seed.isMultiple(of: 4) ? .neither : .target)
      let (layout, needed) = (random.source, random.target)
      let reverse = Redistribution(from: needed.dual, to: layout.dual)
      let gathering = Redistribution(
        from: layout.dual, to: .replicated(layout.shape, mesh: layout.mesh))
      var numbers = SplitMix(seed: ~seed)
      for slice in 0..<layout.mesh.sliceCount {
        let back = Exchange(reverse, slice: slice)
        let weights = back.source.values(alike: needed.partialAxes, &numbers)
        var gradient = [Int](repeating: 0, count: layout.shape.reduce(1, *))
        for rank in back.source.first(on: needed.partialAxes) {
          for (element, weight) in zip(back.source.elements[rank], weights[rank]) {
            gradient[element] += weight
          }
        }

        let arrived = try back.carry(weights)
        let held = Holdings(layout, slice: slice)
        for rank in held.first(on: held.copyingAxes) {
          let copies = held.along(held.copyingAxes, of: rank).map { arrived[$0] }
          let sums = held.elements[rank].indices.map { place in
            copies.reduce(0) { $0 + $1[place] }
          }
          #expect(sums == held.elements[rank].map { gradient[$0] }, "\(random)")
        }
        // Elements of other slices are nowhere.
        let present = Set(held.elements.joined())
        let whole = gradient.indices.map { present.contains($0) ? gradient[$0] : 0 }
        let gathered = try Exchange(gathering, slice: slice).carry(arrived)
        #expect(gathered.allSatisfy { $0 == whole }, "\(random)")
      }
    }
  }

  /// Worked by hand: 6 indices on 3 ranks, a 3-tap window that wraps around, weights of 1. Every
  /// index is read by three results, but held by one rank or by two.
  @Test func halosAreAddedToTheirOwners() throws {
    let mesh = Mesh(axes: [3])
    let window = Window(resultExtent: 6, stride: 1, low: -1, high: 1, circular: true)
    let rest = Layout(shape: [6], mesh: mesh, axes: [[0]])
    let halo = Layout(mesh: mesh, cuts: [.init(extent: 6, axes: [0], window: window)])
    #expect((0..<3).map { halo.box(of: $0) } == [Box([-1..<3]), Box([1..<5]), Box([3..<7])])
    let back = Exchange(Redistribution(from: halo.dual, to: rest.dual), slice: 0)
    // Rank 0 weighs the indices 5, 0, 1, 2; rank 1 those of 1 ... 4; rank 2 those of 3, 4, 5, 0.
    let arrived = try back.carry([[1, 2, 4, 8], [10, 20, 40, 80], [100, 200, 400, 800]])
    #expect(arrived == [[802, 14], [28, 140], [280, 401]])
  }

  private func dot(_ one: [[Int]], _ other: [[Int]]) -> Int {
    zip(one.joined(), other.joined()).reduce(0) { $0 + $1.0 * $1.1 }
  }
}
