import Kernels
import Planning

extension Contraction {
  /// The most bytes that live at once while the plan runs: operands, intermediates, result and the
  /// kernels' workspace, exactly as a `MemoryMeter` counts them.
  ///
  /// - Parameter needed: with gradients of these operands, including the gradient of the result that
  ///   is handed in; `nil`: forward only.
  public func peakBytes(needed: [Bool]? = nil) -> Int {
    let elementBytes = MemoryLayout<Element>.stride
    func bytes(_ shape: [Int]) -> Int { shape.reduce(1, *) * elementBytes }
    let operands = plan.expression.shapes.reduce(0) { $0 + bytes($1) }
    let results = plan.steps.map { bytes($0.resultShape) }
    let count = plan.expression.operands.count

    /// Peak and final bytes of intermediates of a forward run.
    func runForward(keepingAll: Bool) -> (peak: Int, live: Int) {
      var live = 0
      var peak = 0
      for (index, step) in plan.steps.enumerated() {
        live += results[index]
        peak = max(peak, live + forward[index].workspaceCount * elementBytes)
        if !keepingAll {
          for operand in step.operands where operand >= count { live -= results[operand - count] }
        }
      }
      return (peak, live)
    }

    guard let needed else { return operands + runForward(keepingAll: false).peak }
    let first = runForward(keepingAll: checkpointing == .keep)
    let second = checkpointing == .keep ? first : runForward(keepingAll: true)
    let result = results.last ?? 0
    // After the forward pass the result itself is the caller's; its gradient comes in instead.
    var live = second.live - result + bytes(plan.expression.outputShape)
    var peak = max(first.peak, second.peak + bytes(plan.expression.outputShape))
    var needs = needed
    for step in plan.steps { needs.append(step.operands.contains { needs[$0] }) }
    for (index, step) in plan.steps.enumerated().reversed() where needs[count + index] {
      for (position, operand) in step.operands.enumerated() where needs[operand] {
        live += bytes(step.operandShapes[position])
        let kernel = adjoint(step: index, position == 0 ? .first : .second)
        peak = max(peak, live + kernel.workspaceCount * elementBytes)
      }
      // The gradient of this step's result has been read; the outermost belongs to the caller.
      if index < plan.steps.count - 1 { live -= results[index] }
    }
    return operands + peak
  }
}
