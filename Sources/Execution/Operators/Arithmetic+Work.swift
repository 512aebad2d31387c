import CKernels
import Graph
import Kernels

extension Operators.Add: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    guard let first = part.inputs.first else { throw part.misfit }
    return try work(of: part, try part.element(of: first))
  }

  private func work<Element: OperatorElement>(
    of part: NodePart, _: Element.Type
  ) throws(ExecutionError) -> any OperatorWork {
    try ElementwiseWork(part, inPlace: [0]) { range, inputs, outputs in
      let terms = inputs.map { Optional($0.elements(Element.self)) }
      Element.loops.add(
        terms.count, terms, range.lowerBound, range.count,
        outputs[0].elements(Element.self, from: range.lowerBound))
    }
  }
}

extension Operators.Multiply: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.check(inputs: 2)
    return try work(of: part, try part.element(of: part.outputs[0]))
  }

  private func work<Element: OperatorElement>(
    of part: NodePart, _: Element.Type
  ) throws(ExecutionError) -> any OperatorWork {
    try ElementwiseWork(part, inPlace: [0]) { range, inputs, outputs in
      Element.loops.multiply(
        range.count, inputs[0].elements(Element.self, from: range.lowerBound),
        inputs[1].elements(Element.self, from: range.lowerBound),
        outputs[0].elements(Element.self, from: range.lowerBound))
    }
  }
}

extension Operators.Scale: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.check(inputs: 1)
    return try work(of: part, try part.element(of: part.outputs[0]))
  }

  private func work<Element: OperatorElement>(
    of part: NodePart, _: Element.Type
  ) throws(ExecutionError) -> any OperatorWork {
    let factor = Element(factor)
    return try ElementwiseWork(part, inPlace: [0]) { range, inputs, outputs in
      Element.loops.scale(
        range.count, factor, inputs[0].elements(Element.self, from: range.lowerBound),
        outputs[0].elements(Element.self, from: range.lowerBound))
    }
  }
}

extension Operators.Convert: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.check(inputs: 1)
    switch (part.inputs[0].value.type, part.outputs[0].value.type) {
    case (.float32, .float64):
      return try ElementwiseWork(part, inPlace: [nil]) { range, inputs, outputs in
        convoy_to_double(
          range.count, inputs[0].elements(Float.self, from: range.lowerBound),
          outputs[0].elements(Double.self, from: range.lowerBound))
      }
    case (.float64, .float32):
      return try ElementwiseWork(part, inPlace: [nil]) { range, inputs, outputs in
        convoy_to_float(
          range.count, inputs[0].elements(Double.self, from: range.lowerBound),
          outputs[0].elements(Float.self, from: range.lowerBound))
      }
    default: return try CopyWork(sameOrder: part)
    }
  }
}

extension Operators.Fill: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.check(inputs: 0)
    switch type {
    case .float32: return try work(of: part, Float(number))
    case .float64: return try work(of: part, number)
    case .uint8: return try work(of: part, UInt8(nearest: number))
    case .int32: return try work(of: part, Int32(nearest: number))
    case .int64: return try work(of: part, Int64(nearest: number))
    }
  }

  private func work<Element: Sendable>(
    of part: NodePart, _ element: Element
  ) throws(ExecutionError) -> any OperatorWork {
    try ElementwiseWork(part, inPlace: []) { range, _, outputs in
      outputs[0].elements(Element.self, from: range.lowerBound)
        .update(repeating: element, count: range.count)
    }
  }
}

extension FixedWidthInteger {
  /// Towards zero, and where there is no such integer, the nearest that there is.
  fileprivate init(nearest number: Double) {
    let whole = number.rounded(.towardZero)
    self = Self(exactly: whole) ?? (whole > 0 ? .max : .min)
  }
}
