import CKernels
import Graph
import Kernels

extension Operators.Dropout: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.check(inputs: 2)
    return try work(of: part, try part.element(of: part.outputs[0]))
  }

  private func work<Element: OperatorElement>(
    of part: NodePart, _: Element.Type
  ) throws(ExecutionError) -> any OperatorWork {
    try DropoutWork<Element>(part, self)
  }
}

/// A box goes in runs of elements that follow each other in the whole tensor.
private struct DropoutWork<Element: OperatorElement>: OperatorWork {
  let inPlace: [Int?] = [0]
  let nanoseconds: Double
  private let count: Int
  private let run: Int
  /// Numbers of runs along the box's first dimensions, and how far apart they are in the whole tensor.
  private let rows: StridedLoops
  /// The box's first element in the whole tensor.
  private let first: Int
  private let stream: UInt32
  private let threshold: UInt32
  private let factor: Element

  init(_ part: NodePart, _ dropout: Operators.Dropout) throws(ExecutionError) {
    let output = part.outputs[0]
    guard part.inputs[0].box == output.box, part.inputs[1].count == 2,
      part.inputs[1].value.type == .int64, (0..<1).contains(dropout.rate)
    else { throw part.misfit }
    let (box, whole) = (output.box, output.value.shape)
    count = box.count
    nanoseconds = (2 * nanosecondsPerByte * Double(output.value.type.bytes) + 0.6) * Double(count)
    let strides = denseStrides(of: whole)
    first = zip(box.ranges, strides).reduce(0) { $0 + $1.0.lowerBound * $1.1 }
    // The last dimension that is cut is the first of a run's.
    let cut = box.shape.indices.last { box.shape[$0] != whole[$0] } ?? 0
    run = box.shape.dropFirst(cut).reduce(1, *)
    rows = StridedLoops(box.shape.prefix(cut), [strides])
    stream = 5 << 24 | UInt32(truncatingIfNeeded: dropout.stream)
    threshold = UInt32(dropout.rate * 0x1p32)
    factor = Element(1 / (1 - dropout.rate))
  }

  func run(
    _ inputs: [UnsafeRawPointer], _ outputs: [UnsafeMutableRawPointer],
    workspace: UnsafeMutableRawPointer
  ) {
    nonisolated(unsafe) let x = inputs[0].elements(Element.self)
    nonisolated(unsafe) let y = outputs[0].elements(Element.self)
    let key = inputs[1].elements(Int64.self)
    let seed = UInt64(bitPattern: key[0])
    let mask = ConvoyMask(
      key: (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)),
      step: UInt32(truncatingIfNeeded: key[1]), stream: stream, threshold: threshold)
    let drop = Element.loops.dropout
    ThreadPool.run(over: count, unit: 1024, nanoseconds: nanoseconds) { range in
      withUnsafePointer(to: mask) { mask in
        var element = range.lowerBound
        while element < range.upperBound {
          let (row, within) = element.quotientAndRemainder(dividingBy: run)
          let count = min(run - within, range.upperBound - element)
          let place = first + rows.place(of: row) + within
          drop(
            mask, UInt64(truncatingIfNeeded: place), count, factor, x + element, y + element)
          element += count
        }
      }
    }
  }
}
