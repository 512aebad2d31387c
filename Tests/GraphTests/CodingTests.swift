import Foundation
import Planning
import Testing

@testable import Graph

@Suite struct CodingTests {
  @Test("graphs of all operators survive coding, with equal hashes", arguments: SharedTests.cases)
  func roundTrip(_ operatorCase: OperatorCase) throws {
    let built = try BuiltCase(operatorCase)
    let graph = try built.graph.differentiated(
      [built.loss], withRespectTo: built.variables
    ).graph
    try check(graph)
  }

  @Test("updates and whole networks survive coding", arguments: updateCases)
  func updates(_ operatorCase: OperatorCase) throws { try check(BuiltCase(operatorCase).graph) }

  private func check(_ graph: Graph) throws {
    let data = try JSONEncoder().encode(graph)
    let decoded = try JSONDecoder().decode(Graph.self, from: data)
    #expect(decoded == graph)
    #expect(decoded.hashValue == graph.hashValue)
    #expect(decoded.stableHash == graph.stableHash)
  }

  @Test("a network survives coding")
  func network() throws { try check(residualNetwork(type: .float32)) }

  @Test("a hash is the same in every process: this one was computed apart")
  func stableHash() throws {
    var builder = GraphBuilder()
    let x = try builder.state("x", .float32, [Axis("channel", .channel, 3)])
    try builder.effect(x, becomes: builder.scale(x, by: 0.5))
    let hash = try builder.build().stableHash
    #expect(hash == 8_146_677_853_705_724_668)
  }

  @Test("any change of a graph changes its hash")
  func hashes() throws {
    func hash(
      _ type: ElementType = .float32, _ extent: Int = 3, role: AxisRole = .batch,
      axis: String = "axis", name: String = "x", factor: Double = 2, node: String = "y",
      result: String = "out", decays: Bool? = nil, swaps: Bool = false, becomes: Bool = false
    ) throws -> UInt64 {
      var builder = GraphBuilder()
      let axes = [Axis(axis, role, extent)]
      let x =
        try decays.map { try builder.parameter(name, type, axes, decays: $0) }
        ?? builder.state(name, type, axes)
      let z = try builder.input("z", type, axes)
      let y = try builder.scale(swaps ? z : x, by: factor, name: node)
      try builder.result(result, y)
      if becomes { try builder.effect(x, becomes: y) }
      return try builder.build().stableHash
    }
    let hashes = try [
      hash(), hash(.float64), hash(.float32, 4), hash(role: .time), hash(axis: "other"),
      hash(name: "w"), hash(factor: 3), hash(node: "v"), hash(result: "in"), hash(decays: true),
      hash(decays: false), hash(swaps: true), hash(becomes: true),
    ]
    #expect(Set(hashes).count == hashes.count)
    #expect(try hash(factor: 0) == hash(factor: -0.0))
  }

  @Test("operators of a kind differ where their settings do, and only there")
  func settings() {
    for (number, first) in operators.enumerated() {
      for (other, second) in operators.enumerated() {
        #expect((Operation(first) == Operation(second)) == (number == other))
        #expect((first.text == second.text) == (number == other), "\(first.text)")
      }
    }
  }

