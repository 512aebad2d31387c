import Collectives
import Execution
import Kernels
import Planning
import TestSupport
import Testing

@testable import Training

/// Factorised convolutions against plain loops over the rebuilt kernel.
@Suite struct FactorizedConvolutionTests {
  static let kernel = KernelShape(inputChannels: 12, outputChannels: 8, height: 3, width: 3)

  /// Every form, with the kernel rebuilt by the reference evaluator from the text of the design.
  @Test(arguments: Form.all, [(1, 1), (2, 1), (1, 2), (2, 2)])
  func agreesWithTheRebuiltKernel(form: Form, geometry: (stride: Int, dilation: Int)) throws {
    let layer = try FactorizedConvolution(
      name: "conv", form: form, kernel: Self.kernel, compression: 0.9, stride: geometry.stride,
      dilation: geometry.dilation, seed: 3)
    let images = uniform([2, 7, 5, 12], seed: 4)
    let expected = plainConvolution(
      images.converted(), rebuiltKernel(layer), stride: geometry.stride,
      dilation: geometry.dilation)
    for context in Context.paths {
      let pass = Pass(isTraining: false, communicator: SingleCommunicator(), context: context)
      let output = try layer.forward(images, pass).output
      #expect(mismatch(output, expected, tolerance: .relative(1e-5)) == nil, "\(context.path)")
    }
  }

  /// ⟨g, y⟩ is linear in each factor and in the images, so a difference of any size is exact.
  @Test(arguments: Form.all, Context.paths)
  func gradientsAreRight(form: Form, context: Context) throws {
    for checkpointing in Checkpointing.allCases {
      let layer = try FactorizedConvolution(
        name: "conv", form: form, kernel: Self.kernel, compression: 0.7, stride: 2, seed: 3,
        checkpointing: checkpointing)
      let error = try gradientError(
        layer, input: uniform([2, 5, 6, 12], seed: 4), step: 0.5, tolerance: 1e-4,
        context: context)
      #expect(error == nil)
    }
  }

  /// torch.nn.functional.conv2d, permuted to channels last.
  @Test func denseAgreesWithPyTorch() throws {
    func output(stride: Int, dilation: Int) throws -> Tensor<Float> {
      let layer = try FactorizedConvolution(
        name: "conv", form: .dense,
        kernel: KernelShape(inputChannels: 3, outputChannels: 2, height: 3, width: 3),
        compression: 1, stride: stride, dilation: dilation, seed: 0)
      layer.parameters[0].value = pattern([2, 3, 3, 3], 53)
      return try layer.forward(pattern([2, 5, 4, 3], 37), alone).output
    }
    let strided = golden(
      [2, 3, 2, 2],
      [
        -4.2832, -1.9472, 4.302401, -6.988802, -5.3312, -9.9424, -5.8176, -11.576, 0.9183997,
        0.8911999, 3.656001, -1.241601, -4.2256, -2.2192, 4.2992, -7.324801, -1.312, -3.5088,
        -2.670399, -5.8576, 0.9407998, 0.9072005, 3.7616, -1.1456,
      ])
    let found = try output(stride: 2, dilation: 1)
    #expect(mismatch(found, strided, tolerance: .relative(1e-6)) == nil)
    let dilated = try output(stride: 1, dilation: 2)
    let firstRow = golden(
      [4, 2], [8.191999, 7.6992, 3.2176, 1.6256, -8.4944, -8.5024, -3.768, -6.4912])
    let start = Tensor(shape: [4, 2], elements: dilated.elements.prefix(8))
    #expect(mismatch(start, firstRow, tolerance: .relative(1e-6)) == nil)
  }

