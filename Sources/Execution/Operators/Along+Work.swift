import CKernels
import Graph
import Kernels

extension Operators.AddAlong: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.check(inputs: 2)
    return try alongWork(part, convoy_along_add, axes)
  }
}

extension Operators.ScaleAlong: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.check(inputs: 2)
    return try alongWork(part, convoy_along_multiply, axes)
  }
}

extension Operators.Spread: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.check(inputs: 1)
    let others = part.outputs[0].value.axes.indices.filter { !axes.contains($0) }
    return try alongWork(
      part, convoy_along_spread, areKept ? Array(part.outputs[0].value.axes.indices) : others,
      factor: scale)
  }
}

private func alongWork(
  _ part: NodePart, _ what: ConvoyAlong, _ axes: [Int], factor: Double = 1
) throws(ExecutionError) -> any OperatorWork {
  func work<Element: OperatorElement>(
    _: Element.Type
  ) throws(ExecutionError) -> any OperatorWork {
    try AlongWork<Element>(part, what, axes, factor: Element(factor))
  }
  return try work(try part.element(of: part.outputs[0]))
}

/// What is made of a value and of another, or of another alone, which is repeated along the axes that it has
/// not: the last input is the other one.
///
///     y[b, c, t] = x[b, c, t] + v[c]      rows (b, c) of t: one element of v each
///     y[b, t, c] = x[b, t, c] + v[c]      rows (b, t) of c: all of v each
private struct AlongWork<Element: OperatorElement>: OperatorWork {
  let inPlace: [Int?]
  let nanoseconds: Double
  private let what: ConvoyAlong
  private let factor: Element
  /// The output's elements side by side that the other value is read alike along, and how far apart its
  /// elements are along them.
  private let width: Int
  private let widthStep: Int
  /// The loops around them, in the other value.
  private let outer: StridedLoops

  /// - Parameter axes: those of the output that the other value has; along them it may have extent 1.
  init(
    _ part: NodePart, _ what: ConvoyAlong, _ axes: [Int], factor: Element
  ) throws(ExecutionError) {
    let output = part.outputs[0]
    let other = part.inputs[part.inputs.count - 1].shape
    guard other.count == axes.count, axes.allSatisfy(output.shape.indices.contains),
      zip(axes, other).allSatisfy({ $1 == 1 || $1 == output.shape[$0] }),
      part.inputs.count == 1 || part.inputs[0].shape == output.shape
    else { throw part.misfit }
    var byDimension = output.shape.map { _ in 0 }
    var step = 1
    for (axis, extent) in zip(axes, other).reversed() where extent != 1 {
      byDimension[axis] = step
      step *= extent
    }
    var outer = StridedLoops(output.shape, [byDimension])
    let row = outer.popLast()
    (width, widthStep) = (row?.extent ?? 1, row?.strides[0] ?? 0)
    self.outer = outer
    (self.what, self.factor) = (what, factor)
    inPlace = [part.inputs.count == 1 ? nil : 0]
    let moved = part.inputs.count * output.bytes
    nanoseconds = nanosecondsPerByte * Double(moved)
  }

  func run(
    _ inputs: [UnsafeRawPointer], _ outputs: [UnsafeMutableRawPointer],
    workspace: UnsafeMutableRawPointer
  ) {
    nonisolated(unsafe) let x = inputs.count == 1 ? nil : inputs[0].elements(Element.self)
    nonisolated(unsafe) let other = inputs[inputs.count - 1].elements(Element.self)
    nonisolated(unsafe) let y = outputs[0].elements(Element.self)
    let (what, factor, combine) = (what, factor, Element.loops.along)
    let (width, widthStep, outer, rows) = (width, widthStep, outer, outer.count)
    guard rows * width > 0 else { return }
    guard let along = outer.extents.last, let step = outer.strides.last?[0] else {
      ThreadPool.run(over: width, unit: 1024, nanoseconds: nanoseconds) { range in
        let start = range.lowerBound
        combine(
          what, 1, range.count, x.map { $0 + start }, other + start * widthStep, 0, widthStep,
          factor, y + start)
      }
      return
    }
    // As many rows at a time as lie along one dimension.
    ThreadPool.run(over: rows, nanoseconds: nanoseconds) { range in
      var row = range.lowerBound
      while row < range.upperBound {
        let count = min(along - row % along, range.upperBound - row)
        combine(
          what, count, width, x.map { $0 + row * width }, other + outer.place(of: row), step,
          widthStep, factor, y + row * width)
        row += count
      }
    }
  }
}
