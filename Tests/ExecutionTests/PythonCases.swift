import Kernels
import Planning
import TestSupport

/// Convolutions that numpy and PyTorch have a function of their own for.
enum PythonCases {
  /// Every length up to 7 of both vectors in every mode of `numpy.convolve`.
  static let oneDimensional: [PythonOracle.Case] = {
    let lengths = (1...7).flatMap { first in (1...7).map { [first, $0] } }
    return ["same", "full", "valid"].flatMap { padding in
      lengths.map { lengths in
        PythonOracle.Case(
          check: "convolve", text: "x,x->x|x", options: ["x:padding=\(padding)"],
          operands: TensorData.uniform.tensors(lengths.map { [$0] }, seed: 1))
      }
    }
  }()

  /// Plain, grouped, depthwise and pointwise convolutions of images by every rule that PyTorch
  /// knows: X (b, g, s, h, w), W (g, t, s, h, w), and a gradient of Y (b, g, t, h, w).
  static let twoDimensional: [PythonOracle.Case] = {
    var random = SeededGenerator(seed: 17)
    return (0..<300).compactMap { _ in twoDimensional(&random) }
  }()

  private static func twoDimensional(_ random: inout SeededGenerator) -> PythonOracle.Case? {
    let (batch, groups) = (random.integer(in: 1...3), random.choice([1: 3, 2: 1, 4: 1]))
    let (inputs, outputs) = (random.integer(in: 1...4), random.integer(in: 1...4))
    let image = [random.integer(in: 5...9), random.integer(in: 5...9)]
    let kernel = [random.integer(in: 1...4), random.integer(in: 1...4)]
    let padding = random.choice(["same": 2, "valid": 1, "full": 1, "explicit": 3])
    let circular = random.chance(0.25)
    let options = ["h", "w"].map { mode in
      // PyTorch's own `same` is for stride 1 only; its circular padding is at most one turn.
      let stride = random.integer(in: 1...(padding == "same" ? 2 : 3))
      let dilation = circular ? 1 : random.integer(in: 1...3)
      let sides = "\(random.integer(in: 0...3)):\(random.integer(in: 0...3))"
      return "\(mode):kind=correlation,stride=\(stride),dilation=\(dilation),"
        + "padding=\(padding == "explicit" ? sides : padding)"
        + (circular ? ",boundary=circular" : "")
    }
    var shapes = [
      [batch, groups, inputs] + image, [groups, outputs, inputs] + kernel,
    ]
    let text = "bgshw,gtshw->bgthw|hw"
    // Where the filter does not fit there is nothing to compare.
    guard let rules = try? ConvRules(options: options),
      let bound = try? BoundExpression(text, shapes: shapes, rules: rules),
      bound.modes.allSatisfy({ $0.convolution.map { $0.reach < $0.paddedExtent } ?? true }),
      bound.modes.allSatisfy({ mode in
        mode.convolution.map { $0.reach < $0.featureExtent && $0.feature == 0 } ?? true
      })
    else { return nil }
    shapes.append(bound.outputShape)
    return PythonOracle.Case(
      check: "conv2d", text: text, options: options,
      operands: TensorData.uniform.tensors(shapes, seed: random.next()))
  }
}

extension PythonOracle.Case {
  /// `numpy.einsum` of a random expression.
  init(_ random: RandomExpression, data: TensorData) {
    self.init(
      check: "einsum", text: random.text, options: random.options,
      operands: data.tensors(random.shapes, seed: random.seed))
  }

  /// The expression as Convoy reads it.
  func bound() throws -> BoundExpression {
    let count = text.count { $0 == "," } + 1
    return try BoundExpression(
      text, shapes: operands[..<count].map(\.shape), rules: ConvRules(options: options))
  }
}