  private let operators: [any Operator] = {
    let rule = ConvRules(all: ConvRule(stride: 2))
    let window = PoolWindow(axis: 1, extent: 3, stride: 2, padding: 1)
    let others = [
      PoolWindow(axis: 2, extent: 3, stride: 2, padding: 1),
      PoolWindow(axis: 1, extent: 2, stride: 2, padding: 1),
      PoolWindow(axis: 1, extent: 3, stride: 1, padding: 1),
      PoolWindow(axis: 1, extent: 3, stride: 2, low: 0, high: 1),
      PoolWindow(axis: 1, extent: 3, stride: 2, low: 1, high: 0),
      PoolWindow(axis: 1, extent: 3, stride: 2),
    ]
    let normalization = Operators.Normalization(over: [0], count: 2, epsilon: 0.1)
    let affine = Operators.Normalization(over: [0], count: 2, epsilon: 0.1, parameterAxes: [1])
    return [
      Operators.Contraction("h,h->h|h"), Operators.Contraction("h,h->h|h", rules: rule),
      Operators.Contraction("h,i->hi"),
      Operators.ContractionAdjoint("h,h->h|h", needed: [true, false]),
      Operators.ContractionAdjoint("h,h->h|h", needed: [false, true]),
      Operators.ContractionAdjoint("h,h->h|h", rules: rule, needed: [true, false]),
      Operators.Add(), Operators.Multiply(), Operators.Scale(by: 2), Operators.Scale(by: 3),
      Operators.Convert(to: .float32),
      Operators.Convert(to: .float64), Operators.Fill(1, type: .float32, axes: []),
      Operators.Fill(2, type: .float32, axes: []),
      Operators.Fill(1, type: .float64, axes: []),
      Operators.Fill(1, type: .float32, axes: axes([1])),
      Operators.AddAlong(axes: [0]), Operators.AddAlong(axes: [1]), Operators.ScaleAlong(axes: [0]),
      Operators.ScaleAlong(axes: [0, 1]),
      Operators.Map(.relu), Operators.Map(.gelu), Operators.MapAdjoint(.relu),
      Operators.MapAdjoint(.gelu),
      Operators.Dropout(rate: 0.1, stream: 1), Operators.Dropout(rate: 0.1, stream: 2),
      Operators.Dropout(rate: 0.2, stream: 1),
      Operators.Sum(over: [0]), Operators.Sum(over: [1]), Operators.Sum(over: [0], keepsAxes: true),
      Operators.Sum(over: [0], scale: 2),
      Operators.Spread(axes: [0], along: axes([2])), Operators.Spread(axes: [1], along: axes([2])),
      Operators.Spread(axes: [0], along: axes([3])),
      Operators.Spread(axes: [0], along: axes([2]), areKept: true),
      Operators.Spread(axes: [0], along: axes([2]), scale: 2),
      Operators.Reshape(to: axes([2, 3])), Operators.Reshape(to: axes([3, 2])),
      Operators.Reshape(to: [Axis("a:time:2,b", .time, 3)]),
      Operators.Reshape(to: [Axis("a", .time, 2), Axis("b", .time, 3)]),
      Operators.Transpose([0, 1]), Operators.Transpose([1, 0]), Operators.Concatenate(axis: 0),
      Operators.Concatenate(axis: 1),
      Operators.Slice(axis: 0, 0..<1), Operators.Slice(axis: 0, 0..<2),
      Operators.Slice(axis: 1, 0..<1), Operators.Slice(axis: 0, 1..<1),
      Operators.Pad(axis: 0, low: 1, high: 0), Operators.Pad(axis: 0, low: 0, high: 1),
      Operators.Pad(axis: 1, low: 1, high: 0),
      Operators.MomentSums(over: [0]), Operators.MomentSums(over: [1]),
      Operators.RunningMoments(momentum: 0.1, count: 1),
      Operators.RunningMoments(momentum: 0.1, count: 2),
      Operators.RunningMoments(momentum: 0.2, count: 1),
      normalization, affine, Operators.Normalization(over: [1], count: 2, epsilon: 0.1),
      Operators.Normalization(over: [0], count: 3, epsilon: 0.1),
      Operators.Normalization(over: [0], count: 2, epsilon: 0.2),
      Operators.NormalizationSums(affine, over: [0], isWeighted: false),
      Operators.NormalizationSums(affine, over: [0], isWeighted: true),
      Operators.NormalizationSums(affine, over: [1], isWeighted: false),
      Operators.NormalizationSums(normalization, over: [0], isWeighted: false),
      Operators.NormalizationAdjoint(affine, sumsAreWeighted: false),
      Operators.NormalizationAdjoint(affine, sumsAreWeighted: true),
      Operators.NormalizationAdjoint(normalization, sumsAreWeighted: false),
      Operators.FixedNormalization(along: [1], epsilon: 0.1),
      Operators.FixedNormalization(along: [2], epsilon: 0.1),
      Operators.FixedNormalization(along: [1], epsilon: 0.2),
      Operators.MaxPool([window, others[0]]), Operators.MaxPoolAdjoint([window]),
      Operators.AveragePool([window]),
      Operators.AveragePool([window], countsPadding: false), Operators.MaxPool([window]),
      Operators.AveragePoolAdjoint(Operators.AveragePool([window]), axes: axes([1, 2])),
      Operators.AveragePoolAdjoint(Operators.AveragePool([window]), axes: axes([1, 3])),
      Operators.Softmax(axis: 0), Operators.Softmax(axis: 1),
      Operators.Softmax(axis: 0, maskAxes: []),
      Operators.Softmax(axis: 0, maskAxes: [1]), Operators.SoftmaxAdjoint(axis: 0),
      Operators.SoftmaxAdjoint(axis: 1),
      Operators.LogSoftmax(axis: 0), Operators.LogSoftmax(axis: 1),
      Operators.LogSoftmaxAdjoint(axis: 0),
      Operators.LogSoftmaxAdjoint(axis: 1), Operators.CrossEntropy(),
      Operators.CrossEntropy(labelSmoothing: 0.1),
      Operators.CrossEntropyAdjoint(), Operators.CrossEntropyAdjoint(labelSmoothing: 0.1),
      Operators.CorrectCount(),
      Operators.CorrectCount(top: 5), Operators.SquaredError(), Operators.SquaredErrorAdjoint(),
      Operators.MomentumUpdate(momentum: 0.9), Operators.MomentumUpdate(momentum: 0.8),
      Operators.MomentumUpdate(momentum: 0.9, weightDecay: 0.1),
      Operators.MomentumUpdate(momentum: 0.9, nesterov: true),
      Operators.AdamUpdate(), Operators.AdamUpdate(beta1: 0.8), Operators.AdamUpdate(beta2: 0.9),
      Operators.AdamUpdate(epsilon: 0.1),
      Operators.AdamUpdate(weightDecay: 0.1), Operators.AdamUpdate(isDecoupled: true),
    ] + others.map { Operators.MaxPool([$0]) }
  }()

