import Kernels
import Partitioning
import Testing

@testable import Execution
@testable import Graph

/// That fused sweeps give what their nodes give one by one, and are made where they may be only.
@Suite(.serialized) struct FusionTests {
  static let shapes = [[2, 4, 6, 3], [1, 5, 3, 40], [3, 2, 2, 32], [2, 2, 3, 1]]

  @Test("normalisation and ReLU", arguments: shapes)
  func relu(_ shape: [Int]) throws {
    let network = try FusionNetwork(shape) { (network) throws(GraphError) in
      try network.relu(network.normalized(network.x))
    }
    try network.check(["normalization", "map"], fused: ["normalization map"])
    try network.check(
      ["normalization", "map"], storing: ["normalization"], fused: [])
  }

  @Test("normalisation, sum and ReLU", arguments: shapes)
  func residual(_ shape: [Int]) throws {
    for isFirst in [true, false] {
      let network = try FusionNetwork(shape) { (network) throws(GraphError) in
        let own = try network.normalized(network.x)
        let terms = isFirst ? [own, network.other] : [network.other, own]
        return try network.relu(network.builder.add(terms))
      }
      let kinds = ["normalization", "add", "map"]
      try network.check(kinds, fused: ["normalization add map"])
      try network.check(kinds, storing: ["add"], fused: [])
    }
    let network = try FusionNetwork(shape) { (network) throws(GraphError) in
      let terms = [
        try network.normalized(network.x), try network.normalized(network.other, "second."),
      ]
      return try network.relu(network.builder.add(terms))
    }
    let kinds = ["normalization", "add", "map"]
    try network.check(kinds, fused: ["normalization normalization add map"])
    try network.check(
      kinds, storing: ["second.normalization"], fused: ["normalization add map"])
    try network.check(
      kinds, storing: ["normalization", "second.normalization"], fused: [])
  }

  @Test("normalisation, ReLU and maximum", arguments: shapes, [true, false])
  func maxPool(_ shape: [Int], hasRelu: Bool) throws {
    let network = try FusionNetwork(shape) { (network) throws(GraphError) in
      try network.pooled(hasRelu: hasRelu)
    }
    let kinds = ["normalization", "map", "max-pool"]
    try network.check(kinds, fused: [network.names(of: kinds).joined(separator: " ")])
    if hasRelu { try network.check(kinds, storing: ["map"], fused: ["normalization map"]) }
    try network.check(kinds, storing: ["normalization"], fused: [])
    for ending in ["normalization-sums", "normalization-adjoint"] {
      let back = kinds + ["max-pool-adjoint", "map-adjoint"] + [ending]
      let all = network.names(of: back).joined(separator: " ")
      try network.check(back, storing: [ending], fused: [all])
      // The pooled values are of no use to the sweep, but may be asked for.
      let forward = network.names(of: kinds).joined(separator: " ")
      let others = network.names(of: ["max-pool-adjoint", "map-adjoint", ending])
      try network.check(
        back, storing: [ending, "max-pool"],
        fused: [forward, others.joined(separator: " ")])
      if hasRelu {
        try network.check(
          back, storing: [ending, "max-pool-adjoint"],
          fused: ["normalization map", "map-adjoint \(ending)"])
        try network.check(
          back, storing: [ending, "map-adjoint"], fused: ["normalization map"])
      }
    }
    // What both need is found by each of them.
    let both = ["normalization-sums", "normalization-adjoint"]
    let back = kinds + ["max-pool-adjoint", "map-adjoint"] + both
    let shared = network.names(of: back.dropLast()).joined(separator: " ")
    try network.check(back, storing: Set(both), fused: [shared, "normalization-adjoint"])
  }

  @Test(
    "of equal values the first wins, and nothing comes back through a ReLU's 0", arguments: shapes)
  func ties(_ shape: [Int]) throws {
    let network = try FusionNetwork(shape, hasTies: true) { (network) throws(GraphError) in
      try network.pooled(hasRelu: true)
    }
    let back = ["normalization", "map", "max-pool", "max-pool-adjoint", "map-adjoint"]
    for ending in ["normalization-sums", "normalization-adjoint"] {
      let kinds = back + [ending]
      try network.check(kinds, fused: [kinds.joined(separator: " ")])
    }
  }

  @Test("the adjoint of ReLU and of normalisation", arguments: shapes)
  func gate(_ shape: [Int]) throws {
    let network = try FusionNetwork(shape) { (network) throws(GraphError) in
      try network.relu(network.normalized(network.x))
    }
    for ending in ["normalization-sums", "normalization-adjoint"] {
      let back = ["map-adjoint", ending]
      try network.check(back, storing: [ending], fused: ["map-adjoint \(ending)"])
      try network.check(back, storing: [ending, "map-adjoint"], fused: [])
      let recomputed = ["normalization", "map"] + back
      try network.check(
        recomputed, storing: [ending], fused: ["normalization map map-adjoint \(ending)"])
      try network.check(
        recomputed, storing: [ending, "map"],
        fused: ["normalization map", "map-adjoint \(ending)"])
    }
  }

