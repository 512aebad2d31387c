import CKernels
import Testing

@testable import Kernels

/// The building block against its definition.
@Suite struct BatchReduceTests {
  /// Every number of lanes and columns, on a destination of NaN with a margin that must stay.
  @Test(arguments: 0..<20) func sumsOfProducts(seed: UInt64) {
    check(Float.self, seed: seed)
    check(Double.self, seed: seed)
  }

  private func check<Element: TensorElement>(_ type: Element.Type, seed: UInt64) {
    var random = Generator(seed: seed)
    for lanes in 1...Int(CONVOY_LANES) {
      let columns = Int.random(in: 1...27, using: &random)
      let depth = Int.random(in: 1...9, using: &random)
      let count = Int.random(in: 0...5, using: &random)
      let width = Int(CONVOY_LANES)
      let (aStep, cStep) = (width + Int.random(in: 0...3, using: &random), lanes + 3)
      let isAcross = Bool.random(using: &random)
      let (bDepth, bColumn) = isAcross ? (1, depth + 2) : (columns + 1, 1)
      func elements(_ count: Int) -> [Element] {
        (0..<count).map { _ in Element(Int.random(in: -8...8, using: &random)) }
      }
      let aCount = (depth + 5) * aStep + width
      let a = elements(aCount)
      let b = elements((depth + 2) * (columns + 2) + 8)
      let aOffsets = (0..<count).map { _ in Int.random(in: 0...4, using: &random) * aStep }
      let bOffsets = (0..<count).map { _ in Int.random(in: 0...2, using: &random) }
      for adding in [false, true] {
        let before =
          adding ? elements(columns * cStep) : Array(repeating: .nan, count: columns * cStep)
        var c = before
        aOffsets.withUnsafeBufferPointer { aOffsets in
          bOffsets.withUnsafeBufferPointer { bOffsets in
            let shape = ConvoyBatchReduce(
              lanes: lanes, columns: columns, depth: depth, count: count,
              a_offsets: aOffsets.baseAddress, b_offsets: bOffsets.baseAddress, a_k: aStep,
              b_k: bDepth, b_j: bColumn, c_j: cStep, adding: adding ? 1 : 0)
            Element.batchReduce(shape, a, b, &c)
          }
        }
        for column in 0..<columns {
          for lane in 0..<cStep {
            let at = column * cStep + lane
            guard lane < lanes else {
              #expect(c[at] == before[at] || c[at].isNaN && before[at].isNaN)
              continue
            }
            var expected: Element = adding ? before[at] : 0
            for t in 0..<count {
              for k in 0..<depth {
                expected +=
                  a[aOffsets[t] + k * aStep + lane] * b[bOffsets[t] + k * bDepth + column * bColumn]
              }
            }
            #expect(c[at] == expected, "\(lanes) lanes, \(columns) columns, \(count)×\(depth)")
          }
        }
      }
    }
  }
}
