import CKernels
import Graph
import Kernels

extension Operators.Map: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.check(inputs: 1)
    return try work(of: part, try part.element(of: part.outputs[0]))
  }

  private func work<Element: OperatorElement>(
    of part: NodePart, _: Element.Type
  ) throws(ExecutionError) -> any OperatorWork {
    let function = function.kernel
    return try ElementwiseWork(part, inPlace: [0], computing: self.function.nanoseconds) {
      range, inputs, outputs in
      Element.loops.map(
        function, range.count, inputs[0].elements(Element.self, from: range.lowerBound),
        outputs[0].elements(Element.self, from: range.lowerBound))
    }
  }
}

extension Operators.MapAdjoint: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.check(inputs: 2)
    return try work(of: part, try part.element(of: part.outputs[0]))
  }

  private func work<Element: OperatorElement>(
    of part: NodePart, _: Element.Type
  ) throws(ExecutionError) -> any OperatorWork {
    let kernel = function.kernel
    let computing = function.adjointReadsOutput ? 0 : function.nanoseconds
    return try ElementwiseWork(part, inPlace: [1], computing: computing) { range, inputs, outputs in
      Element.loops.mapAdjoint(
        kernel, range.count, inputs[0].elements(Element.self, from: range.lowerBound),
        inputs[1].elements(Element.self, from: range.lowerBound),
        outputs[0].elements(Element.self, from: range.lowerBound))
    }
  }
}

extension Operators.MapAdjoint {
  /// Elements of a sum that are made before they are read again: they stay in a first-level cache.
  private static let block = 2048

  /// The node's work together with that of the sum that makes its gradient, which is stored block by block only.
  /// Reads the terms, and last what else the node reads.
  func work(
    of part: NodePart, summing terms: [NodePart.Piece]
  ) throws(ExecutionError) -> any OperatorWork {
    try part.check(inputs: 2)
    let together = NodePart(
      operation: part.operation, inputs: terms + [part.inputs[0]], outputs: part.outputs)
    return try work(of: together, try part.element(of: part.outputs[0]), terms: terms.count)
  }

  private func work<Element: OperatorElement>(
    of part: NodePart, _: Element.Type, terms: Int
  ) throws(ExecutionError) -> any OperatorWork {
    let kernel = function.kernel
    let computing = function.adjointReadsOutput ? 0 : function.nanoseconds
    return try ElementwiseWork(part, inPlace: [0], computing: computing) { range, inputs, outputs in
      let summed = inputs[..<terms].map { Optional($0.elements(Element.self)) }
      for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.block) {
        let count = min(Self.block, range.upperBound - start)
        let output = outputs[0].elements(Element.self, from: start)
        Element.loops.add(terms, summed, start, count, output)
        Element.loops.mapAdjoint(
          kernel, count, inputs[terms].elements(Element.self, from: start), output, output)
      }
    }
  }
}

extension Operators.Map.Function {
  fileprivate var kernel: ConvoyFunction {
    switch self {
    case .relu: convoy_function_relu
    case .gelu: convoy_function_gelu
    case .silu: convoy_function_silu
    case .sigmoid: convoy_function_sigmoid
    case .tanh: convoy_function_tanh
    }
  }

  /// Per element, besides those of its bytes.
  fileprivate var nanoseconds: Double { self == .relu ? 0 : 1 }
}
