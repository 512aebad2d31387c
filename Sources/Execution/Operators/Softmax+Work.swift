import Foundation
import Graph
import Kernels

/// The rows along an axis of boxes of one shape.
private struct AxisRows: Sendable {
  let count: Int
  /// Between elements of a row, by buffer.
  let strides: [Int]
  private let loops: RowLoops
  let nanoseconds: Double

  /// - Parameters:
  ///   - own: By buffer besides the first, the axes that it has.
  init(_ shape: [Int], axis: Int, own: [[Int]], nanosecondsPerElement: Double) {
    let buffers = ([Array(shape.indices)] + own).map { denseStrides(of: shape, along: $0) }
    count = shape[axis]
    strides = buffers.map { $0[axis] }
    var starts = shape
    starts[axis] = min(1, shape[axis])
    loops = RowLoops(starts, buffers, rowsAreElements: true)
    nanoseconds = nanosecondsPerElement * Double(shape.reduce(1, *))
  }

  /// Calls the body for all rows, on several threads, with where each begins in each buffer.
  func run(_ body: @Sendable ([Int]) -> Void) { loops.run(nanoseconds: nanoseconds, body) }
}

extension Operators.Softmax: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    let inputs = maskAxes == nil ? 1 : 2
    try part.checkShapes(inputs: inputs, outputs: 1, alike: [0, inputs])
    let shape = part.inputs[0].shape
    if let maskAxes { try part.check(input: 1, like: shape, along: maskAxes) }
    let rows = AxisRows(
      shape, axis: axis, own: maskAxes.map { [$0] } ?? [], nanosecondsPerElement: 8)
    return try part.floating(work(rows, Float.self), work(rows, Double.self))
  }

  private func work<Element: TensorElement>(_ rows: AxisRows, _ type: Element.Type) -> SweepWork {
    let (count, stride, isMasked) = (rows.count, rows.strides[0], maskAxes != nil)
    return SweepWork(nanoseconds: rows.nanoseconds, inPlace: [0]) { inputs, outputs, _ in
      nonisolated(unsafe) let x = inputs[0].elements(Element.self)
      nonisolated(unsafe) let y = outputs[0].elements(Element.self)
      nonisolated(unsafe) let mask = isMasked ? inputs[1].elements(UInt8.self) : nil
      rows.run { at in
        func isOpen(_ i: Int) -> Bool { mask.map { $0[at[1] + i * rows.strides[1]] != 0 } ?? true }
        var largest = -Double.infinity
        for i in 0..<count where isOpen(i) {
          largest = Swift.max(largest, Double(x[at[0] + i * stride]))
        }
        var total = 0.0
        for i in 0..<count {
          let place = at[0] + i * stride
          let power = isOpen(i) ? exp(Double(x[place]) - largest) : 0
          total += power
          y[place] = Element(power)
        }
        // A row that is masked altogether stays 0.
        let scale = total == 0 ? 1 : 1 / total
        for i in 0..<count {
          let place = at[0] + i * stride
          y[place] = Element(Double(y[place]) * scale)
        }
      }
    }
  }
}

extension Operators.SoftmaxAdjoint: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.checkShapes(inputs: 2, outputs: 1, alike: [0, 1, 2])
    let rows = AxisRows(part.inputs[0].shape, axis: axis, own: [], nanosecondsPerElement: 2)
    return try part.floating(work(rows, Float.self), work(rows, Double.self))
  }

  private func work<Element: TensorElement>(_ rows: AxisRows, _ type: Element.Type) -> SweepWork {
    let (count, stride) = (rows.count, rows.strides[0])
    return SweepWork(nanoseconds: rows.nanoseconds, inPlace: [1]) { inputs, outputs, _ in
      nonisolated(unsafe) let y = inputs[0].elements(Element.self)
      nonisolated(unsafe) let gradient = inputs[1].elements(Element.self)
      nonisolated(unsafe) let result = outputs[0].elements(Element.self)
      rows.run { at in
        var common = 0.0
        for i in 0..<count {
          let place = at[0] + i * stride
          common += Double(y[place]) * Double(gradient[place])
        }
        for i in 0..<count {
          let place = at[0] + i * stride
          result[place] = Element(Double(y[place]) * (Double(gradient[place]) - common))
        }
      }
    }
  }
}

extension Operators.LogSoftmax: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.checkShapes(inputs: 1, outputs: 1, alike: [0, 1])
    let rows = AxisRows(part.inputs[0].shape, axis: axis, own: [], nanosecondsPerElement: 8)
    return try part.floating(work(rows, Float.self), work(rows, Double.self))
  }

  private func work<Element: TensorElement>(_ rows: AxisRows, _ type: Element.Type) -> SweepWork {
    let (count, stride) = (rows.count, rows.strides[0])
    return SweepWork(nanoseconds: rows.nanoseconds, inPlace: [0]) { inputs, outputs, _ in
      nonisolated(unsafe) let x = inputs[0].elements(Element.self)
      nonisolated(unsafe) let y = outputs[0].elements(Element.self)
      rows.run { at in
        let shift = logarithmOfPowers(x + at[0], count: count, stride: stride)
        for i in 0..<count {
          let place = at[0] + i * stride
          y[place] = Element(Double(x[place]) - shift)
        }
      }
    }
  }
}

/// log Σeˣ.
func logarithmOfPowers<Element: TensorElement>(
  _ x: UnsafePointer<Element>, count: Int, stride: Int
) -> Double {
  var largest = -Double.infinity
  for i in 0..<count { largest = max(largest, Double(x[i * stride])) }
  var total = 0.0
  for i in 0..<count { total += exp(Double(x[i * stride]) - largest) }
  return largest + log(total)
}

extension Operators.LogSoftmaxAdjoint: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.checkShapes(inputs: 2, outputs: 1, alike: [0, 1, 2])
    let rows = AxisRows(part.inputs[0].shape, axis: axis, own: [], nanosecondsPerElement: 8)
    return try part.floating(work(rows, Float.self), work(rows, Double.self))
  }

  private func work<Element: TensorElement>(_ rows: AxisRows, _ type: Element.Type) -> SweepWork {
    let (count, stride) = (rows.count, rows.strides[0])
    return SweepWork(nanoseconds: rows.nanoseconds, inPlace: [1]) { inputs, outputs, _ in
      nonisolated(unsafe) let y = inputs[0].elements(Element.self)
      nonisolated(unsafe) let gradient = inputs[1].elements(Element.self)
      nonisolated(unsafe) let result = outputs[0].elements(Element.self)
      rows.run { at in
        var total = 0.0
        for i in 0..<count { total += Double(gradient[at[0] + i * stride]) }
        for i in 0..<count {
          let place = at[0] + i * stride
          result[place] = Element(Double(gradient[place]) - exp(Double(y[place])) * total)
        }
      }
    }
  }
}
