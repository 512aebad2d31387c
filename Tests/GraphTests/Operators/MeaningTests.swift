import Partitioning
import Testing

@testable import Graph

/// What operators mean where a number known from elsewhere says it: the interpreter is checked
/// here, against which kernels are checked.
@Suite struct MeaningTests {
  private func evaluate(_ operation: any Operator, _ inputs: [DoubleTensor]) throws
    -> [DoubleTensor]
  {
    try Interpreter.evaluate(operation, inputs)
  }

  private func vector(_ elements: Double...) -> DoubleTensor {
    DoubleTensor([elements.count], elements)
  }

  @Test("Philox gives the words of the paper's known-answer vectors")
  func philoxVectors() {
    #expect(
      philox(counter: [0, 0, 0, 0], key: [0, 0])
        == [0x6627_E8D5, 0xE169_C58D, 0xBC57_AC4C, 0x9B00_DBD8])
    let ones = UInt32.max
    #expect(
      philox(counter: [ones, ones, ones, ones], key: [ones, ones])
        == [0x408F_276D, 0x41C8_3B0E, 0xA20B_C7C6, 0x6D54_51FD])
    #expect(
      philox(
        counter: [0x243F_6A88, 0x85A3_08D3, 0x1319_8A2E, 0x0370_7344],
        key: [0xA409_3822, 0x299F_31D0])
        == [0xD16C_FE09, 0x94FD_CCEB, 0x5001_E420, 0x2412_6EA1])
  }

  @Test("dropout keeps its share and its mean; masks differ by seed, step and stream")
  func dropout() throws {
    let ones = DoubleTensor([4000], filledWith: 1)
    func mask(_ seed: Double, _ step: Double, stream: Int) throws -> [Double] {
      try evaluate(Operators.Dropout(rate: 0.25, stream: stream), [ones, vector(seed, step)])[0]
        .elements
    }
    let masks = try [
      mask(1, 1, stream: 0), mask(2, 1, stream: 0), mask(1, 2, stream: 0), mask(1, 1, stream: 1),
      mask(4_294_967_297, 1, stream: 0),
    ]
    for (number, first) in masks.enumerated() {
      // 3.5 standard deviations of 4000 draws.
      #expect(abs(Double(first.count { $0 != 0 }) - 3000) < 96)
      #expect(first.allSatisfy { $0 == 0 || $0 == 4.0 / 3 })
      for second in masks[..<number] {
        // Of independent masks 62.5 % of the elements agree.
        let equal = zip(first, second).count { $0 == $1 }
        #expect(abs(Double(equal) - 2500) < 110)
      }
    }
    #expect(try mask(1, 1, stream: 0) == masks[0])
  }

  @Test("of equal elements the first of the window gets a max-pool's gradient")
  func ties() throws {
    let windows = [0, 1].map { PoolWindow(axis: $0, extent: 2, stride: 1) }
    let x = DoubleTensor([2, 3], [5, 5, 1, 5, 2, 1])
    let y = try evaluate(Operators.MaxPool(windows), [x])[0]
    #expect(y.elements == [5, 5])
    let g = DoubleTensor([1, 2], [1, 10])
    #expect(
      try evaluate(Operators.MaxPoolAdjoint(windows), [x, y, g])[0].elements == [1, 10, 0, 0, 0, 0])
  }

  @Test("padding never wins a max-pool, and counts in an average as asked")
  func padding() throws {
    let windows = [PoolWindow(axis: 0, extent: 3, stride: 2, padding: 1)]
    let x = vector(-3, -2, -6)
    #expect(try evaluate(Operators.MaxPool(windows), [x])[0].elements == [-2, -2])
    let counted = try evaluate(Operators.AveragePool(windows), [x])[0]
    #expect(counted.difference(from: vector(-5.0 / 3, -8.0 / 3)) < 1e-15)
    #expect(
      try evaluate(Operators.AveragePool(windows, countsPadding: false), [x])[0].elements == [
        -2.5, -4,
      ])
  }

  @Test("a row that is masked altogether is zero")
  func maskedRow() throws {
    let x = DoubleTensor([2, 2], [1, 1, 800, 800])
    let mask = DoubleTensor([2, 2], [0, 0, 1, 1])
    let y = try evaluate(Operators.Softmax(axis: 1, maskAxes: [0, 1]), [x, mask])[0]
    #expect(y.elements == [0, 0, 0.5, 0.5])
  }

  @Test("cross-entropy, smoothed as in PyTorch")
  func crossEntropy() throws {
    // torch.nn.functional.cross_entropy of [[1, 2, 3]], label 2: 0.40760596; smoothed by 0.3:
    // 0.7·0.40760596 + 0.1·(2.40760596 + 1.40760596 + 0.40760596).
    let inputs = [DoubleTensor([1, 3], [1, 2, 3]), vector(2)]
    let plain = try evaluate(Operators.CrossEntropy(), inputs)[0].elements[0]
    #expect(abs(plain - 0.407_605_964_4) < 1e-9)
    let smoothed = try evaluate(Operators.CrossEntropy(labelSmoothing: 0.3), inputs)[0].elements[0]
    #expect(abs(smoothed - 0.707_605_964_4) < 1e-9)
  }

  @Test("of equal logits the lower class counts as larger")
  func correctCount() throws {
    let logits = DoubleTensor([4, 3], [1, 1, 0, 1, 1, 0, 0, 1, 2, 0, 0, 0])
    let labels = vector(0, 1, 1, 2)
    for (top, expected) in [(1, 1.0), (2, 3), (3, 4), (9, 4)] {
      #expect(
        try evaluate(Operators.CorrectCount(top: top), [logits, labels])[0].elements == [expected])
    }
  }

  @Test("exact GELU, SiLU and their kin at 1")
  func functions() throws {
    let expected: [Operators.Map.Function: Double] = [
      .relu: 1, .gelu: 0.841_344_746_1, .silu: 0.731_058_578_6, .sigmoid: 0.731_058_578_6,
      .tanh: 0.761_594_156_0,
    ]
    for function in Operators.Map.Function.allCases {
      let y = try evaluate(Operators.Map(function), [vector(1)])[0].elements[0]
      #expect(abs(y - (expected[function] ?? .nan)) < 1e-9)
    }
  }

  @Test("batch moments become running ones: the variance unbiased, of one element as it is")
  func runningMoments() throws {
    // Elements 1, 2, 6: mean 3, Σ(x − 3)² = 14.
    let sums = DoubleTensor([2, 1], [9, 41])
    let next = try evaluate(
      Operators.RunningMoments(momentum: 0.5, count: 3), [vector(1), vector(1), sums])
    #expect(next.map { $0.elements[0] } == [2, 4])
    let single = DoubleTensor([2, 1], [3, 9])
    let last = try evaluate(
      Operators.RunningMoments(momentum: 0.5, count: 1), [vector(1), vector(1), single])
    #expect(last.map { $0.elements[0] } == [2, 0.5])
  }

  @Test("updates by hand")
  func updates() throws {
    let (w, g, v, rate) = (vector(2), vector(1), vector(0.5), DoubleTensor(scalar: 0.1))
    // g = 1 + 0.5·2 = 2; v = 0.8·0.5 + 2 = 2.4.
    let plain = try evaluate(
      Operators.MomentumUpdate(momentum: 0.8, weightDecay: 0.5), [w, g, v, rate])
    #expect(plain[0].difference(from: vector(1.76)) < 1e-15)
    #expect(plain[1].difference(from: vector(2.4)) < 1e-15)
    let nesterov = try evaluate(
      Operators.MomentumUpdate(momentum: 0.8, weightDecay: 0.5, nesterov: true), [w, g, v, rate])
    #expect(nesterov[0].difference(from: vector(2 - 0.1 * (2 + 0.8 * 2.4))) < 1e-15)
    // A first step of Adam goes the learning rate's length against the gradient's sign.
    let zero = vector(0)
    for isDecoupled in [false, true] {
      let adam = try evaluate(
        Operators.AdamUpdate(epsilon: 0, weightDecay: 0.5, isDecoupled: isDecoupled),
        [w, g, zero, zero, rate, DoubleTensor(scalar: 1)])
      let expected = isDecoupled ? 2 * (1 - 0.05) - 0.1 : 1.9
      #expect(adam[0].difference(from: vector(expected)) < 1e-12)
      #expect(adam[1].difference(from: vector(isDecoupled ? 0.1 : 0.2)) < 1e-12)
      #expect(adam[2].difference(from: vector(isDecoupled ? 0.001 : 0.004)) < 1e-12)
    }
  }

  @Test("group norm cuts by groups: blocks of channels go with a group")
  func reshapeFactors() throws {
    let x = Value(name: "x", type: .float32, axes: axes([3, 12, 5]))
    let reshape = Operators.Reshape(to: axes([3, 3, 4, 5]))
    let factors = reshape.factors(inputs: [x], outputs: try reshape.outputs([x]))
    let blocks = Window(resultExtent: 3, stride: 4, low: 0, high: 3, circular: false)
    #expect(
      factors == [
        Factor(extent: 3, inputs: [0], outputs: [0]),
        Factor(extent: 3, inputs: [.init(1, window: blocks)], outputs: [1]),
        Factor(extent: 5, inputs: [2], outputs: [3]),
      ])
  }

  @Test("factors of sums: partial along what is summed")
  func sumFactors() throws {
    let x = Value(name: "x", type: .float32, axes: axes([3, 4]))
    let sums = Operators.MomentSums(over: [0])
    #expect(
      sums.factors(inputs: [x], outputs: try sums.outputs([x])) == [
        Factor(extent: 3, inputs: [0], outputs: [nil]),
        Factor(extent: 4, inputs: [1], outputs: [1]),
      ])
    let all = Operation(sums).factors(inputs: [x], outputs: try sums.outputs([x]))
    #expect(all.last == Factor(extent: 2, inputs: [nil], outputs: [0], mayBeCut: false))
  }

  @Test("shapes of pools, sums and reshapes, and the names of their axes")
  func shapes() throws {
    let x = Value(
      name: "x", type: .float32,
      axes: [Axis("batch", .batch, 2), Axis("channel", .channel, 4), Axis("time", .time, 9)])
    func shape(_ operation: any Operator) throws -> [Axis] { try operation.outputs([x])[0].axes }
    let pool = [PoolWindow(axis: 2, extent: 3, stride: 2, padding: 1)]
    #expect(try shape(Operators.MaxPool(pool)) == x.axes[..<2] + [Axis("time", .time, 5)])
    #expect(try shape(Operators.AveragePool(pool)) == x.axes[..<2] + [Axis("time", .time, 5)])
    #expect(try shape(Operators.Sum(over: [0, 2])) == [x.axes[1]])
    #expect(
      try shape(Operators.Sum(over: [2], keepsAxes: true)) == x.axes[..<2] + [
        Axis("time", .time, 1)
      ])
    #expect(try shape(Operators.Transpose([2, 0, 1])) == [x.axes[2], x.axes[0], x.axes[1]])
    #expect(try shape(Operators.Slice(axis: 2, 2..<9)) == x.axes[..<2] + [Axis("time", .time, 7)])
    #expect(
      try shape(Operators.Pad(axis: 2, low: 2, high: 1)) == x.axes[..<2] + [Axis("time", .time, 12)]
    )
    #expect(
      try shape(Operators.Spread(axes: [0], along: [Axis("copy", .other, 3)]))
        == [Axis("copy", .other, 3)] + x.axes)
    #expect(
      try Operators.MomentSums(over: [0, 2]).outputs([x])[0].axes.map(\.name) == [
        "moment", "channel",
      ])
    #expect(try Operators.MomentSums(over: [0, 2]).outputs([x])[0].type == .float64)
  }

  @Test("settings as tables show them")
  func texts() {
    let windows = [2, 3].map { PoolWindow(axis: $0, extent: 3, stride: 2, padding: 1) }
    #expect(Operators.MaxPool(windows).text == "max-pool 3×3 /2 +1 over 2,3")
    #expect(
      Operators.AveragePool([PoolWindow(axis: 2, extent: 2)]).text == "average-pool 2 /2 over 2")
    #expect(Operation(Operators.Map(.relu)).description == "map relu")
    #expect(Operators.Add().text == "add")
    #expect(
      Operators.Softmax(axis: 3, maskAxes: [2, 3]).text == "softmax along 3 masked along 2,3")
    #expect(Operators.Sum(over: [2, 3], scale: 0.25).text == "sum over 2,3 ×0.25")
  }
}
