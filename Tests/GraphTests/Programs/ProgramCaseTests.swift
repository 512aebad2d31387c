import Partitioning
import TestSupport
import Testing

@testable import Execution
@testable import Graph

/// Every operator, and its adjoint, as a program on ranks.
@Suite struct ProgramCaseTests {
  /// How the sources of a case may lie.
  struct Spread: Sendable {
    let mesh: [Int]
    let roles: [AxisRole: Int]
    /// Whether only the first input is cut.
    var isOfFirst = false

    static let all: [Spread] =
      [Spread(mesh: [1], roles: [:])]
      + [2, 3, 4].flatMap { ranks in
        [
          Spread(mesh: [ranks], roles: [.batch: 0]),
          Spread(mesh: [ranks], roles: [.batch: 0], isOfFirst: true),
          Spread(mesh: [1, ranks], roles: [.batch: 0, .space: 1]),
          Spread(mesh: [1, ranks], roles: [.channel: 1], isOfFirst: true),
        ]
      } + [
        Spread(mesh: [2, 2], roles: [.batch: 0, .channel: 1]),
        Spread(mesh: [2, 2], roles: [.batch: 0, .space: 1], isOfFirst: true),
        Spread(mesh: [2, 2], roles: [.batch: 0]),
        Spread(mesh: [2, 2], roles: [.batch: 1], isOfFirst: true),
      ]

    /// Those of a case: all in a long run, else every third, from another one on for each case.
    static func some(of operatorCase: OperatorCase) -> [Spread] {
      guard !testsAreLong else { return all }
      let first = operatorCase.name.utf8.reduce(0) { $0 + Int($1) } % 3
      return stride(from: first, to: all.count, by: 3).map { all[$0] }
    }
  }

  private func check(
    _ graph: Graph, _ sources: [String: DoubleTensor], _ spread: Spread, tolerance: Double
  ) throws {
    var run = GraphRun(graph)
    run.mesh = Mesh(axes: spread.mesh)
    run.roles = spread.roles
    if spread.isOfFirst {
      for source in graph.sources.dropFirst() {
        let value = graph[source.value]
        run.layouts[value.name] = .replicated(value.shape, mesh: run.mesh)
      }
    }
    try run.check(sources, tolerance: tolerance)
  }

  @Test("forward", arguments: SharedTests.cases + updateCases)
  func forward(_ operatorCase: OperatorCase) throws {
    let built = try BuiltCase(operatorCase)
    let graph = try built.withResults(differentiated: false)
    for spread in Spread.some(of: operatorCase) {
      try check(graph, built.sources, spread, tolerance: graph.tolerance)
    }
  }

  @Test("with adjoints", arguments: SharedTests.cases)
  func differentiated(_ operatorCase: OperatorCase) throws {
    let built = try BuiltCase(operatorCase)
    let graph = try built.withResults(differentiated: true)
    let isContraction = graph.nodes.contains { $0.isContraction }
    for spread in isContraction ? Spread.all : Spread.some(of: operatorCase) {
      try check(graph, built.sources, spread, tolerance: graph.tolerance)
    }
  }

  @Test("in float32", arguments: SharedTests.cases)
  func single(_ operatorCase: OperatorCase) throws {
    let inputs = operatorCase.inputs.map { input in
      var single = input
      if input.isVariable { single.type = .float32 }
      return single
    }
    let single = OperatorCase(operatorCase.name, inputs, operatorCase.body)
    // Some mix types, or ask for float64.
    guard let built = try? BuiltCase(single) else { return }
    let graph = try built.withResults(differentiated: true)
    let sources = Dictionary(
      uniqueKeysWithValues: graph.sources.compactMap { source in
        built.sources[graph[source.value].name].map {
          (graph[source.value].name, $0.rounded(to: graph[source.value].type))
        }
      })
    for spread in Spread.some(of: operatorCase).filter({ $0.mesh != [2] }).prefix(1) {
      try check(graph, sources, spread, tolerance: graph.tolerance)
    }
  }
}

extension Graph {
  /// Of results, relative to the largest element: by the coarsest type.
  var tolerance: Double { values.contains { $0.type == .float32 } ? 2e-5 : 1e-10 }
}
