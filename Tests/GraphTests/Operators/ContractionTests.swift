import Partitioning
import Planning
import Testing

@testable import Graph

private func contraction(
  _ expression: String, _ shapes: [[Int]], _ options: [String] = []
) -> OperatorCase {
  OperatorCase("\(expression) \(options) of \(shapes)", shapes.map { OperatorCase.Input($0) }) {
    (builder, values) throws(GraphError) in
    let rules = (try? ConvRules(options: options)) ?? ConvRules()
    return [try builder.contraction(expression, values, rules: rules)]
  }
}

let contractionCases = [
  contraction("bs,ts->bt", [[3, 4], [2, 4]]),
  contraction("bs,ts->bt", [[0, 4], [2, 4]]),
  contraction("bs,ts->bt", [[1, 1], [2, 1]]),
  contraction("ij,jk,kl->il", [[2, 3], [3, 4], [4, 2]]),
  contraction("abq,abk->aqk", [[2, 3, 2], [2, 3, 4]]),
  contraction("ii,ij->j", [[3, 3], [3, 2]]),
  contraction("ij->j", [[3, 2]]),
  contraction("r,ir,jr,kr->ijk", [[2], [3, 2], [2, 2], [2, 2]]),
  contraction("...s,ts->...t", [[2, 3, 4], [2, 4]]),
  contraction("...i,...j->...ij", [[3, 1, 2], [2, 2]]),
  contraction("bsh,tsh->bth|h", [[2, 2, 5], [2, 2, 3]]),
  contraction("bsh,tsh->bth|h", [[2, 2, 6], [2, 2, 3]], ["h:kind=correlation,padding=1:1"]),
  contraction("bh,h->bh|h", [[2, 7], [3]], ["h:stride=2,padding=2:1"]),
  contraction("bh,h->bh|h", [[2, 9], [3]], ["h:stride=3,dilation=2,padding=full"]),
  contraction("bh,h->bh|h", [[1, 8], [3]], ["h:boundary=circular,stride=2,dilation=2"]),
  contraction(
    "bh,h->bh|h", [[2, 6], [4]], ["h:boundary=circular,kind=correlation,padding=2:3"]),
  contraction("bh,th,ht->bth|h", [[2, 7], [2, 3], [2, 2]], ["h:dilation=2,stride=2"]),
  contraction("bh,h->b|h", [[2, 6], [3]], ["h:padding=1:0"]),
  contraction("bh->bh|h", [[2, 6]], ["h:stride=2,padding=valid"]),
  contraction(
    "bshw,rt,rs,rh,rw->bthw|hw", [[1, 2, 4, 5], [2, 2], [2, 2], [2, 3], [2, 2]],
    ["*:kind=correlation", "h:stride=2,padding=1:1", "w:boundary=circular"]),
]

@Suite struct ContractionTests {
  private let images = Value(
    name: "images", type: .float32,
    axes: [
      Axis("batch", .batch, 8), Axis("in", .channel, 3), Axis("height", .space, 32),
      Axis("width", .space, 32),
    ])
  private let weight = Value(
    name: "weight", type: .float32,
    axes: [
      Axis("out", .channel, 16), Axis("in", .channel, 3), Axis("height", .other, 3),
      Axis("width", .other, 3),
    ])
  private let convolution = Operators.Contraction(
    "bshw,tshw->bthw|hw",
    rules: ConvRules(
      all: ConvRule(stride: 2, padding: .explicit(low: 1, high: 1), kind: .correlation)))

  @Test("output axes come from the dimension that carries the mode, of a convolution the feature's")
  func axes() throws {
    let output = try convolution.outputs([images, weight])[0]
    #expect(
      output.axes == [
        Axis("batch", .batch, 8), Axis("out", .channel, 16), Axis("height", .space, 16),
        Axis("width", .space, 16),
      ])
    #expect(output.type == .float32)
  }

  @Test("factors of a convolution: samples, channels, and outputs that read through a window")
  func factors() throws {
    let outputs = try convolution.outputs([images, weight])
    let factors = convolution.factors(inputs: [images, weight], outputs: outputs)
    let window = Window(resultExtent: 16, stride: 2, low: -1, high: 1, circular: false)
    #expect(
      factors == [
        Factor(extent: 8, inputs: [0, nil], outputs: [0]),
        Factor(extent: 3, inputs: [1, 1], outputs: [nil]),
        Factor(extent: 16, inputs: [.init(2, window: window), nil], outputs: [2]),
        Factor(extent: 16, inputs: [.init(3, window: window), nil], outputs: [3]),
        Factor(extent: 16, inputs: [nil, 0], outputs: [1]),
      ])
    let all = Operation(convolution).factors(inputs: [images, weight], outputs: outputs)
    #expect(all.dropFirst(5).map(\.mayBeCut) == [false, false])
    #expect(all.dropFirst(5).map(\.inputs) == [[nil, 2], [nil, 3]])
  }

  @Test("only the gradients that are needed are outputs of the adjoint")
  func needed() throws {
    let output = try convolution.outputs([images, weight])[0]
    let adjoint = Operators.ContractionAdjoint(
      convolution.expression, rules: convolution.rules, needed: [false, true])
    let gradients = try adjoint.outputs([images, weight, output])
    #expect(gradients.map(\.shape) == [weight.shape])
    #expect(adjoint.settings.hasSuffix("of 1"))
  }

  @Test("what does not fit")
  func misfits() throws {
    let double = Value(name: "double", type: .float64, axes: weight.axes)
    #expect(throws: GraphError.Misfit.elementType(input: 1, expected: [.float32])) {
      try convolution.outputs([images, double])
    }
    #expect(throws: GraphError.Misfit.self) { try convolution.outputs([images]) }
    #expect(throws: GraphError.Misfit.self) { try Operators.Contraction("b3->b").outputs([images]) }
    let adjoint = Operators.ContractionAdjoint(
      convolution.expression, rules: convolution.rules, needed: [true])
    #expect(throws: GraphError.Misfit.settingCount(.needed, expected: 2, given: 1)) {
      try adjoint.outputs([images, weight, images])
    }
    let both = Operators.ContractionAdjoint(
      convolution.expression, rules: convolution.rules, needed: [true, true])
    #expect(throws: GraphError.Misfit.shape(input: 2, expected: [8, 16, 16, 16])) {
      try both.outputs([images, weight, images])
    }
    #expect(throws: GraphError.Misfit.inputCount(expected: 3, given: 0)) {
      try both.outputs([])
    }
  }
}
