import Kernels
import TestSupport
import Testing

/// The tools of the other tests: a comparison that missed a difference would let everything pass.
@Suite struct RandomDataTests {
  private let expected = Tensor<Double>(shape: [2, 3], elements: [1, 2, 3, 4, 5, 6])

  private func moved(_ index: Int, to value: Float) -> Tensor<Float> {
    var tensor = expected.converted(to: Float.self)
    tensor.withMutableElements { $0[index] = value }
    return tensor
  }

  @Test func equalTensorsMatch() {
    #expect(mismatch(expected, expected) == nil)
    #expect(mismatch(moved(5, to: 6), expected) == nil)
    let empty = Tensor<Double>(shape: [0, 3])
    #expect(mismatch(empty, empty) == nil)
  }

  @Test func aMismatchNamesTheFirstElementThatDiffers() {
    var found = moved(5, to: 7)
    found[1, 0] = -4
    #expect(
      mismatch(found, expected)?.description
        == "at [1, 0] of [2, 3]: -4.0, expected 4.0 ± 0.0; 2 of 6 elements differ")
    #expect(
      mismatch(expected.reshaped([3, 2]), expected)?.description
        == "shape [3, 2], expected [2, 3]")
    #expect(mismatch(Tensor<Float>(shape: [0]), Tensor<Double>(shape: [1])) != nil)
  }

  @Test func exactMeansToTheLastBit() {
    #expect(mismatch(moved(0, to: Float(1).nextUp), expected) != nil)
    #expect(mismatch(moved(0, to: Float(1).nextUp), expected, tolerance: .rounding) == nil)
  }

  /// Bounds grow with the largest element expected, 6, or with the magnitude that is given.
  @Test func tolerancesAreRelativeToTheMagnitude() {
    let tolerance = Tolerance.relative(0.01)
    #expect(mismatch(moved(0, to: 1.05), expected, tolerance: tolerance) == nil)
    #expect(mismatch(moved(0, to: 1.07), expected, tolerance: tolerance) != nil)
    #expect(mismatch(moved(0, to: 1.07), expected, tolerance: tolerance, magnitude: 10) == nil)
    #expect(mismatch(moved(0, to: 1.01), expected, tolerance: .rounding) != nil)
    let double = Tensor(shape: [2, 3], elements: [1.0001, 2, 3, 4, 5, 6])
    #expect(mismatch(double, expected, tolerance: .rounding) != nil)
  }

  @Test func notANumberMatchesNothingElse() {
    let withNaN = Tensor(shape: [2, 3], elements: [1, 2, .nan, 4, 5, 6])
    let loose = Tolerance.relative(1)
    #expect(mismatch(withNaN, withNaN) == nil)
    #expect(mismatch(withNaN, expected, tolerance: loose) != nil)
    #expect(mismatch(expected, withNaN, tolerance: loose) != nil)
    let infinite = Tensor(shape: [2, 3], elements: [1, 2, .infinity, 4, 5, 6])
    #expect(mismatch(infinite, infinite) == nil)
    #expect(mismatch(infinite, expected, tolerance: loose) != nil)
    #expect(mismatch(expected, infinite, tolerance: loose) != nil)
  }

  @Test func dataDependOnSeedOperandAndIndexOnly() {
    for data in [TensorData.uniform, .smallIntegers] {
      let whole: Tensor<Double> = data.tensor([4, 256], seed: 3, operand: 1)
      let flat: Tensor<Double> = data.tensor([1024], seed: 3, operand: 1)
      #expect(whole.elements == flat.elements)
      #expect(whole.elements == (0..<1024).map { data.value(seed: 3, operand: 1, index: $0) })
      let others: [Tensor<Double>] = [
        data.tensor([4, 256], seed: 4, operand: 1), data.tensor([4, 256], seed: 3, operand: 2),
        data.tensor([4, 256], seed: 1, operand: 3),
      ]
      for other in others {
        let equal = zip(whole.elements, other.elements).count { $0 == $1 }
        #expect(equal < 1024 * 2 / 5)
      }
    }
  }

  @Test func dataAreSpreadEvenly() {
    let integers: Tensor<Float> = TensorData.smallIntegers.tensor([4000], seed: 1, operand: 0)
    for value in [-2, -1, 1, 2] as [Float] {
      #expect((900...1100).contains(integers.elements.count { $0 == value }))
    }
    let uniform: Tensor<Double> = TensorData.uniform.tensor([4000], seed: 1, operand: 0)
    for quarter in 0..<4 {
      let low = -1 + Double(quarter) / 2
      #expect((900...1100).contains(uniform.elements.count { low <= $0 && $0 < low + 0.5 }))
    }
    #expect(Set(uniform.elements).count == 4000)
  }
}
