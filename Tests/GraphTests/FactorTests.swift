import Partitioning
import Planning
import Testing

@testable import Graph

/// The factors of one operator of each kind written out; that they are right is checked by parts.
@Suite struct FactorTests {
  private func factors(_ operation: any Operator, _ inputs: [Value]) throws -> [Factor] {
    Operation(operation).factors(inputs: inputs, outputs: try operation.outputs(inputs))
  }

  private func value(_ shape: Int..., type: ElementType = .float64) -> Value {
    Value(name: "x", type: type, axes: axes(shape))
  }

  private func whole(_ extent: Int, inputs: [Factor.Dimension?], outputs: [Factor.Dimension?])
    -> Factor
  {
    Factor(extent: extent, inputs: inputs, outputs: outputs, mayBeCut: false)
  }

  @Test("a contraction's adjoint: partial along what an operand has not, windows both ways")
  func contractionAdjoint() throws {
    let adjoint = Operators.ContractionAdjoint(
      "bsh,tsh->bth|h", rules: ConvRules(all: ConvRule(kind: .correlation)), needed: [true, true])
    let window = Window(resultExtent: 5, stride: 1, low: -1, high: 1, circular: false)
    #expect(
      try factors(adjoint, [value(2, 3, 5), value(4, 3, 3), value(2, 4, 5)]) == [
        Factor(extent: 2, inputs: [0, nil, 0], outputs: [0, nil]),
        Factor(extent: 3, inputs: [1, 1, nil], outputs: [1, 1]),
        Factor(
          extent: 5, inputs: [.init(2, window: window), nil, 2],
          outputs: [.init(2, window: window), nil]),
        Factor(extent: 4, inputs: [nil, 0, 1], outputs: [nil, 0]),
        whole(3, inputs: [nil, 2, nil], outputs: [nil, nil]),
        whole(3, inputs: [nil, nil, nil], outputs: [nil, 2]),
      ])
  }

  @Test("a circular window goes around; a dimension of extent 1 that broadcasts stays whole")
  func contractions() throws {
    let circular = Operators.Contraction(
      "h,h->h|h", rules: ConvRules(all: ConvRule(dilation: 2, boundary: .circular)))
    let window = Window(resultExtent: 9, stride: 1, low: -4, high: 0, circular: true)
    #expect(
      try factors(circular, [value(9), value(3)]) == [
        Factor(extent: 9, inputs: [.init(0, window: window), nil], outputs: [0]),
        whole(3, inputs: [nil, 0], outputs: [nil]),
      ])
    #expect(
      try factors(Operators.Contraction("...i,...i->..."), [value(3, 2), value(1, 2)]) == [
        Factor(extent: 3, inputs: [0, nil], outputs: [0]),
        Factor(extent: 2, inputs: [1, 1], outputs: [nil]),
        whole(1, inputs: [nil, 0], outputs: [nil]),
      ])
  }

  @Test("a mode that stands twice in an operand stays whole")
  func diagonal() throws {
    #expect(
      try factors(Operators.Contraction("ii->i"), [value(3, 3)]) == [
        whole(3, inputs: [0], outputs: [nil]), whole(3, inputs: [1], outputs: [nil]),
        whole(3, inputs: [nil], outputs: [0]),
      ])
  }

  @Test("values along axes are read whole by parts of the others")
  func along() throws {
    #expect(
      try factors(Operators.AddAlong(axes: [1]), [value(2, 3), value(3)]) == [
        Factor(extent: 2, inputs: [0, nil], outputs: [0]),
        Factor(extent: 3, inputs: [1, 0], outputs: [1]),
      ])
  }

  @Test("pools read through windows; their adjoints give terms of what windows read")
  func pools() throws {
    let windows = [PoolWindow(axis: 1, extent: 3, stride: 2, padding: 1)]
    let window = Window(resultExtent: 4, stride: 2, low: -1, high: 1, circular: false)
    let windowed = Factor.Dimension(1, window: window)
    let (x, y) = (value(2, 7), value(2, 4))
    #expect(
      try factors(Operators.MaxPool(windows), [x]) == [
        Factor(extent: 2, inputs: [0], outputs: [0]),
        Factor(extent: 4, inputs: [windowed], outputs: [1]),
      ])
    #expect(
      try factors(Operators.MaxPoolAdjoint(windows), [x, y, y]) == [
        Factor(extent: 2, inputs: [0, 0, 0], outputs: [0]),
        Factor(extent: 4, inputs: [windowed, 1, 1], outputs: [windowed]),
      ])
    #expect(
      try factors(Operators.AveragePoolAdjoint(Operators.AveragePool(windows), axes: x.axes), [y])
        == [
          Factor(extent: 2, inputs: [0], outputs: [0]),
          Factor(extent: 4, inputs: [1], outputs: [windowed]),
        ])
  }

  @Test("batch normalisation: statistics go with channels, and are partial along all else")
  func normalization() throws {
    let normalization = Operators.Normalization(
      over: [0, 2], count: 10, epsilon: 1e-5, parameterAxes: [1])
    let (x, sums, channels) = (value(2, 3, 5), value(2, 3), value(3))
    #expect(
      try factors(normalization, [x, sums, channels, channels]) == [
        Factor(extent: 2, inputs: [0, nil, nil, nil], outputs: [0]),
        Factor(extent: 3, inputs: [1, 1, 0, 0], outputs: [1]),
        Factor(extent: 5, inputs: [2, nil, nil, nil], outputs: [2]),
        whole(2, inputs: [nil, 0, nil, nil], outputs: [nil]),
      ])
    let gradientSums = Operators.NormalizationSums(normalization, over: [0, 2], isWeighted: false)
    #expect(
      try factors(gradientSums, [x, sums, x]) == [
        Factor(extent: 2, inputs: [0, nil, 0], outputs: [nil]),
        Factor(extent: 3, inputs: [1, 1, 1], outputs: [1]),
        Factor(extent: 5, inputs: [2, nil, 2], outputs: [nil]),
        whole(2, inputs: [nil, 0, nil], outputs: [nil]),
        whole(2, inputs: [nil, nil, nil], outputs: [0]),
      ])
    let running = Operators.RunningMoments(momentum: 0.1, count: 10)
    #expect(
      try factors(running, [channels, channels, sums]) == [
        Factor(extent: 3, inputs: [0, 0, 1], outputs: [0, 0]),
        whole(2, inputs: [nil, nil, 0], outputs: [nil, nil]),
      ])
  }

  @Test("a softmax' axis stays whole, and so do classes; losses are partial along samples")
  func losses() throws {
    let labels = value(2, type: .int32)
    #expect(
      try factors(Operators.Softmax(axis: 1), [value(2, 3)]) == [
        Factor(extent: 2, inputs: [0], outputs: [0]),
        whole(3, inputs: [1], outputs: [nil]), whole(3, inputs: [nil], outputs: [1]),
      ])
    #expect(
      try factors(Operators.CrossEntropy(), [value(2, 3), labels]) == [
        Factor(extent: 2, inputs: [0, 0], outputs: [nil]),
        whole(3, inputs: [1, nil], outputs: [nil]),
      ])
    #expect(
      try factors(Operators.CrossEntropyAdjoint(), [value(2, 3), labels, value()]) == [
        Factor(extent: 2, inputs: [0, 0, nil], outputs: [0]),
        whole(3, inputs: [1, nil, nil], outputs: [nil]),
        whole(3, inputs: [nil, nil, nil], outputs: [1]),
      ])
    #expect(
      try factors(Operators.SquaredError(), [value(4), value(4)]) == [
        Factor(extent: 4, inputs: [0, 0], outputs: [nil])
      ])
  }

  @Test("spreads have what they spread along in the output only")
  func spread() throws {
    #expect(
      try factors(Operators.Spread(axes: [0], along: axes([3])), [value(2)]) == [
        Factor(extent: 3, inputs: [nil], outputs: [0]),
        Factor(extent: 2, inputs: [0], outputs: [1]),
      ])
  }

  @Test("reshapes match the shortest runs, past extents of 1")
  func reshapes() throws {
    func blocks(_ extent: Int, _ length: Int, of dimension: Int) -> Factor.Dimension {
      Factor.Dimension(
        dimension,
        window: Window(
          resultExtent: extent, stride: length, low: 0, high: length - 1, circular: false))
    }
    #expect(
      try factors(Operators.Reshape(to: axes([24])), [value(4, 6)]) == [
        Factor(extent: 4, inputs: [0], outputs: [blocks(4, 6, of: 0)]),
        whole(6, inputs: [1], outputs: [nil]),
      ])
    #expect(
      try factors(Operators.Reshape(to: axes([2, 12])), [value(4, 6)]) == [
        Factor(extent: 2, inputs: [blocks(2, 2, of: 0)], outputs: [0]),
        whole(6, inputs: [1], outputs: [nil]), whole(12, inputs: [nil], outputs: [1]),
      ])
    #expect(
      try factors(Operators.Reshape(to: axes([3, 4])), [value(3, 1, 4)]) == [
        Factor(extent: 3, inputs: [0], outputs: [0]),
        Factor(extent: 4, inputs: [2], outputs: [1]),
        whole(1, inputs: [1], outputs: [nil]),
      ])
    #expect(
      try factors(Operators.Reshape(to: axes([8, 3])), [value(6, 4)]).allSatisfy { !$0.mayBeCut })
  }

  @Test("a graph gives the factors of its nodes")
  func graph() throws {
    var builder = GraphBuilder()
    let x = try builder.input("x", .float32, axes([2, 3]))
    _ = try builder.relu(x)
    let graph = try builder.build()
    #expect(graph.factors(of: graph.nodes[0]) == Factor.elementwise([2, 3], inputs: 1, outputs: 1))
  }
}
