import Testing

@testable import Graph

/// An operator, inputs that do not fit it, and what it says.
struct Misfitting: Sendable, CustomTestStringConvertible {
  let operation: any Operator
  let inputs: [Value]
  let misfit: GraphError.Misfit

  init(_ operation: any Operator, _ inputs: [Value], _ misfit: GraphError.Misfit) {
    (self.operation, self.inputs, self.misfit) = (operation, inputs, misfit)
  }

  var testDescription: String { "\(operation.text) of \(inputs.map(\.shape)): \(misfit)" }
}

private func value(_ shape: [Int], _ type: ElementType = .float32) -> Value {
  Value(name: "x", type: type, axes: axes(shape))
}

private let x = value([2, 3])
private let double = value([2, 3], .float64)
private let scalar = value([], .float64)
private let labels = value([2], .int32)
private let sums = value([2, 3], .float64)
private let normalization = Operators.Normalization(
  over: [0], count: 2, epsilon: 0, parameterAxes: [1])
private let channels = value([3])
private let pool = [PoolWindow(axis: 1, extent: 2)]

private let misfits = [
  Misfitting(Operators.Add(), [], .inputCount(expected: 1, given: 0)),
  Misfitting(Operators.Add(), [x, value([3, 2])], .shape(input: 1, expected: [2, 3])),
  Misfitting(Operators.Add(), [x, double], .elementType(input: 1, expected: [.float32])),
  Misfitting(Operators.Add(), [labels], .elementType(input: 0, expected: [.float32, .float64])),
  Misfitting(Operators.Multiply(), [x], .inputCount(expected: 2, given: 1)),
  Misfitting(Operators.Multiply(), [x, x, x], .inputCount(expected: 2, given: 3)),
  Misfitting(
    Operators.Scale(by: .infinity), [x],
    .setting(
      .scale, .infinity, lowest: -Double.greatestFiniteMagnitude, below: .infinity)),
  Misfitting(
    Operators.Scale(by: 1), [labels], .elementType(input: 0, expected: [.float32, .float64])),
  Misfitting(
    Operators.Convert(to: .int32), [x], .outputType(.int32, expected: [.float32, .float64])),
  Misfitting(Operators.Fill(0, type: .float32, axes: []), [x], .inputCount(expected: 0, given: 1)),
  Misfitting(
    Operators.Fill(0, type: .float32, axes: axes([-1])), [],
    .setting(.extent, -1, lowest: 0, below: 0x1p48)),
  Misfitting(Operators.AddAlong(axes: [1]), [x, value([2])], .shape(input: 1, expected: [3])),
  Misfitting(Operators.AddAlong(axes: [2]), [x, channels], .axisOutOfRange(2, dimensions: 2)),
  Misfitting(Operators.AddAlong(axes: [1, 0]), [x, x], .axesNotAscending([1, 0])),
  Misfitting(Operators.ScaleAlong(axes: [-1]), [x, channels], .axisOutOfRange(-1, dimensions: 2)),
  Misfitting(
    Operators.Map(.relu), [labels], .elementType(input: 0, expected: [.float32, .float64])),
  Misfitting(Operators.MapAdjoint(.relu), [x], .inputCount(expected: 2, given: 1)),
  Misfitting(
    Operators.Dropout(rate: 1, stream: 0), [x, value([2], .int64)],
    .setting(.rate, 1, lowest: 0, below: 1)),
  Misfitting(
    Operators.Dropout(rate: 0, stream: 1 << 24), [x, value([2], .int64)],
    .setting(.stream, 0x1p24, lowest: 0, below: 0x1p24)),
  Misfitting(
    Operators.Dropout(rate: 0, stream: 0), [x, value([3], .int64)],
    .shape(input: 1, expected: [2])),
  Misfitting(Operators.Sum(over: [0, 0]), [x], .axesNotAscending([0, 0])),
  Misfitting(Operators.Sum(over: [2]), [x], .axisOutOfRange(2, dimensions: 2)),
  Misfitting(Operators.Spread(axes: [3], along: axes([2])), [x], .axisOutOfRange(3, dimensions: 3)),
  Misfitting(
    Operators.Spread(axes: [0], along: []), [x], .settingCount(.axes, expected: 1, given: 0)),
  Misfitting(
    Operators.Spread(axes: [1, 0], along: axes([2, 2])), [x], .axesNotAscending([1, 0])),
  Misfitting(
    Operators.Spread(axes: [1], along: axes([4]), areKept: true), [x],
    .shape(input: 0, expected: [2, 1])),
  Misfitting(Operators.Reshape(to: axes([5])), [x], .elementCount(from: [2, 3], to: [5])),
  Misfitting(
    Operators.Reshape(to: axes([-2, -3])), [x], .setting(.extent, -2, lowest: 0, below: 0x1p48)),
  Misfitting(Operators.Transpose([0]), [x], .notPermutation([0], dimensions: 2)),
  Misfitting(Operators.Transpose([0, 0]), [x], .notPermutation([0, 0], dimensions: 2)),
  Misfitting(Operators.Concatenate(axis: 0), [], .inputCount(expected: 1, given: 0)),
  Misfitting(Operators.Concatenate(axis: 0), [x, value([3])], .shape(input: 1, expected: [3, 3])),
  Misfitting(
    Operators.Concatenate(axis: 1), [x, value([3, 3])], .shape(input: 1, expected: [2, 3])),
  Misfitting(
    Operators.Concatenate(axis: 0), [value([1 << 47], .uint8), value([1 << 47], .uint8)],
    .setting(.extent, 0x1p48, lowest: 0, below: 0x1p48)),
  Misfitting(Operators.Concatenate(axis: 2), [x], .axisOutOfRange(2, dimensions: 2)),
  Misfitting(
    Operators.Concatenate(axis: 0), [x, double], .elementType(input: 1, expected: [.float32])),
  Misfitting(Operators.Slice(axis: 1, 2..<4), [x], .range(axis: 1, lower: 2, upper: 4, extent: 3)),
  Misfitting(
    Operators.Slice(axis: 1, -1..<2), [x], .range(axis: 1, lower: -1, upper: 2, extent: 3)),
  Misfitting(
    Operators.Pad(axis: 0, low: -1, high: 0), [x],
    .setting(.padding, -1, lowest: 0, below: 0x1p48)),
  Misfitting(
    Operators.Pad(axis: 0, low: 1, high: 1), [value([.max - 1], .uint8)],
    .setting(.extent, 0x1p63, lowest: 0, below: 0x1p48)),
  Misfitting(Operators.MomentSums(over: [5]), [x], .axisOutOfRange(5, dimensions: 2)),
  Misfitting(
    Operators.RunningMoments(momentum: 2, count: 1), [channels, channels, sums],
    .setting(.momentum, 2, lowest: 0, below: 1)),
  Misfitting(
    Operators.RunningMoments(momentum: 0.1, count: 0), [channels, channels, sums],
    .setting(.count, 0, lowest: 1, below: nil)),
  Misfitting(
    Operators.RunningMoments(momentum: 0.1, count: 1), [channels, channels, scalar],
    .shape(input: 2, expected: [2, 3])),
  Misfitting(
    Operators.Normalization(over: [0], count: 3, epsilon: 0), [x, sums],
    .sumCount(expected: 2, given: 3)),
  Misfitting(
    Operators.Normalization(over: [0], count: 2, epsilon: -1), [x, sums],
    .setting(.epsilon, -1, lowest: 0, below: .infinity)),
  Misfitting(
    Operators.Normalization(over: [0], count: 2, epsilon: 0), [x, x],
    .elementType(input: 1, expected: [.float64])),
  Misfitting(normalization, [x, sums], .inputCount(expected: 4, given: 2)),
  Misfitting(
    normalization, [x, sums, channels, labels], .elementType(input: 3, expected: [.float32])),
  Misfitting(
    Operators.NormalizationSums(normalization, over: [0], isWeighted: true), [x, sums, x],
    .inputCount(expected: 4, given: 3)),
  Misfitting(
    Operators.NormalizationSums(normalization, over: [0], isWeighted: true), [x, sums, x, x],
    .shape(input: 3, expected: [3])),
  Misfitting(
    Operators.NormalizationAdjoint(normalization, sumsAreWeighted: false),
    [x, sums, x, scalar, channels],
    .shape(input: 3, expected: [2, 3])),
  Misfitting(
    Operators.FixedNormalization(along: [1], epsilon: 0), [x, channels, channels, channels, x],
    .shape(input: 4, expected: [3])),
  Misfitting(
    Operators.MaxPool([PoolWindow(axis: 1, extent: 4)]), [x],
    .window(PoolWindow(axis: 1, extent: 4), extent: 3)),
  Misfitting(
    Operators.MaxPool([PoolWindow(axis: 1, extent: 2, padding: 2)]), [x],
    .window(PoolWindow(axis: 1, extent: 2, padding: 2), extent: 3)),
  Misfitting(
    Operators.MaxPool([PoolWindow(axis: 1, extent: 2, stride: 0)]), [x],
    .window(PoolWindow(axis: 1, extent: 2, stride: 0), extent: 3)),
  Misfitting(
    Operators.MaxPool([PoolWindow(axis: 0, extent: .max, stride: 1, low: .max - 1, high: 5)]), [x],
    .window(
      PoolWindow(axis: 0, extent: .max, stride: 1, low: .max - 1, high: 5), extent: 2)),
  Misfitting(
    Operators.AveragePool([PoolWindow(axis: 0, extent: 2, padding: 1)]), [value([0])],
    .window(PoolWindow(axis: 0, extent: 2, padding: 1), extent: 0)),
  Misfitting(Operators.AveragePool(pool + pool), [x], .axesNotAscending([1, 1])),
  Misfitting(Operators.MaxPoolAdjoint(pool), [x, x, x], .shape(input: 1, expected: [2, 1])),
  Misfitting(
    Operators.AveragePoolAdjoint(Operators.AveragePool(pool), axes: axes([2, 3])), [x],
    .shape(input: 0, expected: [2, 1])),
  Misfitting(Operators.Softmax(axis: 2), [x], .axisOutOfRange(2, dimensions: 2)),
  Misfitting(Operators.Softmax(axis: 1, maskAxes: [1]), [x], .inputCount(expected: 2, given: 1)),
  Misfitting(
    Operators.Softmax(axis: 1, maskAxes: [1]), [x, channels],
    .elementType(input: 1, expected: [.uint8])),
  Misfitting(Operators.SoftmaxAdjoint(axis: 2), [x, x], .axisOutOfRange(2, dimensions: 2)),
  Misfitting(Operators.LogSoftmax(axis: -1), [x], .axisOutOfRange(-1, dimensions: 2)),
  Misfitting(
    Operators.LogSoftmaxAdjoint(axis: 0), [x, double],
    .elementType(input: 1, expected: [.float32])),
  Misfitting(Operators.CrossEntropy(), [x, channels], .elementType(input: 1, expected: [.int32])),
  Misfitting(Operators.CrossEntropy(), [x, value([3], .int32)], .shape(input: 1, expected: [2])),
  Misfitting(Operators.CrossEntropy(), [scalar, labels], .dimensions(input: 0, expected: 1)),
  Misfitting(
    Operators.CrossEntropy(), [value([2, 0]), labels],
    .setting(.classes, 0, lowest: 1, below: nil)),
  Misfitting(
    Operators.CrossEntropy(labelSmoothing: 1), [x, labels],
    .setting(.labelSmoothing, 1, lowest: 0, below: 1)),
  Misfitting(
    Operators.CrossEntropyAdjoint(), [x, labels, channels],
    .elementType(input: 2, expected: [.float64])),
  Misfitting(
    Operators.CorrectCount(top: 0), [x, labels], .setting(.top, 0, lowest: 1, below: nil)),
  Misfitting(Operators.SquaredError(), [x, double], .elementType(input: 1, expected: [.float32])),
  Misfitting(Operators.SquaredErrorAdjoint(), [x, x], .inputCount(expected: 3, given: 2)),
  Misfitting(Operators.MomentumUpdate(momentum: 0), [x, x, x], .inputCount(expected: 4, given: 3)),
  Misfitting(
    Operators.MomentumUpdate(momentum: -1), [x, x, x, scalar],
    .setting(.momentum, -1, lowest: 0, below: .infinity)),
  Misfitting(
    Operators.MomentumUpdate(momentum: 0, weightDecay: .nan), [x, x, x, scalar],
    .setting(.weightDecay, .nan, lowest: 0, below: .infinity)),
  Misfitting(
    Operators.MomentumUpdate(momentum: 0), [x, x, channels, scalar],
    .shape(input: 2, expected: [2, 3])),
  Misfitting(
    Operators.AdamUpdate(beta1: 1), [x, x, x, x, scalar, scalar],
    .setting(.beta, 1, lowest: 0, below: 1)),
  Misfitting(
    Operators.AdamUpdate(), [x, x, x, x, scalar, scalar], .elementType(input: 5, expected: [.int64])
  ),
]

