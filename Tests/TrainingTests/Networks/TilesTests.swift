import Collectives
import Kernels
import Testing

@testable import Training

/// Batches in tiles against batches as a whole.
@Suite(.serialized) struct TilesTests {
  private static func network(_ form: String) throws -> Network {
    try Network(
      ModelConfiguration(form: form, compression: 0.2), height: 12, width: 12, channels: 2,
      classes: 5, seed: 3)
  }
  private static let images = uniform([11, 12, 12, 2], seed: 4)
  private static let labels = (0..<11).map { $0 % 5 }

  /// Logits, gradients of all parameters and running statistics after a step.
  private func step(
    _ form: String, in parts: [Range<Int>]?, threads: Int = 1, _ context: Context
  ) throws -> [Tensor<Float>] {
    ThreadPool.use(count: threads)
    defer { ThreadPool.use(count: 1) }
    let network = try Self.network(form)
    network.resetGradients()
    let (logits, pullback) =
      try parts.map { try network.forward(Self.images, alone(in: context), in: $0) }
      ?? network.forward(Self.images, alone(in: context))
    _ = try pullback(softmaxCrossEntropy(logits: logits, labels: Self.labels).gradient)
    return [logits] + network.parameters.map(\.gradient) + network.state.map(\.value)
  }

  @Test(arguments: ["dense", "cp", "tk"], Context.paths)
  func tilesAddUpToTheBatch(form: String, context: Context) throws {
    let whole = try step(form, in: nil, context)
    for parts in [[0..<4, 4..<8, 8..<11], [0..<1, 1..<11], [0..<11]] {
      let tiled = try step(form, in: parts, context)
      for (tile, expected) in zip(tiled, whole) {
        #expect(mismatchOfParts(tile, expected) < 1e-4, "\(parts)")
      }
    }
  }

  /// Threads take tiles, or share the kernels of one.
  @Test(arguments: Context.paths)
  func theSameBitsOnAnyNumberOfThreads(context: Context) throws {
    let parts = (0..<11).map { $0..<$0 + 1 }
    let expected = try step("cp", in: parts, context)
    for threads in [2, 3, 7] {
      let found = try step("cp", in: parts, threads: threads, context)
      for (found, expected) in zip(found, expected) {
        #expect(found.elements == expected.elements, "\(threads) threads")
      }
    }
  }

  @Test func evaluationInTiles() throws {
    let network = try Self.network("tk")
    let whole = try network.forward(Self.images, evaluation).logits
    let tiled = try network.forward(Self.images, evaluation, in: [0..<5, 5..<10, 10..<11])
    #expect(mismatchOfParts(tiled.logits, whole) < 1e-5)
    #expect(throws: NetworkError.self) { try tiled.pullback(whole) }
  }

  /// Every sample once, in order; tiles alike where the number of samples allows.
  @Test func samplesOfATile() throws {
    let network = try Network(
      ModelConfiguration(form: "cp", compression: 0.1), height: 28, width: 28, channels: 1,
      classes: 10, seed: 0)
    // Of 28·28·(32 + 64) elements 27 samples fit.
    func sizes(_ samples: Int) -> [Int] { network.tiles(of: [samples, 28, 28, 1]).map(\.count) }
    #expect(sizes(128) == Array(repeating: 16, count: 8))
    #expect(sizes(20) == [20])
    #expect(sizes(54) == [27, 27])
    #expect(sizes(31) == [27, 4])
    #expect(sizes(1) == [1])
    #expect(sizes(0) == [0])
    #expect(network.tiles(of: [61, 28, 28, 1]).flatMap { Array($0) } == Array(0..<61))
  }

  @Test(arguments: [1, 3]) func tilesAreMadeOnce(threads: Int) throws {
    ThreadPool.use(count: threads)
    defer { ThreadPool.use(count: 1) }
    let calls = TileStore<Int>(count: 6)
    let tiles = Tiles(count: 6) { tile in
      calls[tile] = (calls[tile] ?? 0) + 1
      return tile
    }.map { $0 * 10 + $1 }
    #expect((0..<6).allSatisfy { calls[$0] == nil })
    #expect(try tiles.made() == [0, 11, 22, 33, 44, 55])
    #expect((0..<6).allSatisfy { calls[$0] == 1 })
    // The first that fails is reported.
    let failing = tiles.map { tile, _ in
      if tile >= 2 { throw NetworkError.tooFewValues(layer: "tile", count: tile) }
    }
    let error = #expect(throws: NetworkError.self) { try failing.made() }
    #expect("\(try #require(error))".contains("2"))
  }

  /// Terms are added in the order of the tiles: in another one the large ones would swallow the small.
  @Test func termsAreAddedInOrder() {
    let terms: [Float] = [1, 0x1p24, -0x1p24, 3]
    let parameter = Parameter(name: "p", value: Tensor(shape: [1]), decays: false)
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
      parameter.gradient = Tensor(shape: [1])
      parameter.beginTiles()
      for tile in order {
        parameter.accumulate(Tensor(shape: [1], elements: [terms[tile]]), tile: tile)
      }
      parameter.endTiles()
      #expect(parameter.gradient.elements == [3])
    }
    // A tile without a term does not hold up the others.
    parameter.beginTiles()
    parameter.accumulate(Tensor(shape: [1], elements: [5]), tile: 1)
    parameter.endTiles()
    #expect(parameter.gradient.elements == [8])
  }
}