  @Test(arguments: Context.paths) func theFirstLayerHasNoInputGradient(context: Context) throws {
    let layer = try FactorizedConvolution(
      name: "conv", form: .cp, kernel: Self.kernel, compression: 0.5, seed: 3,
      needsInputGradient: false)
    let input = uniform([1, 4, 4, 12], seed: 4)
    let (output, pullback) = try layer.forward(input, alone(in: context))
    #expect(try pullback(uniform(output.shape, seed: 5)) == nil)
    #expect(layer.parameters.allSatisfy { $0.gradient.norm > 0 })
    #expect(
      try gradientError(layer, input: input, step: 0.5, tolerance: 1e-4, context: context) == nil)
  }

  @Test(arguments: Context.paths) func gradientsAddUp(context: Context) throws {
    let layer = try FactorizedConvolution(
      name: "conv", form: .cp, kernel: Self.kernel, compression: 0.5, seed: 3)
    let (output, pullback) = try layer.forward(uniform([1, 4, 4, 12], seed: 4), alone(in: context))
    let gradient = uniform(output.shape, seed: 5)
    _ = try pullback(gradient)
    let once = layer.parameters.map(\.gradient)
    _ = try pullback(gradient)
    for (parameter, once) in zip(layer.parameters, once) {
      let twice = Tensor(shape: once.shape, elements: once.elements.map { 2 * Double($0) })
      #expect(mismatch(parameter.gradient, twice) == nil)
    }
  }

  @Test(arguments: [Form.cp, .reshapedCP]) func anEmptyBatchPasses(form: Form) throws {
    let layer = try FactorizedConvolution(
      name: "conv", form: form, kernel: Self.kernel, compression: 0.5, stride: 2, seed: 3)
    let (output, pullback) = try layer.forward(Tensor(shape: [0, 6, 6, 12]), alone)
    #expect(output.shape == [0, 3, 3, 8])
    #expect(try pullback(output)?.shape == [0, 6, 6, 12])
    #expect(layer.parameters.allSatisfy { $0.gradient.norm == 0 })
  }

  @Test(arguments: Context.paths) func imagesMayBeSmallerThanTheKernel(context: Context) throws {
    let layer = try FactorizedConvolution(
      name: "conv", form: .cp, kernel: Self.kernel, compression: 0.5, seed: 3)
    let images = uniform([2, 1, 2, 12], seed: 4)
    let expected = plainConvolution(
      images.converted(), rebuiltKernel(layer), stride: 1, dilation: 1)
    let output = try layer.forward(images, alone(in: context)).output
    #expect(mismatch(output, expected, tolerance: .relative(1e-5)) == nil)
  }

  @Test func parameterNamesAndCount() throws {
    let layer = try FactorizedConvolution(
      name: "conv2", form: .tucker, kernel: Self.kernel, compression: 0.5, seed: 3)
    #expect(layer.parameters.map(\.name) == ["conv2.r1_t", "conv2.r2_s", "conv2.r1_r2_h_w"])
    let rank = layer.rank
    #expect(layer.parameterCount == rank * 20 + rank * rank * 9)
    #expect(layer.parameters.allSatisfy { $0.decays })
  }

  @Test func anEvaluationHasNoPullback() throws {
    let layer = try FactorizedConvolution(
      name: "conv", form: .cp, kernel: Self.kernel, compression: 0.5, seed: 3)
    let (output, pullback) = try layer.forward(uniform([1, 4, 4, 12], seed: 4), evaluation)
    #expect(throws: NetworkError.evaluationHasNoGradient(layer: "conv")) {
      try pullback(output)
    }
  }

  @Test(arguments: [0, -0.1, .nan, .infinity, 10.5]) func compressionOutOfRange(
    compression: Double
  ) throws {
    let error = #expect(throws: NetworkError.self) {
      try FactorizedConvolution(
        name: "conv2", form: .cp, kernel: Self.kernel, compression: compression, seed: 0)
    }
    let text = try #require(error?.description)
    #expect(
      text == """
        conv2: the compression of form cp is \(compression), but must be greater than 0 and at \
        most 10.0; it is the layer's parameters divided by those of the dense kernel, e.g. 0.1
        """)
  }

  @Test func theDenseFormIgnoresTheCompression() throws {
    let layer = try FactorizedConvolution(
      name: "conv", form: .dense, kernel: Self.kernel, compression: .nan, seed: 0)
    #expect(layer.rank == 1 && layer.parameterCount == 12 * 8 * 9)
  }

  @Test func aFormLargerThanTheDenseKernel() throws {
    let point = KernelShape(inputChannels: 1, outputChannels: 4, height: 1, width: 1)
    let error = #expect(throws: NetworkError.self) {
      try FactorizedConvolution(name: "c", form: .cp, kernel: point, compression: 0.5, seed: 0)
    }
    #expect(
      error?.description == """
        c: form cp cannot compress 1 to 4 channels with a 1×1 kernel to 0.5: at rank 1, the \
        smallest, it has 7 parameters, and the dense kernel has 4; use form dense here, or more \
        channels
        """)
    // Asked for with a compression above 1 it is no mistake.
    let large = try FactorizedConvolution(
      name: "c", form: .cp, kernel: point, compression: 2, seed: 0)
    #expect(large.rank == 1)
  }

  @Test func badExtentsAndInputs() throws {
    let none = KernelShape(inputChannels: 12, outputChannels: 0, height: 3, width: 3)
    #expect(
      throws: NetworkError.extentNotPositive(
        layer: "c", what: "the number of output channels", extent: 0)
    ) {
      try FactorizedConvolution(name: "c", form: .cp, kernel: none, compression: 0.5, seed: 0)
    }
    let layer = try FactorizedConvolution(
      name: "c", form: .cp, kernel: Self.kernel, compression: 0.5, seed: 0)
    for shape in [[2, 4, 4, 11], [2, 4, 12], [12]] {
      let error = #expect(throws: NetworkError.self) {
        try layer.forward(Tensor(shape: shape), alone)
      }
      #expect(
        error?.description == """
          c: the input has shape \(shape), but [batch, height, width, 12] was expected
          """)
    }
  }
}

