import Execution
import Kernels
import Planning
import TestSupport
import Testing

/// Predicted against counted bytes.
@Suite struct MemoryTests {
  private func check<Element: TensorElement>(
    _ expression: RandomExpression, _ type: Element.Type
  ) throws {
    let bound = try expression.bound()
    let meter = MemoryMeter()
    let contraction = try Contraction<Element>(Plan(bound), meter: meter)
    let operands = bound.shapes.map { Tensor<Element>(uninitialized: $0, meter: meter) }
    _ = try contraction(operands)
    #expect(meter.peakBytes == contraction.peakBytes(), "\(expression)")
  }

  @Test func forwardPeakIsExact() throws {
    for expression in RandomExpressions(seed: 71).prefix(300) {
      try check(expression, Float.self)
      try check(expression, Double.self)
    }
  }

  @Test(arguments: Checkpointing.allCases)
  func peakWithGradientsIsExact(checkpointing: Checkpointing) throws {
    for expression in RandomExpressions(seed: 72).prefix(300) {
      let bound = try expression.bound()
      let meter = MemoryMeter()
      let contraction = try Contraction<Float>(
        Plan(bound), checkpointing: checkpointing, meter: meter)
      let needed = bound.shapes.map { _ in true }
      let operands = bound.shapes.map { Tensor<Float>(uninitialized: $0, meter: meter) }
      let record = try contraction.recorded(operands).record
      let gradient = Tensor<Float>(uninitialized: bound.outputShape, meter: meter)
      _ = try contraction.gradients(record, outputGradient: gradient, needed: needed)
      #expect(meter.peakBytes == contraction.peakBytes(needed: needed), "\(expression)")
    }
  }

  @Test func whatCannotFitIsAnErrorNotACrash() throws {
    let row = Tensor<Float>(shape: [3_000_000])
    #expect(throws: ExecutionError.self) { try contract("i,j->ij", row, row) }
    do {
      _ = try contract("i,j->ij", row, row)
      Issue.record("36 TB were found")
    } catch let error as ExecutionError {
      #expect(error.description.contains("its largest tensor has shape [3000000, 3000000]"))
    }
  }

  @Test func intermediatesBeyondAddressingAreAnError() throws {
    let extents = (0..<12).map { _ in 1000 }
    let letters = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]
    let text = letters.joined(separator: ",") + "," + letters.joined(separator: ",") + "->"
    let bound = try BoundExpression(text, shapes: (extents + extents).map { [$0] })
    let plan = try Plan(bound, options: PlanOptions(optimizer: .leftToRight))
    #expect(throws: ExecutionError.self) { try Contraction<Float>(plan) }
    #expect(plan.largestIntermediate == 1e36)
  }
}