  @Test("a residual block's adjoint, whose ReLU is not the normalisation's own", arguments: shapes)
  func residualAdjoint(_ shape: [Int]) throws {
    let network = try FusionNetwork(shape) { (network) throws(GraphError) in
      try network.relu(network.builder.add([network.normalized(network.x), network.other]))
    }
    for ending in ["normalization-sums", "normalization-adjoint"] {
      try network.check(
        ["normalization", "add", "map", "map-adjoint", ending], storing: [ending],
        fused: ["normalization add map", "map-adjoint \(ending)"])
    }
  }

  @Test("the adjoint of a function whose value several nodes read", arguments: shapes)
  func gatedSum(_ shape: [Int]) throws {
    for function in [Operators.Map.Function.relu, .gelu, .tanh] {
      let network = try FusionNetwork(shape) { (network) throws(GraphError) in
        let y = try network.builder.map(function, network.x, name: "map")
        let twice = try network.builder.scale(y, by: 2, name: "twice")
        return try network.builder.add([y, twice, network.other], name: "read")
      }
      let kinds = ["add", "map-adjoint"]
      try network.check(kinds, fused: ["add map-adjoint"])
      let sum = try #require(network.graph.nodes.last { $0.operation.kind == "add" }).name
      try network.check(kinds, storing: [sum], fused: [])
    }
  }

  @Test("a residual gradient, stored too, is a sum let through in one sweep", arguments: shapes)
  func residualSum(_ shape: [Int]) throws {
    let network = try FusionNetwork(shape) { (network) throws(GraphError) in
      let y = try network.relu(network.builder.add([network.normalized(network.x), network.other]))
      let twice = try network.builder.scale(y, by: 2, name: "twice")
      return try network.builder.add([y, twice], name: "read")
    }
    for ending in ["normalization-sums", "normalization-adjoint"] {
      let kinds = ["normalization", "add", "map", "map-adjoint", ending]
      try network.check(
        kinds, storing: [ending, "map-adjoint"],
        fused: ["normalization add map", "add map-adjoint"])
      try network.check(
        kinds, storing: [ending], fused: ["normalization add map", "map-adjoint \(ending)"])
    }
  }

  @Test("no sweep: overlapping windows, float64, other axes")
  func none() throws {
    let overlapping = try FusionNetwork([2, 5, 5, 4]) { (network) throws(GraphError) in
      let windows = [1, 2].map { PoolWindow(axis: $0, extent: 3, stride: 2, padding: 1) }
      return try network.builder.maxPool(
        network.relu(network.normalized(network.x)), windows, name: "max-pool")
    }
    try overlapping.check(["normalization", "map", "max-pool"], fused: ["normalization map"])
    let double = try FusionNetwork([2, 4, 4, 3], type: .float64) { (network) throws(GraphError) in
      try network.relu(network.normalized(network.x))
    }
    try double.check(["normalization", "map"], fused: [])
    let columns = try FusionNetwork([2, 4, 4, 3], over: [0, 1]) { (network) throws(GraphError) in
      try network.relu(network.normalized(network.x))
    }
    try columns.check(["normalization", "map"], fused: [])
  }

  @Test("sums of large parts: the same bits on any number of threads, and those of both halves")
  func threads() throws {
    let network = try FusionNetwork([4, 32, 32, 40], isInterpreted: false) {
      (network) throws(GraphError) in try network.pooled(hasRelu: true)
    }
    let back = ["normalization", "map", "max-pool-adjoint", "map-adjoint"]
    try network.checkThreads(back + ["normalization-sums"])
    try network.checkThreads(back + ["normalization-adjoint"])
    for kind in ["moment-sums", "normalization-sums", "normalization", "max-pool"] {
      try network.checkThreads([kind])
    }
  }
}

/// A graph of a normalisation and what is beside it, differentiated, with values of all nodes.
struct FusionNetwork {
  /// What a test adds nodes to.
  struct Body {
    var builder: GraphBuilder
    let x: ValueID
    /// Like x.
    let other: ValueID
    let axes: [Int]

    mutating func normalized(_ x: ValueID, _ prefix: String = "") throws(GraphError) -> ValueID {
      let (type, channels) = (builder[x].type, [builder[x].axes[3]])
      let scale = try builder.input("\(prefix)scale", type, channels)
      let bias = try builder.input("\(prefix)bias", type, channels)
      return try builder.normalize(
        x, over: axes, parameters: (scale, bias, [3]), name: "\(prefix)normalization")
    }

    mutating func relu(_ x: ValueID) throws(GraphError) -> ValueID {
      try builder.relu(x, name: "map")
    }