/// The kernel `[T, S, Kh, Kw]` of a layer from its factors.
private func rebuiltKernel(_ layer: FactorizedConvolution) -> Tensor<Double> {
  let channels =
    layer.form.factors.joined().contains("t1") ? "(t1)(t2)(t3)(s1)(s2)(s3)hw" : "tshw"
  let factors = layer.parameters.map { $0.value.converted(to: Double.self) }
  let text = "\(layer.form)->\(channels)"
  guard let bound = try? BoundExpression(text, shapes: factors.map(\.shape)) else {
    return Tensor(shape: [])
  }
  let kernel = layer.kernel
  return ReferenceEvaluator(bound).evaluate(factors)
    .reshaped([kernel.outputChannels, kernel.inputChannels, kernel.height, kernel.width])
}

/// PyTorch's conv2d with padding ⌊dilation·(K − 1)/2⌋, channels last, in plain loops.
private func plainConvolution(
  _ x: Tensor<Double>, _ kernel: Tensor<Double>, stride: Int, dilation: Int
) -> Tensor<Double> {
  let (batch, height, width, inputs) = (x.shape[0], x.shape[1], x.shape[2], x.shape[3])
  let (outputs, taps) = (kernel.shape[0], kernel.shape[2])
  let padding = dilation * (taps - 1) / 2
  let outHeight = (height - 1) / stride + 1
  let outWidth = (width - 1) / stride + 1
  var y = Tensor<Double>(shape: [batch, outHeight, outWidth, outputs])
  for b in 0..<batch {
    for i in 0..<outHeight {
      for j in 0..<outWidth {
        for t in 0..<outputs {
          var sum = 0.0
          for k in 0..<taps {
            for l in 0..<taps {
              let (row, column) = (
                i * stride + k * dilation - padding, j * stride + l * dilation - padding
              )
              guard 0 <= row, row < height, 0 <= column, column < width else { continue }
              for s in 0..<inputs { sum += x[b, row, column, s] * kernel[t, s, k, l] }
            }
          }
          y[b, i, j, t] = sum
        }
      }
    }
  }
  return y
}
