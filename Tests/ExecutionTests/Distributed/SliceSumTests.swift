import Collectives
import Kernels
import Partitioning
import Planning
import TestSupport
import Testing

@testable import Execution

/// Sums over many slices lose no more than sums of few.
@Suite struct SliceSumTests {
  /// Of a sum of 4,096 equal terms: a third of a unit for each of one slice's, and for sixteen slices or buffers of
  /// slices on each level.
  private static func bound(slices: Int) -> Double {
    (Double(4096 / slices + 1) / 3 + 16 / 3 * 3 + 1) * 0x1p-24
  }

  /// One on the other, 4,096 equal terms lose up to 1,000 units, or 8·10⁻⁵ of their sum.
  @Test(arguments: [16, 17, 300, 4096], [0.1, 0.7, 1 / 3.0])
  func manySlicesLoseNoMoreThanFew(slices: Int, value: Double) throws {
    let value = Float(value)
    let bound = try BoundExpression("ka,kb->ab", shapes: [[4096, 3], [4096, 2]])
    let options = DistributionOptions(ranks: 1, slices: .init(mode: 0, count: slices))
    let plan = try DistributedPlan(bound, options: options)
    try #require(plan.mesh.sliceCount == slices)
    let contraction = try DistributedContraction<Float>(plan, communicator: SingleCommunicator())
    let result = try contraction(bound.shapes.map { Tensor.repeating(value, shape: $0) })
    let expected = 4096 * Double(value) * Double(value)
    for element in result.elements {
      #expect(abs(Double(element) / expected - 1) < Self.bound(slices: slices))
    }
  }

  /// Of "ab,bc->ac" in slices of a, all of which have a term of the second operand's gradient.
  @Test(arguments: [16, 17, 300, 4096])
  func gradientsThatSlicesShareLoseNoMore(slices: Int) throws {
    let bound = try BoundExpression("ab,bc->ac", shapes: [[4096, 3], [3, 2]])
    let options = DistributionOptions(
      ranks: 1, needsGradient: [false, true], slices: .init(mode: 0, count: slices))
    let plan = try DistributedPlan(bound, options: options)
    try #require(plan.mesh.sliceCount == slices)
    let contraction = try DistributedContraction<Float>(plan, communicator: SingleCommunicator())
    let operands = bound.shapes.map { Tensor<Float>.repeating(0.7, shape: $0) }
    let (result, record) = try contraction.recorded(operands)
    let gradients = try contraction.gradients(
      record, outputGradient: .repeating(0.1, shape: result.shape), needed: [false, true])
    let expected = 4096 * Double(Float(0.7)) * Double(Float(0.1))
    for element in try #require(gradients[1]).elements {
      #expect(abs(Double(element) / expected - 1) < Self.bound(slices: slices))
    }
  }

  /// Sixteen slices to a buffer, sixteen buffers to the next: worked out by hand.
  @Test(arguments: [
    (1, 1, 1), (16, 1, 1), (17, 2, 2), (256, 2, 16), (257, 2, 17), (273, 3, 18), (4096, 3, 256),
  ])
  func buffersAreAddedUpInLevels(slices: Int, mostAtOnce: Int, buffers: Int) throws {
    var builder = ScheduleBuilder(given: [])
    var sum = SliceSum()
    var terms: [Int: Int] = [:]
    let content = RunSchedule.Content.box(
      .replicated([2], mesh: Mesh(axes: [1])), slice: 0)
    for _ in 0..<slices {
      let (buffer, isAdding) = sum.next(&builder, content)
      #expect(isAdding == (terms[buffer] != nil))
      terms[buffer, default: 0] += 1
    }
    let result = sum.finish(&builder)
    var (live, most) = (0, 0)
    for operation in builder.operations {
      switch operation {
      case .allocate: live += 1
      case .release: live -= 1
      case .add(let source, let target):
        // All that is in it, and it is not used again.
        let added = terms.removeValue(forKey: source)
        terms[target, default: 0] += try #require(added)
      default: Issue.record("\(operation)")
      }
      most = max(most, live)
    }
    #expect(try terms == [#require(result): slices])
    #expect(most == mostAtOnce)
    #expect(builder.buffers.count == buffers)
  }
}
