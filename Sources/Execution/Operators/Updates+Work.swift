import Foundation
import Graph
import Kernels

/// So many elements at a time are copied, and changed while they are in the first-level cache.
private let block = 1024

extension Operators.MomentumUpdate: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.check(inputs: 4, outputs: 2)
    guard part.inputs[3].value.type == .float64, part.inputs[3].count == 1 else {
      throw part.misfit
    }
    return try work(of: part, try part.element(of: part.outputs[0]))
  }

  private func work<Element: OperatorElement>(
    of part: NodePart, _: Element.Type
  ) throws(ExecutionError) -> any OperatorWork {
    let (momentum, decay) = (Element(momentum), Element(weightDecay))
    let isNesterov: Int32 = nesterov ? 1 : 0
    return try ElementwiseWork(part, alike: 3, inPlace: [0, 2]) { range, inputs, outputs in
      let update = Element.loops.momentumUpdate
      let rate = Element(inputs[3].elements(Double.self).pointee)
      for start in stride(from: range.lowerBound, to: range.upperBound, by: block) {
        let count = min(block, range.upperBound - start)
        let parameter = copied(Element.self, inputs[0], to: outputs[0], start, count)
        let velocity = copied(Element.self, inputs[2], to: outputs[1], start, count)
        update(
          count, rate, momentum, decay, isNesterov, inputs[1].elements(Element.self, from: start),
          velocity, parameter)
      }
    }
  }
}

extension Operators.AdamUpdate: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.check(inputs: 6, outputs: 3)
    guard part.inputs[4].value.type == .float64, part.inputs[4].count == 1,
      part.inputs[5].value.type == .int64, part.inputs[5].count == 1
    else { throw part.misfit }
    return try work(of: part, try part.element(of: part.outputs[0]))
  }

  private func work<Element: OperatorElement>(
    of part: NodePart, _: Element.Type
  ) throws(ExecutionError) -> any OperatorWork {
    let adam = self
    return try ElementwiseWork(part, alike: 4, inPlace: [0, 2, 3], computing: 0.3) {
      range, inputs, outputs in
      let (update, scale) = (Element.loops.adamUpdate, Element.loops.scale)
      let given = inputs[4].elements(Double.self).pointee
      let step = Double(inputs[5].elements(Int64.self).pointee)
      let rate = Element(given / (1 - pow(adam.beta1, step)))
      let root = Element((1 - pow(adam.beta2, step)).squareRoot())
      let kept = Element(1 - given * adam.weightDecay)
      let isDecoupled = adam.isDecoupled && adam.weightDecay != 0
      for start in stride(from: range.lowerBound, to: range.upperBound, by: block) {
        let count = min(block, range.upperBound - start)
        let parameter = copied(Element.self, inputs[0], to: outputs[0], start, count)
        let mean = copied(Element.self, inputs[2], to: outputs[1], start, count)
        let variance = copied(Element.self, inputs[3], to: outputs[2], start, count)
        if isDecoupled { scale(count, kept, parameter, parameter) }
        update(
          count, rate, Element(adam.beta1), Element(1 - adam.beta1), Element(adam.beta2),
          Element(1 - adam.beta2), root, Element(adam.epsilon),
          adam.isDecoupled ? 0 : Element(adam.weightDecay),
          inputs[1].elements(Element.self, from: start), mean, variance, parameter)
      }
    }
  }
}

/// An input's elements where the output's are to be changed, unless they lie there already.
private func copied<Element>(
  _: Element.Type, _ input: UnsafeRawPointer, to output: UnsafeMutableRawPointer, _ start: Int,
  _ count: Int
) -> UnsafeMutablePointer<Element> {
  let (from, to) = (
    input.elements(Element.self, from: start), output.elements(Element.self, from: start)
  )
  if from != UnsafePointer(to) { to.update(from: from, count: count) }
  return to
}
