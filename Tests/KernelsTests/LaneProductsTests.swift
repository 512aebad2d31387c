import CKernels
import Testing

@testable import Kernels

/// Rows of sums of element-wise products against their definition.
@Suite struct LaneProductsTests {
  /// Lanes and columns of every remainder, on a destination of NaN with a margin that must stay.
  @Test(arguments: InstructionSet.available, 0..<20)
  func sumsOfProducts(instructions: InstructionSet, seed: UInt64) {
    check(Float.self, instructions, seed: seed)
    check(Double.self, instructions, seed: seed)
  }

  private func check<Element: TensorElement>(
    _ type: Element.Type, _ instructions: InstructionSet, seed: UInt64
  ) {
    var random = Generator(seed: seed)
    for lanes in Array(1...36) + [63, 64, 79, 80, 96, 113, 130] {
      let columns = Int.random(in: 1...9, using: &random)
      let depth = Int.random(in: 1...4, using: &random)
      let count = Int.random(in: 0...5, using: &random)
      // Short runs, of which some are put aside, or one.
      let run = [1, 2, 3, .max].randomElement(using: &random) ?? .max
      let margin = Int.random(in: 0...3, using: &random)
      let (aColumn, cColumn) = (lanes + margin, lanes + 3)
      let isRepeated = Bool.random(using: &random)
      let bColumn = Bool.random(using: &random) ? 0 : lanes + 2
      func elements(_ count: Int) -> [Element] {
        (0..<count).map { _ in Element(Int.random(in: -8...8, using: &random)) }
      }
      let (aStep, bStep) = (columns * aColumn + 1, columns * (lanes + 2) + 1)
      let a = elements((depth + 5) * aStep)
      let b = elements((depth + 3) * bStep)
      let aOffsets = (0..<count).map { _ in Int.random(in: 0...4, using: &random) * aStep }
      let bOffsets = (0..<count).map { _ in Int.random(in: 0...2, using: &random) * bStep }
      for adding in [false, true] {
        let cCount = columns * cColumn
        let before = adding ? elements(cCount) : Array(repeating: .nan, count: cCount)
        var c = before
        aOffsets.withUnsafeBufferPointer { aOffsets in
          bOffsets.withUnsafeBufferPointer { bOffsets in
            let shape = ConvoyLaneProducts(
              level: instructions.level, lanes: lanes, columns: columns, depth: depth, count: count,
              a_offsets: aOffsets.baseAddress, b_offsets: bOffsets.baseAddress, a_k: aStep,
              b_k: bStep, a_j: aColumn, b_j: bColumn, c_j: cColumn, b_i: isRepeated ? 0 : 1,
              run: run, low: 0,
              adding: adding ? 1 : 0)
            Element.laneProducts(shape, a, b, &c)
          }
        }
        for at in c.indices {
          let (column, lane) = at.quotientAndRemainder(dividingBy: cColumn)
          guard lane < lanes else {
            #expect(c[at] == before[at] || c[at].isNaN && before[at].isNaN)
            continue
          }
          var expected: Element = adding ? before[at] : 0
          for t in 0..<count {
            for k in 0..<depth {
              expected +=
                a[aOffsets[t] + k * aStep + column * aColumn + lane]
                * b[bOffsets[t] + k * bStep + column * bColumn + (isRepeated ? 0 : lane)]
            }
          }
          #expect(c[at] == expected, "\(lanes) lanes, \(columns) columns, \(count)×\(depth)")
        }
      }
    }
  }
}
