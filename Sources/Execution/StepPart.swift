import Partitioning
import Planning

/// What of a step is computed: all of it, or one rank's part at one slice.
///
/// ```swift
/// let part = StepPart(step, distribution, rank: 3)
/// part.operands[0].shape  // of the box that the kernel is given
/// ```
struct StepPart {
  let step: Step
  /// The boxes of the operands and of the result. In the feature of a circular convolution a box
  /// may lie beyond the extent; it is then stored as if it did not wrap.
  let operands: [Box]
  let result: Box
  private let grid: StepGrid?
  private let rank: Int
  private let slice: Int

  /// All of it.
  init(whole step: Step) {
    self.step = step
    operands = step.operandShapes.map { Box(shape: $0) }
    result = Box(shape: step.resultShape)
    grid = nil
    rank = 0
    slice = 0
  }

  init(_ step: Step, _ distribution: StepDistribution, rank: Int, slice: Int = 0) {
    self.step = step
    operands = distribution.operands.map { $0.box(of: rank, slice: slice) }
    result = distribution.computed.box(of: rank, slice: slice)
    grid = distribution.grid
    self.rank = rank
    self.slice = slice
  }

  /// The indices of a mode; of a convolution mode, those of the result.
  func range(of mode: Int, extent: Int) -> Range<Int> {
    grid?.range(of: mode, extent: extent, rank: rank, slice: slice) ?? 0..<extent
  }

  func isCut(_ mode: Int) -> Bool { !(grid?.axes(of: mode).isEmpty ?? true) }

  /// The indices of an operand that carries a mode; one where it does not.
  func range(of mode: Int, inOperand position: Int) -> Range<Int> {
    step.operandModes[position].firstIndex(of: mode).map { operands[position].ranges[$0] } ?? 0..<1
  }
}