    mutating func pooled(hasRelu: Bool) throws(GraphError) -> ValueID {
      var y = try normalized(x)
      if hasRelu { y = try relu(y) }
      return try builder.maxPool(
        y, [1, 2].map { PoolWindow(axis: $0, extent: 2) }, name: "max-pool")
    }
  }

  let graph: Graph
  let values: [DoubleTensor]

  init(
    _ shape: [Int], over axes: [Int] = [0, 1, 2], type: ElementType = .float32,
    isInterpreted: Bool = true, hasTies: Bool = false,
    _ body: (inout Body) throws(GraphError) -> ValueID
  ) throws {
    let names = ["batch", "height", "width", "channel"]
    let roles: [AxisRole] = [.batch, .space, .space, .channel]
    let all = shape.indices.map { Axis(names[$0], roles[$0], shape[$0]) }
    var builder = GraphBuilder()
    let x = try builder.input("x", type, all)
    let other = try builder.input("other", type, all)
    var network = Body(builder: builder, x: x, other: other, axes: axes)
    let y = try body(&network)
    builder = network.builder
    let weight = try builder.input("weight", type, builder[y].axes)
    let product = try builder.multiply(y, weight)
    let loss = try builder.sum(product, over: Array(builder[y].axes.indices))
    graph = try builder.build().differentiated([loss], withRespectTo: [x]).graph
    let sources = drawnSources(of: graph).mapValues { drawn in
      hasTies ? drawn.map { ($0 * 2).rounded() / 2 } : drawn.rounded(to: type)
    }
    guard isInterpreted else {
      // Any numbers, and of sums those that numbers of about 1 have.
      var draws = SeededDraws(seed: 7)
      let count = Double(graph[x].count / shape[3])
      values = graph.values.map { value in
        let drawn = draws.tensor(value.shape)
        return value.type == .float64 ? drawn.map { abs($0) * count } : drawn
      }
      return
    }
    values = try Interpreter(graph: graph).values(sources)
  }

  /// The nodes of these kinds, in the graph's order.
  private func nodes(_ kinds: [String]) -> [Node] {
    graph.nodes.filter { kinds.contains($0.operation.kind) }
  }

  /// Kinds of nodes that there are.
  func names(of kinds: some Sequence<String>) -> [String] {
    kinds.filter { kind in graph.nodes.contains { $0.operation.kind == kind } }
  }

  /// Takes the chain of all nodes of some kinds, of all samples and of parts of them.
  ///
  /// - Parameters:
  ///   - stored: Kinds, or names, of nodes that are needed later, besides those that nothing reads.
  ///   - fused: The kinds of the nodes of each sweep.
  func check(_ kinds: [String], storing stored: Set<String> = [], fused: [String]) throws {
    let nodes = nodes(kinds)
    let needed = nodes.filter { stored.contains($0.operation.kind) || stored.contains($0.name) }
    let ids = Set(needed.flatMap(\.outputs))
    let samples = graph[nodes[0].inputs[0]].shape[0]
    for range in [0..<samples, samples / 2..<samples, 0..<1, 0..<0] {
      let run = ChainRun(nodes, self) { value in
        var ranges = Box(shape: value.shape).ranges
        if value.shape.count == 4 { ranges[0] = range }
        return Box(ranges)
      }
      try run.check(storing: ids, fused: range.isEmpty ? nil : fused)
    }
    // Rows of windows of two.
    let height = graph[nodes[0].inputs[0]].shape[1]
    guard height >= 4 else { return }
    let run = ChainRun(nodes, self) { value in
      var ranges = Box(shape: value.shape).ranges
      if value.shape.count == 4 { ranges[1] = value.shape[1] == height ? 2..<4 : 1..<2 }
      return Box(ranges)
    }
    let hasWindows = nodes.contains { node in
      (node.operation.base as? Operators.MaxPool)?.windows.contains { $0.extent != 2 } ?? false
    }
    if !hasWindows { try run.check(storing: ids, fused: fused) }
  }

  /// Fused as far as possible, on one and two threads, and in two halves of the samples.
  func checkThreads(_ kinds: [String]) throws {
    let nodes = nodes(kinds)
    let samples = graph[nodes[0].inputs[0]].shape[0]
    let runs = [0..<samples, 0..<samples / 2, samples / 2..<samples].map { range in
      ChainRun(nodes, self) { value in
        var ranges = Box(shape: value.shape).ranges
        if value.shape.count == 4 { ranges[0] = range }
        return Box(ranges)
      }
    }
    let last = try #require(nodes.last?.outputs.first)
    func result(_ run: ChainRun) throws -> TestMemory {
      try #require(try run.results(storing: [], isFused: true)[last])
    }
    let once = try result(runs[0])
    ThreadPool.use(count: 2)
    let again = try result(runs[0])
    ThreadPool.use(count: 1)
    #expect(once.bytes == again.bytes, "\(kinds) on two threads")
    let value = graph[last]
    guard value.type == .float64 else { return }
    let halves = try runs[1...].map { try result($0).tensor(value.shape, .float64) }
    let whole = once.tensor(value.shape, .float64)
    #expect(whole.difference(from: halves[0] + halves[1]) < 1e-6, "\(kinds) in halves")
  }
}

