import Planning
import Testing

@testable import Graph

/// Geometries drawn at random, for those operators whose factors are easily off by one.
@Suite struct RandomTests {
  private func check(_ operatorCase: OperatorCase) throws {
    try checkGradients(operatorCase)
    let built = try BuiltCase(operatorCase)
    let graph = try built.graph.differentiated(
      [built.loss], withRespectTo: built.variables
    ).graph
    let values = try Interpreter(graph: graph).values(built.sources)
    for node in graph.nodes { try checkFactors(of: node, in: graph, values: values) }
  }

  @Test("convolutions of one or two filters", arguments: UInt64(0)..<40)
  func convolutions(_ seed: UInt64) throws {
    var draws = SeededDraws(seed: seed)
    func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &draws) }
    let isCircular = draw(0...2) == 0
    let paddings: [ConvRule.Padding?] = [
      nil, .same, .full, isCircular ? .wrap : .same,
      .explicit(low: draw(0...4), high: draw(2...5)),
    ]
    let rule = ConvRule(
      stride: draw(1...3), dilation: draw(1...2), padding: paddings[draw(0...4)],
      kind: draw(0...1) == 0 ? .convolution : .correlation,
      boundary: isCircular ? .circular : .zero, feature: 0)
    let isPair = draw(0...1) == 0
    let shapes = [[2, draw(1...8)], [draw(1...4)]] + (isPair ? [[2, draw(1...2)]] : [])
    let contraction = Operators.Contraction(
      isPair ? "bh,h,th->bth|h" : "bh,h->bh|h", rules: ConvRules(all: rule))
    let operatorCase = OperatorCase(contraction, shapes)
    // Some filters outreach their feature.
    guard (try? BuiltCase(operatorCase)) != nil else { return }
    try check(operatorCase)
  }

  @Test("pools", arguments: UInt64(0)..<30)
  func pools(_ seed: UInt64) throws {
    var draws = SeededDraws(seed: seed)
    func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &draws) }
    let windows = [0, 1].map { axis in
      let extent = draw(1...3)
      return PoolWindow(
        axis: axis, extent: extent, stride: draw(1...3), low: draw(0...(extent - 1)),
        high: draw(0...(extent - 1)))
    }
    let shape = [draw(3...6), draw(3...6)]
    let pools: [any Operator] = [
      Operators.MaxPool(windows), Operators.AveragePool(windows),
      Operators.AveragePool(windows, countsPadding: false),
    ]
    try check(OperatorCase(pools[draw(0...2)], [shape]))
  }

  @Test(
    "reshapes: each dimension is in one factor, and parts make the whole", arguments: UInt64(0)..<60
  )
  func reshapes(_ seed: UInt64) throws {
    var draws = SeededDraws(seed: seed)
    func draw(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &draws) }
    // Both shapes are the same prime factors, put together in runs.
    let primes = (0..<draw(1...5)).map { _ in [1, 2, 2, 3][draw(0...3)] }
    func grouped() -> [Int] {
      primes.reduce(into: []) { shape, prime in
        if shape.isEmpty || draw(0...1) == 0 {
          shape.append(prime)
        } else {
          shape[shape.count - 1] *= prime
        }
      }
    }
    let (from, to) = (grouped(), grouped())
    try check(OperatorCase(Operators.Reshape(to: axes(to)), [from]))
  }
}
