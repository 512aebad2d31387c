@testable import Planning

/// Expressions for the tests of the order, bound without the parser.
struct ExpressionBuilder {
  struct Convolution {
    var stride = 1
    var dilation = 1
    var low = 0
    var high = 0
  }

  /// Modes by operand, as numbers.
  var operands: [[Int]]
  var output: [Int]
  /// Extents of the plain modes.
  var extents: [Int: Int] = [:]
  /// By convolution mode the extents of its carriers, in order; the first largest is the feature.
  var carrierExtents: [Int: [Int]] = [:]
  var convolutions: [Int: Convolution] = [:]

  var expression: BoundExpression {
    let count = (Array(extents.keys) + Array(carrierExtents.keys)).max().map { $0 + 1 } ?? 0
    let modes = (0..<count).map { mode in
      let geometry = geometry(of: mode)
      return BoundExpression.BoundMode(
        mode: Mode("m\(mode)"), extent: geometry?.featureExtent ?? extents[mode] ?? 1,
        convolution: geometry)
    }
    let shapes = operands.indices.map { operand in
      operands[operand].map { mode in
        modes[mode].convolution?.extent(ofOperand: operand) ?? modes[mode].extent
      }
    }
    return BoundExpression(
      text: "", shapes: shapes, modes: modes, operands: operands.map { $0.map { $0 } },
      output: output)
  }

  private func geometry(of mode: Int) -> ConvolutionGeometry? {
    guard let extents = carrierExtents[mode], let largest = extents.max() else { return nil }
    let carriers = operands.indices.filter { operands[$0].contains(mode) }
    let rule = convolutions[mode] ?? Convolution()
    let feature = extents.firstIndex(of: largest) ?? 0
    return ConvolutionGeometry(
      feature: carriers[feature], featureExtent: largest,
      filters: carriers.indices.filter { $0 != feature }
        .map { .init(operand: carriers[$0], extent: extents[$0]) },
      stride: rule.stride, dilation: rule.dilation, low: rule.low, high: rule.high,
      kind: .correlation, boundary: .zero)
  }
}

/// A generator of the tests' own (xorshift64*).
struct TestRandom: RandomNumberGenerator {
  private var state: UInt64

  init(_ seed: Int) {
    state = UInt64(seed) &* 0x2545_F491_4F6C_DD1D | 1
    for _ in 0..<8 { _ = next() }
  }

  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_F491_4F6C_DD1D
  }
}

extension ExpressionBuilder {
  /// A random network: each of `count` operands on `degree` bonds (fewer where the pairing made
  /// loops), each bond on two operands, with extents from `range`; scalar output.
  static func regular(
    _ count: Int, degree: Int, extents range: ClosedRange<Int>, seed: Int
  ) -> BoundExpression {
    var random = TestRandom(seed)
    var stubs = (0..<count * degree).map { $0 / degree }
    stubs.shuffle(using: &random)
    var builder = ExpressionBuilder(operands: .init(repeating: [], count: count), output: [])
    for bond in 0..<stubs.count / 2 {
      let (a, b) = (stubs[2 * bond], stubs[2 * bond + 1])
      builder.extents[bond] = Int.random(in: range, using: &random)
      if a == b { continue }
      builder.operands[a].append(bond)
      builder.operands[b].append(bond)
    }
    return builder.expression
  }

  /// A tensor-ring convolution layer of `inputs + outputs + 2` operands: the image b s₁ s₂ … h w,
  /// a core for each s and each t, and one core with both h and w, on a ring of bonds.
  static func tensorRing(inputs: Int, outputs: Int, stride: Int = 1) -> BoundExpression {
    let cores = inputs + outputs + 1
    // 0 batch, 1 h, 2 w, then s, then t, then the bonds.
    let s = 3..<3 + inputs
    let t = s.upperBound..<s.upperBound + outputs
    let bond = { (i: Int) in t.upperBound + i % cores }
    var builder = ExpressionBuilder(operands: [[0] + s + [1, 2]], output: [0] + t + [1, 2])
    for (i, mode) in (Array(s) + Array(t)).enumerated() {
      builder.operands.append([bond(i), mode, bond(i + 1)])
    }
    builder.operands.append([bond(cores - 1), 1, 2, bond(0)])
    builder.extents = [0: 32]
    for mode in s { builder.extents[mode] = 4 }
    for mode in t { builder.extents[mode] = 5 }
    for i in 0..<cores { builder.extents[bond(i)] = 6 + i % 3 }
    builder.carrierExtents = [1: [32, 3], 2: [32, 3]]
    builder.convolutions = [
      1: .init(stride: stride, low: 1, high: 1), 2: .init(stride: stride, low: 1, high: 1),
    ]
    return builder.expression
  }
}
