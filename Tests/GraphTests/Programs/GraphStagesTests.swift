import Partitioning
import Testing

@testable import Execution
@testable import Graph

/// In what stages ranks go through small graphs.
@Suite struct GraphStagesTests {
  private let features = [Axis("sample", .batch, 6), Axis("feature", .channel, 3)]
  private let weights = [Axis("out", .channel, 3), Axis("in", .channel, 3)]

  private func stages(
    ranks: Int = 1, isCut: Bool = true,
    _ body: (inout GraphBuilder, ValueID) throws(GraphError) -> Void
  ) throws -> GraphStages {
    var builder = GraphBuilder()
    let x = try builder.input("x", .float32, features)
    try body(&builder, x)
    let graph = try builder.build()
    let mesh = Mesh(axes: [ranks])
    return GraphStages(
      graph,
      GraphDistribution(graph, mesh: mesh) { source in
        let value = graph[source.value]
        return isCut && source.kind == .input
          ? .cutting(value, [.batch: 0], mesh: mesh) : .replicated(value.shape, mesh: mesh)
      })
  }

  /// `x` of nodes by themselves, `[x y']` of groups; copies are marked.
  private func text(_ stages: GraphStages) -> [String] {
    let name = { (number: Int) in stages.graph.nodes[number].name }
    return stages.stages.map { stage in
      switch stage {
      case .node(let number): name(number)
      case .group(let nodes, let copies):
        "[" + nodes.map { name($0) + (copies.contains($0) ? "'" : "") }.joined(separator: " ")
          + "]"
      }
    }
  }

  /// The names of nodes whose outputs are stored, of those that make samples.
  private func stored(_ stages: GraphStages) -> [String] {
    stages.graph.nodes.filter { node in
      node.outputs.contains { stages.graph[$0].hasBatch && stages.isStored[$0.index] }
    }.map(\.name)
  }

  private func normalize(
    _ builder: inout GraphBuilder, _ x: ValueID, _ name: String
  ) throws(GraphError) -> ValueID {
    let sums = try builder.single(Operators.MomentSums(over: [0]), [x], name: "\(name).sums")
    return try builder.single(
      Operators.Normalization(over: [0], count: 6, epsilon: 0.1), [x, sums], name: name)
  }

  @Test("a chain of samples is one group, of which only results are stored")
  func chain() throws {
    let stages = try stages { (builder, x) throws(GraphError) in
      let weight = try builder.parameter("weight", .float32, weights)
      let y = try builder.contraction("bs,ts->bt", [x, weight], name: "y")
      let z = try builder.tanh(y, name: "z")
      try builder.result("z", builder.scale(z, by: 2, name: "double"))
    }
    #expect(text(stages) == ["[y z double]"])
    #expect(stored(stages) == ["double"])
    #expect(stages.deferred.isEmpty)
    #expect(stages.batch == Layout.Cut(extent: 6))
  }