@Suite struct MisfitTests {
  @Test("what does not fit is told, with operator, shapes and a fix", arguments: misfits)
  func misfit(_ misfitting: Misfitting) throws {
    var builder = GraphBuilder()
    var inputs: [ValueID] = []
    for (number, value) in misfitting.inputs.enumerated() {
      inputs.append(try builder.input("input\(number)", value.type, value.axes))
    }
    let error = #expect(throws: GraphError.self) {
      try builder.apply(misfitting.operation, to: inputs, name: "here")
    }
    guard case .misfit(let misfit, let node, let text, let values) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    // NaN is not equal to itself.
    #expect("\(misfit)" == "\(misfitting.misfit)")
    #expect(node == "here")
    #expect(text == misfitting.operation.text)
    #expect(values.map(\.shape) == misfitting.inputs.map(\.shape))
    let description = "\(GraphError.misfit(misfit, node: node, operator: text, inputs: values))"
    #expect(description.hasPrefix("node \"here\" (\(text)): "))
    #expect(description.contains("\n  inputs: "))
    #expect(description.contains("\nFix: "))
    // Nothing was added.
    #expect(try builder.build().nodes.isEmpty)
  }

  @Test("conveniences of wrong shapes throw")
  func conveniences() throws {
    var builder = GraphBuilder()
    let x = try builder.input("x", .float32, axes([4, 5]))
    let c = try builder.input("c", .float32, axes([5]))
    #expect(throws: GraphError.self) { try builder.glu(x, axis: 1) }
    #expect(throws: GraphError.self) { try builder.split(x, axis: 1, parts: 4) }
    #expect(throws: GraphError.self) { try builder.split(x, axis: 2, parts: 4) }
    for parts in [-1, 0, Int.max] {
      #expect(throws: GraphError.self) { try builder.split(x, axis: 1, parts: parts) }
    }
    // Nothing was added by halves.
    #expect(try builder.build().nodes.isEmpty)
    #expect(throws: GraphError.self) { try builder.flatten(x, 1...2) }
    #expect(throws: GraphError.self) { try builder.mean(x, over: [2]) }
    #expect(throws: GraphError.self) { try builder.groupNorm(x, groups: 2, scale: c, bias: c) }
    #expect(throws: GraphError.self) { try builder.groupNorm(x, groups: 0, scale: c, bias: c) }
    #expect(throws: GraphError.self) { try builder.groupNorm(c, groups: 1, scale: c, bias: c) }
    #expect(throws: GraphError.self) { try builder.layerNorm(c, scale: x, bias: x) }
    #expect(throws: GraphError.self) {
      try builder.batchNorm(training: x, scale: x, bias: c, mean: c, variance: c)
    }
    #expect(throws: GraphError.self) {
      try builder.batchNorm(training: x, scale: c, bias: c, mean: c, variance: c, axis: 2)
    }
  }
}
