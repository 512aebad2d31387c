import Execution
import Kernels
import Partitioning
import Planning

/// A 2-D convolution whose kernel is a product of factors: one conv_einsum expression of image and
/// factors (`Form`). Without bias, for batch normalisation follows.
///
/// Input `bhws`, output `bhwt`, zero padding such that stride 1 keeps height and width:
///
///     y[b, i, j, t] = Σ_{k, l, s} x[b, i·stride + k·dilation − ⌊reach/2⌋, …, s] · K[t, s, k, l]
///
/// ```swift
/// let layer = try FactorizedConvolution(
///   name: "conv2", form: .cp,
///   kernel: KernelShape(inputChannels: 32, outputChannels: 64, height: 3, width: 3),
///   compression: 0.1, seed: 0)
/// let (y, pullback) = try layer.forward(x, pass)   // [b, 28, 28, 32] to [b, 28, 28, 64]
/// ```
public final class FactorizedConvolution: Layer {
  public let name: String
  public let form: Form
  public let kernel: KernelShape
  /// The extent of every rank mode.
  public let rank: Int
  public let parameters: [Parameter]
  private let expression: ParameterizedExpression
  var checkpointing: Checkpointing { expression.checkpointing }

  /// A layer with initial values of variance as `Form` derives them.
  ///
  /// - Parameters:
  ///   - compression: parameters / parameters of the dense kernel, in (0, 10]; without meaning for
  ///     the dense form. A rank below 1 becomes 1.
  ///   - gain: variance of the output / mean square of the input; 2 where a ReLU follows.
  ///   - needsInputGradient: `false` for the first layer, whose pullback then returns `nil`.
  /// - Throws: `NetworkError`, if the compression is out of range, an extent is not positive, or
  ///   the form is larger than the dense kernel even at rank 1.
  public init(
    name: String, form: Form, kernel: KernelShape, compression: Double, stride: Int = 1,
    dilation: Int = 1, gain: Double = 2, seed: UInt64, needsInputGradient: Bool = true,
    checkpointing: Checkpointing = .keep
  ) throws {
    try checkPositive(
      name,
      [
        ("the number of input channels", kernel.inputChannels),
        ("the number of output channels", kernel.outputChannels),
        ("the kernel's height", kernel.height), ("the kernel's width", kernel.width),
        ("the stride", stride), ("the dilation", dilation),
      ])
    let rank = try form.rank(ofLayer: name, kernel, compression: compression)
    let shapes = form.factorShapes(kernel, rank: rank)
    let deviations = form.standardDeviations(kernel, rank: rank, gain: gain)
    self.name = name
    self.form = form
    self.kernel = kernel
    self.rank = rank
    parameters = form.factors.indices.map { factor in
      let modes = form.factors[factor].map(\.name).joined(separator: "_")
      let parameter = "\(name).\(modes)"
      let value = normalTensor(
        shape: shapes[factor], standardDeviation: deviations[factor], seed: seed, name: parameter)
      return Parameter(name: parameter, value: value, decays: true)
    }
    // The image is the feature even where it is smaller than the kernel.
    let rule = ConvRule(
      stride: stride, dilation: dilation, padding: .same, kind: .correlation, feature: 0)
    expression = ParameterizedExpression(
      name: name, text: form.expression, rules: ConvRules(all: rule), parameters: parameters,
      needsInputGradient: needsInputGradient, checkpointing: checkpointing)
  }

  /// Elements of all factors.
  public var parameterCount: Int { parameters.reduce(0) { $0 + $1.value.count } }

  /// Cut as the input is.
  ///
  /// - Throws: `NetworkError.unexpectedInput`.
  public func outputLayout(_ input: Layout) throws -> Layout {
    let output = try layouts(input).output
    return output.resized(to: output.shape.prefix(3) + [kernel.outputChannels])
  }

  /// What is planned of a step over images in this layout.
  func plan(for input: Layout) throws -> DistributedPlan { try expression.plan(layouts(input)) }

  /// The layouts of input and output with the expression's modes.
  private func layouts(_ input: Layout) throws -> ParameterizedExpression.Layouts {
    try requireImages(input.shape)
    let modes = input.splittingLast(into: form.inputExtents(kernel))
    let shape = try expression.bound(modes.shape).outputShape
    return ParameterizedExpression.Layouts(
      input: modes,
      output: input.resized(to: Array(shape.prefix(4))).splittingLast(
        into: Array(shape.dropFirst(3))))
  }

  private func requireImages(_ shape: [Int]) throws {
    guard shape.count == 4, shape[3] == kernel.inputChannels else {
      throw NetworkError.unexpectedInput(
        layer: name, shape: shape, expected: "[batch, height, width, \(kernel.inputChannels)]")
    }
  }

  /// - Throws: `NetworkError.unexpectedInput`, `.unexpectedSharding`, and what planning or kernels
  ///   throw.
  public func forward(_ input: Tensor<Float>, _ pass: Pass) throws -> (
    output: Tensor<Float>, pullback: Pullback
  ) {
    let shape = input.shape
    try requireImages(shape)
    // Reshaped forms see the channels as several modes; row-major order makes that free.
    let image = input.reshaped(shape.dropLast() + form.inputExtents(kernel))
    let output: Tensor<Float>
    let pullback: Pullback
    if let sharding = pass.sharding, !sharding.cutsSamplesOnly {
      try sharding.requireImages(
        name, box: shape, rank: pass.communicator.rank, ranks: pass.communicator.size)
      (output, pullback) = try expression.forward(image, pass, sharded: layouts(sharding))
    } else {
      (output, pullback) = try expression.forward(image, pass)
    }
    let modeShape = output.shape
    let images = output.reshaped(modeShape.prefix(3) + [kernel.outputChannels])
    return (images, { try pullback($0.reshaped(modeShape))?.reshaped(shape) })
  }
}

/// - Throws: `NetworkError.extentNotPositive` for the first that is not at least 1.
func checkPositive(_ layer: String, _ extents: [(what: String, extent: Int)]) throws {
  for (what, extent) in extents where extent < 1 {
    throw NetworkError.extentNotPositive(layer: layer, what: what, extent: extent)
  }
}
