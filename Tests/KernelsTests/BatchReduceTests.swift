import CKernels
import Testing

@testable import Kernels

/// The building block against its definition.
@Suite struct BatchReduceTests {
  /// Every number of lanes and columns, on a destination of NaN with a margin that must stay.
  @Test(arguments: InstructionSet.available, 0..<20)
  func sumsOfProducts(instructions: InstructionSet, seed: UInt64) {
    check(Float.self, instructions, seed: seed)
    check(Double.self, instructions, seed: seed)
  }

  private func check<Element: TensorElement>(
    _ type: Element.Type, _ instructions: InstructionSet, seed: UInt64
  ) {
    var random = Generator(seed: seed)
    // Whole blocks more often, for they are also taken in pairs.
    let whole = Array(repeating: Int(CONVOY_LANES), count: 8)
    for lanes in Array(1..<Int(CONVOY_LANES)) + whole {
      let columns = Int.random(in: 1...60, using: &random)
      let depth = Int.random(in: 1...9, using: &random)
      let count = Int.random(in: 0...5, using: &random)
      // Short runs, of which some are put aside, or one.
      let run = [1, 2, 3, .max].randomElement(using: &random) ?? .max
      let width = Int(CONVOY_LANES)
      let (aStep, cStep) = (width + Int.random(in: 0...3, using: &random), lanes + 3)
      // Half a page and a page apart fewer columns are taken at a time.
      let apart = [depth + 2, depth + 2, 512, 1024].randomElement(using: &random) ?? 1
      // What lies together of columns' sources has blocks of its own, as has what does not.
      let steps = [(1, apart), (columns + 1, 1), (2 * columns + 1, 2)]
      let (bDepth, bColumn) = steps.randomElement(using: &random) ?? (1, apart)
      let repeats = Int.random(in: 1...5, using: &random)
      // Along lanes or along columns.
      let (aRepeat, bRepeat, cRepeat) =
        Bool.random(using: &random)
        ? (Int.random(in: 1...40, using: &random), 0, columns * cStep)
        : (0, Int.random(in: 1...40, using: &random), columns * cStep + 2)
      func elements(_ count: Int) -> [Element] {
        (0..<count).map { _ in Element(Int.random(in: -8...8, using: &random)) }
      }
      let aCount = (depth + 5) * aStep + width + repeats * aRepeat
      let a = elements(aCount)
      let b = elements((depth + 2) * (2 * columns + 2) + columns * bColumn + 8 + repeats * bRepeat)
      let aOffsets = (0..<count).map { _ in Int.random(in: 0...4, using: &random) * aStep }
      let bOffsets = (0..<count).map { _ in Int.random(in: 0...2, using: &random) }
      for adding in [false, true] {
        let before =
          adding
          ? elements(repeats * cRepeat) : Array(repeating: .nan, count: repeats * cRepeat)
        var c = before
        aOffsets.withUnsafeBufferPointer { aOffsets in
          bOffsets.withUnsafeBufferPointer { bOffsets in
            let shape = ConvoyBatchReduce(
              level: instructions.level, lanes: lanes, columns: columns, depth: depth, count: count,
              a_offsets: aOffsets.baseAddress, b_offsets: bOffsets.baseAddress, a_k: aStep,
              b_k: bDepth, b_j: bColumn, c_j: cStep, run: run, low: 0, adding: adding ? 1 : 0,
              repeats: repeats, a_r: aRepeat, b_r: bRepeat, c_r: cRepeat)
            Element.batchReduce(shape, a, b, &c)
          }
        }
        for at in c.indices {
          let (index, within) = at.quotientAndRemainder(dividingBy: cRepeat)
          let (column, lane) = within.quotientAndRemainder(dividingBy: cStep)
          guard column < columns, lane < lanes else {
            #expect(c[at] == before[at] || c[at].isNaN && before[at].isNaN)
            continue
          }
          var expected: Element = adding ? before[at] : 0
          for t in 0..<count {
            for k in 0..<depth {
              expected +=
                a[aOffsets[t] + k * aStep + lane + index * aRepeat]
                * b[bOffsets[t] + k * bDepth + column * bColumn + index * bRepeat]
            }
          }
          #expect(c[at] == expected, "\(lanes) lanes, \(columns) columns, \(count)×\(depth)")
        }
      }
    }
  }
}