  @Test("an operator that nobody knows is refused by name")
  func unknownKind() throws {
    let text = String(decoding: try JSONEncoder().encode(Operation(Operators.Add())), as: UTF8.self)
    let other = text.replacingOccurrences(of: "\"add\"", with: "\"addition\"")
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(Operation.self, from: Data(other.utf8))
    }
  }

  @Test("kinds are unique and in order")
  func kinds() {
    let kinds = Operation.kinds.map { $0.kind }
    #expect(kinds.count == Set(kinds).count)
    let names = Operation.kinds.map { "\($0)" }
    #expect(names == names.sorted())
  }

  @Test(
    "what is decoded must be a graph",
    arguments: [
      // A node that reads what it makes; a source made twice; an output that is another shape.
      (#""inputs":[0]"#, #""inputs":[1]"#), (#""outputs":[1]"#, #""outputs":[0]"#),
      (#""extent":3"#, #""extent":-3"#), (#""inputs":[0]"#, #""inputs":[5]"#),
      (#""inputs":[0]"#, #""inputs":[0,0]"#), (#""factor":2"#, #""factor":1e400"#),
      (#""name":"y","operation""#, #""name":"","operation""#),
      (#""axes":[],"name":"y""#, #""axes":[],"name":"z""#),
      (#""axes":[],"name":"y","type":"float32""#, #""axes":[],"name":"y","type":"float64""#),
      (#""axes":[],"name":"y""#, #""axes":[],"name":"x""#),
      // Numbers of values that there are not.
      (#""inputs":[0]"#, #""inputs":[-1]"#), (#""outputs":[1]"#, #""outputs":[9]"#),
      (#""value":0"#, #""value":9"#), (#""value":1"#, #""value":-1"#),
      (#""effects":[]"#, #""effects":[{"becomes":9,"source":0}]"#),
      (#""effects":[]"#, #""effects":[{"becomes":0,"source":9}]"#),
    ])
  func tampering(_ change: (from: String, to: String)) throws {
    var builder = GraphBuilder()
    let x = try builder.input("x", .float32, [])
    let y = try builder.scale(x, by: 2, name: "y")
    _ = try builder.input("z", .uint8, [Axis("a", .other, 3)])
    try builder.result("y", y)
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let text = String(decoding: try encoder.encode(builder.build()), as: UTF8.self)
    #expect(text.contains(change.from), "\(text)")
    let other = text.replacingOccurrences(of: change.from, with: change.to)
    #expect(throws: DecodingError.self) {
      try JSONDecoder().decode(Graph.self, from: Data(other.utf8))
    }
  }
}