/// A chain of nodes on boxes of their values.
private struct ChainRun {
  let network: FusionNetwork
  let chain: [ChainNode]
  let box: (Value) -> Box

  init(_ nodes: [Node], _ network: FusionNetwork, box: @escaping (Value) -> Box) {
    self.network = network
    self.box = box
    func piece(_ id: ValueID) -> NodePart.Piece {
      NodePart.Piece(value: network.graph[id], box: box(network.graph[id]))
    }
    chain = nodes.map { node in
      ChainNode(
        inputs: node.inputs, outputs: node.outputs,
        part: NodePart(
          operation: node.operation, inputs: node.inputs.map(piece),
          outputs: node.outputs.map(piece)))
    }
  }

  /// Fused, node by node and by the interpreter, all that is stored is the same.
  func check(storing stored: Set<ValueID>, fused expected: [String]?) throws {
    if let expected {
      let found = try fusions(of: chain, stored: stored, .process)
      let kinds = found.map { sweep in
        sweep.nodes.map { chain[$0].part.operation.kind }.joined(separator: " ")
      }
      #expect(kinds == expected)
    }
    let fused = try results(storing: stored, isFused: true)
    let plain = try results(storing: stored, isFused: false)
    #expect(Set(fused.keys).isSuperset(of: stored))
    for (id, memory) in fused where stored.contains(id) || isLast(id) {
      let value = network.graph[id]
      let box = box(value)
      let tensor = memory.tensor(box.shape, value.type)
      let other = try #require(plain[id]).tensor(box.shape, value.type)
      #expect(tensor.difference(from: other) < 1e-6, "\(value.name) fused and node by node")
      // Sums of a part are terms, and so is what is made of them.
      if isPart, chain.contains(where: { $0.part.outputs[0].value.type == .float64 }) { continue }
      let meant = network.values[id.index].piece(box)
      #expect(tensor.difference(from: meant) < 1e-5, "\(value.name) and its meaning")
    }
  }

  private var isPart: Bool {
    chain.contains { $0.part.inputs[0].box.shape != $0.part.inputs[0].value.shape }
  }

  private func isLast(_ id: ValueID) -> Bool { !chain.contains { $0.inputs.contains(id) } }

  /// What the chain makes.
  func results(
    storing stored: Set<ValueID>, isFused: Bool
  ) throws -> [ValueID: TestMemory] {
    let sweeps = isFused ? try fusions(of: chain, stored: stored, .process) : []
    var made: [ValueID: TestMemory] = [:]
    func memory(_ id: ValueID) -> TestMemory {
      let (value, elements) = (network.graph[id], network.values[id.index])
      let isWhole = box(value).shape == value.shape
      return made[id]
        ?? TestMemory(isWhole ? elements : elements.piece(box(value)), value.type)
    }
    func run(_ work: any OperatorWork, _ inputs: [ValueID], _ outputs: [ValueID]) {
      let given = inputs.map(memory)
      let before = given.map(\.bytes)
      let results = outputs.map { id in
        let value = network.graph[id]
        return TestMemory(count: box(value).count * value.type.bytes)
      }
      let workspace = TestMemory(count: work.workspaceBytes)
      work.run(
        given.map { UnsafeRawPointer($0.start) }, results.map(\.start),
        workspace: workspace.start)
      let isIntact = (given + results + [workspace]).allSatisfy(\.isIntact)
      #expect(isIntact)
      #expect(given.map(\.bytes) == before)
      for (id, result) in zip(outputs, results) { made[id] = result }
    }
    for (index, node) in chain.enumerated() {
      if let sweep = sweeps.first(where: { $0.nodes.contains(index) }) {
        #expect(sweep.nodes.filter { $0 == index }.count == 1)
        if sweep.nodes.last == index { run(sweep.work, sweep.inputs, sweep.outputs) }
      } else if let operation = node.part.operation.base as? any RunnableOperator {
        run(try operation.work(of: node.part, .process), node.inputs, node.outputs)
      } else {
        let inputs = zip(node.inputs, node.part.inputs).map {
          memory($0).tensor($1.shape, $1.value.type)
        }
        let outputs = try Interpreter.evaluate(node.part.operation.base, inputs)
        for (number, id) in node.outputs.enumerated() {
          made[id] = TestMemory(outputs[number], network.graph[id].type)
        }
      }
    }
    return made
  }
}
