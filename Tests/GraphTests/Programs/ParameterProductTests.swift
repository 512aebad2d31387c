import Collectives
import Partitioning
import Testing

@testable import Execution
@testable import Graph

/// What is multiplied of parameters alone is taken out of contractions: the same values, with less work,
/// and no more bytes between ranks.
@Suite struct ParameterProductTests {
  private static let images = [
    Axis("sample", .batch, 6), Axis("height", .space, 4), Axis("width", .space, 3),
    Axis("in", .channel, 4),
  ]

  /// A layer with a loss, as its expression says.
  ///
  /// - Parameter factors: Shapes of the operands after the first.
  private func layer(
    _ expression: String, _ factors: [[Int]], images: [Axis] = images
  ) throws -> Graph {
    var builder = GraphBuilder()
    let x = try builder.input("x", .float64, images)
    var operands = [x]
    for (number, shape) in factors.enumerated() {
      operands.append(
        try builder.parameter("factor\(number)", .float64, shape.map { Axis("factor", .other, $0) })
      )
    }
    let y = try builder.contraction(expression, operands, name: "layer")
    let squares = try builder.multiply(y, y)
    let loss = try builder.sum(squares, over: Array(builder[y].axes.indices), name: "loss")
    try builder.result("loss", loss)
    return try builder.build()
  }

  /// With the parameters' gradients as results.
  private func differentiated(_ graph: Graph) throws -> Graph {
    let (step, gradients) = try graph.differentiated("loss", withRespectTo: graph.parameters)
    var builder = GraphBuilder(step)
    for (parameter, gradient) in zip(graph.parameters, gradients) {
      try builder.result("gradient of \(graph[parameter].name)", try #require(gradient))
    }
    return try builder.build()
  }

  private func taken(_ graph: Graph, samples: Int = 6) throws -> Graph {
    try ContractionPasses().takingOutParameterProducts(
      of: graph, samples: samples, isTrained: true)
  }

  private func expressions(_ graph: Graph) -> [String] {
    graph.nodes.compactMap { ($0.operation.base as? Operators.Contraction)?.expression }
  }

  /// Six samples of twelve pixels are worth it to multiply 12 terms of a kernel of 4 × 4 × 3 × 3 once.
  @Test func aKernelOfManyTermsIsMadeOnce() throws {
    let graph = try layer("bhws,rt,rs,rhw->bhwt|hw", [[12, 4], [12, 4], [12, 3, 3]])
    let split = try taken(graph)
    #expect(split.nodes.map(\.name).prefix(2) == ["layer.parameters", "layer"])
    #expect(split.nodes.count == graph.nodes.count + 1)
    #expect(expressions(split)[0].hasPrefix("rt,rs,rhw->"))
    #expect(split.sources == graph.sources && split.results == graph.results)
  }

  @Test func whatBeginsWithTheSamplesStays() throws {
    let graph = try layer("bhws,rt,rs,rh,rw->bhwt|hw", [[1, 4], [1, 4], [1, 3], [1, 3]])
    // At most outer products of factors of one term are smaller than what is made of samples.
    for expression in expressions(try taken(graph)).dropLast() {
      #expect(!expression.contains("rt,rs,rh,rw->"))
    }
    let dense = try layer("bhws,tshw->bhwt|hw", [[4, 4, 3, 3]])
    #expect(try taken(dense) == dense)
  }

  /// Two filters along one mode make a longer one: that is no plain product.
  @Test func filtersOfOneModeStayTogether() throws {
    let graph = try layer("bhws,rt,rs,rh,rh->bhwt|h", [[12, 4], [12, 4], [12, 3], [12, 2]])
    for expression in expressions(try taken(graph)) {
      let (terms, isRest) = (expression.split(separator: ","), expression.contains("bhws"))
      #expect(isRest || terms.count { $0.contains("h") } <= 1, "\(expression)")
    }
    try agree(graph, ranks: [1, 3])
  }

  static let layers: [(String, [[Int]])] = [
    ("bhws,rt,rs,rhw->bhwt|hw", [[12, 4], [12, 4], [12, 3, 3]]),
    ("bhws,rt,rs,rh,rw->bhwt|hw", [[12, 4], [12, 4], [12, 3], [12, 3]]),
    ("bhws,(r1)t,(r1)(r2)s,(r2)hw->bhwt|hw", [[5, 4], [5, 5, 4], [5, 3, 3]]),
    ("bhws,t,s->bhwt", [[4], [4]]),
  ]

  /// Forward and back, whole and in tiles, kept and recomputed, the values are those of the layer as it was.
  @Test(arguments: layers)
  func valuesAreTheSame(expression: String, factors: [[Int]]) throws {
    try agree(try layer(expression, factors), ranks: [1, 2, 5])
  }

  private func agree(_ graph: Graph, ranks: [Int]) throws {
    let meant = try differentiated(graph)
    let split = try differentiated(try taken(graph))
    let sources = drawnSources(of: meant)
    let meaning = try GraphMeaning(meant, sources)
    let checkpointings = Checkpointing.allCases
    for (turn, ranks) in ranks.enumerated() {
      for (elements, checkpointing) in [
        (1, checkpointings[turn % 2]), (1 << 20, checkpointings[(turn + 1) % 2]),
      ] {
        var run = GraphRun(split)
        run.mesh = Mesh(axes: [ranks])
        run.options.tileElements = elements
        run.checkpointing = checkpointing
        let x = try #require(meant.source("x"))
        run.layouts = ["x": .cutting(meant[x], [.batch: 0], mesh: run.mesh)]
        meaning.compare(
          try run.outcome(sources), tolerance: 1e-9, "\(ranks) \(elements) \(checkpointing)")
      }
    }
  }

  /// Ranks keep their terms of the kernel's gradient: what travels is the factors' gradients, and the loss.
  @Test func whatTravelsIsTheFactorsGradients() throws {
    let images = [
      Axis("sample", .batch, 24), Axis("height", .space, 8), Axis("width", .space, 8),
      Axis("in", .channel, 6), Axis("in", .channel, 6),
    ]
    let factors = [[40, 6, 6], [40, 6, 6], [40, 3, 3]]
    let graph = try layer("bhwsu,rts,rvu,rhw->bhwtv|hw", factors, images: images)
    let split = try taken(graph, samples: 8)
    #expect(split.nodes.count > graph.nodes.count)
    let step = try differentiated(split)
    let mesh = Mesh(axes: [3])
    let distribution = GraphDistribution(step, mesh: mesh) { source in
      .cutting(step[source.value], [.batch: 0], mesh: mesh)
    }
    let elements = factors.reduce(1) { $0 + $1.reduce(1, *) }
    for rank in 0..<3 {
      let program = try Program(
        step, distribution, rank: rank, passes: ContractionPasses(),
        options: ProgramOptions(threads: 1))
      #expect(
        program.receivedBytes
          == Traffic.received(
            by: rank, size: 3, in: .allReduce(count: elements, elementBytes: 8)))
    }
  }
}
