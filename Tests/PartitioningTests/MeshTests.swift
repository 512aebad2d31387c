import Partitioning
import Testing

@Suite struct MeshTests {
  @Test func exampleOfTheDocumentation() {
    let mesh = Mesh(axes: [3, 2, 2], slices: [4])
    #expect(mesh.ranks == 12)
    #expect(mesh.sliceCount == 4)
    #expect(mesh.coordinate(axis: 0, rank: 7) == 1)
    #expect(mesh.coordinate(axis: 3, rank: 7, slice: 2) == 2)
  }

  @Test(arguments: [[], [1], [7], [3, 2, 2], [2, 1, 3], [1, 1, 5, 2]], [[], [4], [2, 1, 3]])
  func coordinatesCountInMixedRadix(axes: [Int], slices: [Int]) {
    let mesh = Mesh(axes: axes, slices: slices)
    #expect(mesh.ranks == axes.reduce(1, *))
    #expect(mesh.sliceCount == slices.reduce(1, *))
    #expect(Array(mesh.sliceAxes) == slices.indices.map { axes.count + $0 })
    #expect((axes + slices).indices.map { mesh.extent($0) } == axes + slices)
    for slice in 0..<mesh.sliceCount {
      for rank in 0..<mesh.ranks {
        let coordinates = (axes + slices).indices.map {
          mesh.coordinate(axis: $0, rank: rank, slice: slice)
        }
        #expect(coordinates == Holdings.digits(rank, axes) + Holdings.digits(slice, slices))
        #expect(zip(axes.indices, coordinates).reduce(0) { $0 + mesh.stride($1.0) * $1.1 } == rank)
      }
    }
  }

  @Test func primeFactorsMultiplyToTheNumberInDescendingOrder() {
    for number in 1...500 {
      let factors = Mesh.primeFactors(of: number)
      #expect(factors.reduce(1, *) == number)
      #expect(factors == factors.sorted(by: >))
      #expect(factors.allSatisfy { factor in !(2..<factor).contains { factor % $0 == 0 } })
      #expect(!factors.contains(1))
    }
    #expect(Mesh(ranks: 12).axes == [3, 2, 2])
    #expect(Mesh(ranks: 1).axes.isEmpty)
  }

  @Test func slicesAreAddedToTheSameRanks() {
    let mesh = Mesh(ranks: 6).sliced([5, 2])
    #expect(mesh == Mesh(axes: [3, 2], slices: [5, 2]))
    #expect(mesh.sliced([]) == Mesh(ranks: 6))
  }
}
