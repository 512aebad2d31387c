import CKernels
import Testing

@testable import Kernels

/// Matrices of dot products against their definition.
@Suite struct DotNestTests {
  /// Any number of rows and columns, of summands that fill vectors and that do not, on a destination of NaN
  /// with a margin that must stay.
  @Test(arguments: InstructionSet.available, 0..<20)
  func matricesOfDotProducts(instructions: InstructionSet, seed: UInt64) {
    check(Float.self, instructions, seed: seed)
    check(Double.self, instructions, seed: seed)
  }

  private func check<Element: TensorElement>(
    _ type: Element.Type, _ instructions: InstructionSet, seed: UInt64
  ) {
    var random = Generator(seed: seed)
    for _ in 0..<20 {
      let rows = Int.random(in: 1...12, using: &random)
      let columns = Int.random(in: 1...12, using: &random)
      let depth = Int.random(in: 1...40, using: &random)
      let count = Int.random(in: 0...3, using: &random)
      func elements(_ count: Int) -> [Element] {
        (0..<count).map { _ in Element(Int.random(in: -8...8, using: &random)) }
      }
      let (aStep, bStep) = (depth + 3, depth + Int.random(in: 0...2, using: &random))
      let a = elements(rows * aStep + 3 * depth)
      let b = elements(columns * bStep + 3 * depth)
      let aOffsets = (0..<count).map { _ in Int.random(in: 0...3 * depth - 3, using: &random) }
      let bOffsets = (0..<count).map { _ in Int.random(in: 0...2 * depth, using: &random) }
      let isTransposed = Bool.random(using: &random)
      let (cRow, cColumn) = isTransposed ? (1, rows + 1) : (columns + 1, 1)
      for adding in [false, true] {
        let size = (rows + 1) * (columns + 1)
        let before = adding ? elements(size) : Array(repeating: .nan, count: size)
        var expected = before
        for row in 0..<rows {
          for column in 0..<columns {
            let at = row * cRow + column * cColumn
            if !adding { expected[at] = 0 }
            for t in 0..<count {
              for k in 0..<depth {
                expected[at] +=
                  a[aOffsets[t] + row * aStep + k] * b[bOffsets[t] + column * bStep + k]
              }
            }
          }
        }
        var c = before
        aOffsets.withUnsafeBufferPointer { aOffsets in
          bOffsets.withUnsafeBufferPointer { bOffsets in
            let shape = ConvoyDotProducts(
              level: instructions.level, rows: rows, columns: columns, depth: depth, count: count,
              a_offsets: aOffsets.baseAddress, b_offsets: bOffsets.baseAddress, a_i: aStep,
              b_j: bStep, c_i: cRow, c_j: cColumn, run: .random(in: 1...4, using: &random), low: 0,
              adding: adding ? 1 : 0)
            Element.dotProducts(shape, a, b, &c)
          }
        }
        for (value, known) in zip(c, expected) {
          #expect(
            value == known || value.isNaN && known.isNaN,
            "\(rows)×\(columns) of \(count)·\(depth), adding \(adding)")
        }
      }
    }
  }

  /// An infinite summand before the last vector counts once.
  @Test(arguments: InstructionSet.available)
  func infinityStaysInfinite(instructions: InstructionSet) {
    var a = [Float](repeating: 1, count: 21)
    a[7] = .infinity
    let b = [Float](repeating: 2, count: 21)
    var c: [Float] = [0]
    let zero = [0]
    zero.withUnsafeBufferPointer { zero in
      let shape = ConvoyDotProducts(
        level: instructions.level, rows: 1, columns: 1, depth: 21, count: 1,
        a_offsets: zero.baseAddress,
        b_offsets: zero.baseAddress, a_i: 0, b_j: 0, c_i: 0, c_j: 0, run: .max, low: 0, adding: 0)
      Float.dotProducts(shape, a, b, &c)
    }
    #expect(c == [.infinity])
  }

  /// Sums over one or two loops, the inner one contiguous, with modes of every kind around them.
  private static func randomNest(using generator: inout Generator) -> ContractionNest {
    var loops: [Int] = []
    var tensors: [[ContractionNest.Dimension]] = [[], [], []]
    func plain(_ extent: Int, _ carriers: [Int]) {
      loops.append(extent)
      for carrier in carriers {
        tensors[carrier].append(.init(terms: [.init(loop: loops.count - 1)], extent: extent))
      }
    }
    for carriers in [[0, 1], [0, 2], [1, 2], [0, 1, 2]] {
      for _ in 0..<Int.random(in: 0...2, using: &generator) {
        plain(Int.random(in: 1...7, using: &generator), carriers)
      }
    }
    for tensor in tensors.indices { tensors[tensor].shuffle(using: &generator) }
    // Of the first source a window, which lies inside.
    loops.append(Int.random(in: 2...2100, using: &generator))
    let start = Int.random(in: 0...2, using: &generator)
    let contiguous = loops.count - 1
    let extent = loops[contiguous]
    tensors[0].append(
      .init(terms: [.init(loop: contiguous)], offset: start, extent: extent + start + 1))
    tensors[1].append(.init(terms: [.init(loop: contiguous)], extent: extent))
    return ContractionNest(loops: loops, first: tensors[0], second: tensors[1], result: tensors[2])
  }

  @Test(arguments: InstructionSet.available, 0..<20)
  func nestsAgreeWithTheDefinition(instructions: InstructionSet, seed: Int) {
    let context = Context(instructions: instructions)
    var generator = Generator(seed: UInt64(seed) ^ 0xD07)
    var checked = 0
    for _ in 0..<20 {
      let nest = Self.randomNest(using: &generator)
      guard nest.loops.reduce(1, *) < 200_000,
        let dot = DotNest(nest, roles: [.result, .first, .second], context: context)
      else { continue }
      checked += 1
      #expect(dot.nanoseconds > 0)
      let (p, q) = (generator.integers(nest.count(.first)), generator.integers(nest.count(.second)))
      let old = generator.integers(nest.count(.result))
      let expected = nest.evaluateByDefinition(writing: .result, p, q)
      for adding in [nil, old] {
        let found = onArrays(
          workspaceCount: dot.workspaceCount, count: expected.count, p, q, adding: adding
        ) { d, p, q, workspace in
          dot.run(into: d, p, q, workspace: workspace, adding: adding != nil)
        }
        let known = adding.map { zip($0, expected).map { $0 + $1 } } ?? expected
        #expect(found == known, "\(nest)")
      }
    }
    #expect(checked > 0)
  }

  /// The gradient of a factor between two features with their pixels innermost is taken this way; with
  /// channels innermost it is not.
  @Test func chosenWherePixelsAreInnermost() {
    func plain(_ loop: Int, _ extent: Int) -> ContractionNest.Dimension {
      .init(terms: [.init(loop: loop)], extent: extent)
    }
    let (b, t, r, p) = (plain(0, 32), plain(1, 64), plain(2, 4), plain(3, 1024))
    let loops = [32, 64, 4, 1024]
    let planes = ContractionNest(
      loops: loops, first: [r, t], second: [b, r, p], result: [b, t, p])
    #expect(LoweredNest(planes, writing: .first, context: Context(path: .direct)).dot != nil)
    #expect(LoweredNest(planes, writing: .first, context: Context(path: .openblas)).dot == nil)
    let last = ContractionNest(loops: loops, first: [r, t], second: [b, p, r], result: [b, p, t])
    #expect(LoweredNest(last, writing: .first, context: Context(path: .direct)).dot == nil)
  }
}