  @Test("a normalisation ends a group; what element-wise nodes read is made again")
  func normalization() throws {
    let stages = try stages { (builder, x) throws(GraphError) in
      let weight = try builder.parameter("weight", .float32, weights)
      let y = try builder.contraction("bs,ts->bt", [x, weight], name: "y")
      let bent = try builder.tanh(y, name: "bent")
      let normal = try normalize(&builder, bent, "normal")
      let flat = try normalize(&builder, builder.sigmoid(normal, name: "flat"), "second")
      try builder.result("out", builder.add([flat, bent], name: "out"))
    }
    #expect(
      text(stages) == [
        "[y bent normal.sums]", "[bent' normal flat second.sums]",
        "[bent' normal' flat' second out]",
      ])
    // What a contraction made is never made again.
    #expect(stored(stages) == ["y", "out"])
  }

  @Test("what a contraction of a later group reads is stored")
  func contractionReads() throws {
    let stages = try stages { (builder, x) throws(GraphError) in
      let weight = try builder.parameter("weight", .float32, weights)
      let bent = try builder.tanh(x, name: "bent")
      let normal = try normalize(&builder, bent, "normal")
      let y = try builder.contraction("bs,ts->bt", [bent, weight], name: "y")
      let z = try builder.contraction("bs,ts->bt", [normal, weight], name: "z")
      let late = try builder.contraction(
        "bs,bs,ts->bt", [normal, bent, weight], name: "late")
      try builder.result("out", builder.add([y, z, late], name: "out"))
    }
    #expect(text(stages) == ["[bent normal.sums y]", "[normal z late out]"])
    #expect(stored(stages) == ["bent", "y", "out"])
  }

  @Test("what is made again, or has no use before, is made after contractions that come first")
  func lateCopies() throws {
    for isReadBefore in [true, false] {
      let stages = try stages { (builder, x) throws(GraphError) in
        let weight = try builder.parameter("weight", .float32, weights)
        let y = try builder.contraction("bs,ts->bt", [x, weight], name: "y")
        let bent = try builder.tanh(y, name: "bent")
        let normal = try normalize(&builder, isReadBefore ? bent : y, "normal")
        let z = try builder.contraction("bs,ts->bt", [normal, weight], name: "z")
        try builder.result("out", builder.add([z, bent], name: "out"))
      }
      #expect(stored(stages) == ["y", "out"])
      #expect(
        text(stages)
          == (isReadBefore
            // The normalisation reads it too.
            ? ["[y bent normal.sums]", "[bent' normal z out]"]
            : ["[y normal.sums]", "[normal z bent out]"]))
    }
    // Of two groups that read it, the first makes it.
    let twice = try stages { (builder, x) throws(GraphError) in
      let weight = try builder.parameter("weight", .float32, weights)
      let y = try builder.contraction("bs,ts->bt", [x, weight], name: "y")
      let bent = try builder.tanh(y, name: "bent")
      let normal = try normalize(&builder, y, "normal")
      let z = try builder.contraction("bs,ts->bt", [normal, weight], name: "z")
      let both = try builder.add([z, bent], name: "both")
      let last = try builder.contraction(
        "bs,ts->bt", [try normalize(&builder, both, "second"), weight], name: "last")
      try builder.result("out", builder.add([last, bent], name: "out"))
    }
    #expect(
      text(twice) == [
        "[y normal.sums]", "[normal z bent both second.sums]", "[bent' both' second last out]",
      ])
  }

  @Test("nothing is made again by more than four nodes in a row")
  func longChains() throws {
    for length in 1...6 {
      let stages = try stages { (builder, x) throws(GraphError) in
        let weight = try builder.parameter("weight", .float32, weights)
        var y = try builder.contraction("bs,ts->bt", [x, weight], name: "y")
        for number in 1...length { y = try builder.tanh(y, name: "bent\(number)") }
        try builder.result("out", normalize(&builder, y, "normal"))
      }
      let names = (1...length).map { "bent\($0)" }
      let first = "[y \(names.joined(separator: " ")) normal.sums]"
      if length <= 4 {
        let copies = names.map { "\($0)'" }.joined(separator: " ")
        #expect(text(stages) == [first, "[\(copies) normal]"])
        #expect(stored(stages) == ["y", "normal"])
      } else {
        #expect(text(stages) == [first, "[normal]"])
        #expect(stored(stages) == ["bent\(length)", "normal"])
      }
    }
  }

  @Test("what is made of two large values is stored, rather than both of them")
  func wideOrigins() throws {
    let stages = try stages { (builder, x) throws(GraphError) in
      let weight = try builder.parameter("weight", .float32, weights)
      let y = try builder.contraction("bs,ts->bt", [x, weight], name: "y")
      let z = try builder.contraction("bs,ts->bt", [y, weight], name: "z")
      let sum = try builder.add([y, z], name: "sum")
      try builder.result("out", normalize(&builder, sum, "normal"))
    }
    #expect(text(stages) == ["[y z sum normal.sums]", "[normal]"])
    #expect(stored(stages) == ["sum", "normal"])
  }

  @Test("what takes as much memory either way is stored if more is read to make it again")
  func wideLeaves() throws {
    for isWide in [true, false] {
      let stages = try stages { (builder, x) throws(GraphError) in
        let weight = try builder.parameter("weight", .float32, weights)
        let there = try builder.tanh(x, name: "there")
        try builder.result("there", there)
        let y = try builder.contraction("bs,ts->bt", [x, weight], name: "y")
        let made = try builder.add(isWide ? [y, x, there] : [y, x], name: "made")
        try builder.result("out", normalize(&builder, made, "normal"))
      }
      #expect(
        text(stages) == ["[there y made normal.sums]", isWide ? "[normal]" : "[made' normal]"])
      #expect(stored(stages) == ["there", isWide ? "made" : "y", "normal"])
    }
  }

  @Test("what nobody needs is nowhere; what only changes sources comes last")
  func deferred() throws {
    let stages = try stages { (builder, x) throws(GraphError) in
      let mean = try builder.state("mean", .float32, [features[1]])
      let variance = try builder.state("variance", .float32, [features[1]])
      let weight = try builder.parameter("weight", .float32, weights)
      try builder.apply(Operators.Map(.tanh), to: [x], name: "nobody")
      let squares = try builder.contraction("rs,ts->rt", [weight, weight], name: "squares")
      let sums = try builder.single(Operators.MomentSums(over: [0]), [x], name: "sums")
      let next = try builder.apply(
        Operators.RunningMoments(momentum: 0.1, count: 6), to: [mean, variance, sums],
        name: "moments")
      try builder.effect(mean, becomes: next[0])
      try builder.effect(variance, becomes: next[1])
      try builder.result("y", builder.contraction("bs,ts->bt", [x, squares], name: "y"))
    }
    #expect(text(stages) == ["squares", "[sums y]"])
    #expect(stages.deferred.map { stages.graph.nodes[$0].name } == ["moments"])
    for node in stages.graph.nodes.indices {
      #expect(stages.isNeeded(node: node) == (stages.graph.nodes[node].name != "nobody"))
    }
    for value in stages.graph.nodes.flatMap(\.outputs) {
      let name = stages.graph[value].name
      #expect(stages.isForLater(value) == !name.hasPrefix("squares"), "\(name)")
    }
  }

  @Test("nodes that mix samples stand by themselves, and what they read is stored")
  func mixing() throws {
    let stages = try stages { (builder, x) throws(GraphError) in
      let bent = try builder.tanh(x, name: "bent")
      let turned = try builder.transpose(bent, [1, 0], name: "turned")
      let flat = try builder.softmax(bent, axis: 0, name: "shares")
      let products = try builder.contraction("bs,tb->bt", [flat, turned], name: "products")
      try builder.result("out", builder.scale(products, by: 2, name: "out"))
      try builder.result("first", builder.slice(bent, axis: 0, 0..<2, name: "first"))
    }
    #expect(text(stages) == ["[bent]", "turned", "shares", "products", "[out]"])
    #expect(stages.deferred.map { stages.graph.nodes[$0].name } == ["first"])
    #expect(Set(stored(stages)).isSuperset(of: ["bent", "shares", "products", "out"]))
  }

  @Test("where samples are cut differently, or nothing has samples, nodes stand alone")
  func alone() throws {
    let body = { (builder: inout GraphBuilder, x: ValueID) throws(GraphError) in
      let other = try builder.state("other", .float32, features)
      let y = try builder.add([builder.tanh(x, name: "bent"), other], name: "sum")
      try builder.result("y", builder.scale(y, by: 2, name: "out"))
    }
    #expect(try text(stages(body)) == ["[bent sum out]"])
    #expect(try text(stages(ranks: 2, isCut: false, body)) == ["[bent sum out]"])
    // The other is whole on both ranks: it has to be cut first.
    #expect(try text(stages(ranks: 2, body)) == ["[bent]", "sum", "[out]"])
    let none = try stages { (builder, _) throws(GraphError) in
      let weight = try builder.parameter("weight", .float32, weights)
      let scaled = try builder.scale(weight, by: 2, name: "scaled")
      try builder.result("y", builder.tanh(scaled, name: "bent"))
    }
    #expect(text(none) == [])
    #expect(none.deferred == [0, 1])
  }

  @Test("every needed node is in a stage once, and after all that it reads", arguments: 0..<30)
  func order(_ seed: UInt64) throws {
    let built = try BuiltCase(RandomGraphTests.graph(seed, shape: [5, 3, 4]))
    let graph = try built.withResults(differentiated: true)
    let mesh = Mesh(axes: [seed % 2 == 0 ? 1 : 3])
    let stages = GraphStages(
      graph,
      GraphDistribution(graph, mesh: mesh) {
        .cutting(graph[$0.value], [.batch: 0], mesh: mesh)
      })
    var there = Set(graph.sources.map(\.value))
    var done: [Int] = []
    func visit(_ number: Int, isCopy: Bool, within group: Set<Int>) {
      let node = graph.nodes[number]
      for input in node.inputs {
        #expect(there.contains(input), "\(node.name) reads \(graph[input].name)")
        let isMadeHere = group.contains { graph.nodes[$0].outputs.contains(input) }
        let isLate = stages.deferred.contains { graph.nodes[$0].outputs.contains(input) }
        #expect(
          stages.isStored[input.index] || isMadeHere || isLate, "\(graph[input].name) is not there")
      }
      if isCopy { #expect(done.contains(number)) } else { done.append(number) }
      there.formUnion(node.outputs)
    }
    for stage in stages.stages {
      switch stage {
      case .node(let number): visit(number, isCopy: false, within: [])
      case .group(let nodes, let copies):
        for number in nodes {
          visit(number, isCopy: copies.contains(number), within: Set(nodes))
        }
      }
    }
    for number in stages.deferred { visit(number, isCopy: false, within: []) }
    #expect(
      done.sorted() == graph.nodes.indices.filter { stages.isNeeded(node: $0) })
  }
}
