import Kernels
import TestSupport
import Testing

@testable import Training

/// The linear layer and the loss.
@Suite struct LinearTests {
  @Test func agreesWithPlainLoops() throws {
    let linear = try Linear(name: "linear", inputs: 7, outputs: 3, seed: 1)
    linear.bias.value = uniform([3], seed: 2)
    let x = uniform([5, 7], seed: 3)
    var expected = Tensor<Double>(shape: [5, 3])
    for b in 0..<5 {
      for t in 0..<3 {
        expected[b, t] = Double(linear.bias.value[t])
        for s in 0..<7 { expected[b, t] += Double(x[b, s]) * Double(linear.weight.value[t, s]) }
      }
    }
    for context in Context.paths {
      let y = try linear.forward(x, alone(in: context)).output
      #expect(mismatch(y, expected, tolerance: .relative(1e-6)) == nil)
      let error = try gradientError(
        linear, input: x, step: 0.5, tolerance: 1e-4, context: context)
      #expect(error == nil, "\(context.path)")
    }
  }

  @Test func parametersAndEmptyBatch() throws {
    let linear = try Linear(name: "linear", inputs: 400, outputs: 50, seed: 1)
    #expect(linear.parameters.map(\.name) == ["linear.weight", "linear.bias"])
    #expect(linear.parameters.map(\.decays) == [true, false])
    let variance = linear.weight.value.innerProduct(linear.weight.value) / 20_000
    #expect(abs(variance * 400 - 1) < 0.05)
    let (y, pullback) = try linear.forward(Tensor(shape: [0, 400]), alone)
    #expect(y.shape == [0, 50])
    #expect(try pullback(y)?.shape == [0, 400])
    #expect(linear.bias.gradient.norm == 0)
  }

  @Test func badInput() throws {
    #expect(throws: NetworkError.self) { try Linear(name: "l", inputs: 0, outputs: 3, seed: 1) }
    let linear = try Linear(name: "l", inputs: 7, outputs: 3, seed: 1)
    let error = #expect(throws: NetworkError.self) {
      try linear.forward(Tensor(shape: [5, 6]), alone)
    }
    #expect(
      error?.description == "l: the input has shape [5, 6], but [batch, 7] was expected")
  }

  /// torch.nn.functional.cross_entropy(reduction="sum"), the loss in Double.
  @Test func crossEntropyAgreesWithPyTorch() throws {
    let loss = try softmaxCrossEntropy(logits: pattern([3, 4], 37), labels: [2, 0, 3])
    #expect(abs(loss.sum - 5.147660507118113) < 1e-6)
    #expect(loss.correct == 1)
    let gradient = golden(
      [3, 4],
      [
        0.0381931, 0.1677802, -0.2629507, 0.05697741, -0.8615795, 0.6080735, 0.04700697,
        0.2064991, 0.0381931, 0.1677802, 0.7370493, -0.9430226,
      ])
    #expect(mismatch(loss.gradient, gradient, tolerance: .relative(1e-6)) == nil)
  }

  @Test func crossEntropyOfExtremeLogits() throws {
    let certain = try softmaxCrossEntropy(
      logits: Tensor(shape: [2, 2], elements: [1e4, 0, -3e38, 3e38]), labels: [1, 1])
    #expect(certain.sum == 1e4 && certain.correct == 1)
    #expect(certain.gradient.elements == [1, -1, 0, 0])
    for bad: Float in [.nan, .infinity] {
      let loss = try softmaxCrossEntropy(
        logits: Tensor(shape: [1, 3], elements: [0, bad, 1]), labels: [0])
      #expect(loss.sum.isNaN)
    }
    let tied = try softmaxCrossEntropy(logits: Tensor(shape: [2, 3]), labels: [0, 1])
    #expect(tied.correct == 1)
    let empty = try softmaxCrossEntropy(logits: Tensor(shape: [0, 3]), labels: [])
    #expect(empty.sum == 0 && empty.correct == 0 && empty.gradient.shape == [0, 3])
  }

  @Test func badLabels() {
    let logits = Tensor<Float>(shape: [2, 3])
    #expect(throws: NetworkError.labelCount(labels: 1, samples: 2)) {
      try softmaxCrossEntropy(logits: logits, labels: [1])
    }
    let error = #expect(throws: NetworkError.self) {
      try softmaxCrossEntropy(logits: logits, labels: [1, 3])
    }
    #expect(
      error?.description
        == "cross-entropy: the label of sample 1 is 3, but there are 3 classes, 0 to 2")
    #expect(throws: NetworkError.labelOutOfRange(label: -1, sample: 0, classes: 3)) {
      try softmaxCrossEntropy(logits: logits, labels: [-1, 0])
    }
    #expect(throws: NetworkError.self) {
      try softmaxCrossEntropy(logits: Tensor(shape: [2, 3, 1]), labels: [0, 0])
    }
  }
}
