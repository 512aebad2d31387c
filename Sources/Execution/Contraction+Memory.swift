import Kernels
import Planning

extension Contraction {
  /// The most bytes that live at once while the plan runs: operands, intermediates, result and the
  /// kernels' workspace, exactly as a `MemoryMeter` counts them.
  ///
  /// - Parameter needed: with gradients of these operands, including the gradient of the result that
  ///   is handed in; `nil`: forward only.
  public func peakBytes(needed: [Bool]? = nil) -> Int {
    guard let needed else { return operandBytes + forwardBytes(keepingAll: false).peak }
    let count = plan.expression.operands.count
    let first = forwardBytes(keepingAll: checkpointing == .keep)
    let second = checkpointing == .keep ? first : forwardBytes(keepingAll: true)
    let result = bytes(plan.expression.outputShape)
    // After the forward pass the result is the caller's to release; its gradient comes in instead.
    var live = second.live
    var peak = max(first.peak, second.peak + (checkpointing == .keep ? 0 : result))
    var needs = needed
    for step in plan.steps { needs.append(step.operands.contains { needs[$0] }) }
    for (index, step) in plan.steps.enumerated().reversed() where needs[count + index] {
      for (position, operand) in step.operands.enumerated() where needs[operand] {
        live += bytes(step.operandShapes[position])
        let kernel = lowered(
          StepTimer.Kernel(step: index, role: position == 0 ? .first : .second))
        peak = max(peak, live + kernel.workspaceCount * MemoryLayout<Element>.stride)
      }
      // The gradient of this step's result has been read; the outermost belongs to the caller.
      if index < plan.steps.count - 1 { live -= bytes(step.resultShape) }
    }
    return operandBytes + peak
  }

  /// The most bytes of a forward run that keeps its intermediates.
  func peakBytesKeepingAll() -> Int { operandBytes + forwardBytes(keepingAll: true).peak }

  private var operandBytes: Int { plan.expression.shapes.reduce(0) { $0 + bytes($1) } }

  private func bytes(_ shape: [Int]) -> Int {
    shape.reduce(MemoryLayout<Element>.stride, *)
  }

  /// Of a forward run, without the operands: the peak, and what lives at its end.
  private func forwardBytes(keepingAll: Bool) -> (peak: Int, live: Int) {
    let count = plan.expression.operands.count
    var live = 0
    var peak = 0
    for (step, kernel) in zip(plan.steps, forward) {
      live += bytes(step.resultShape)
      peak = max(peak, live + kernel.workspaceCount * MemoryLayout<Element>.stride)
      if !keepingAll {
        for operand in step.operands where operand >= count {
          live -= bytes(plan.steps[operand - count].resultShape)
        }
      }
    }
    return (peak, live)
  }
}
