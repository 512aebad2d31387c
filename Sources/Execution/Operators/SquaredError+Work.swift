import Graph
import Kernels

extension Operators.SquaredError: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.checkShapes(inputs: 2, outputs: 1, alike: [0, 1])
    let count = part.inputs[0].count
    return try part.floating(work(count, Float.self), work(count, Double.self))
  }

  private func work<Element: TensorElement>(_ count: Int, _ type: Element.Type) -> SweepWork {
    let nanoseconds = 1.0 * Double(count)
    let parts = max(1, min(32, Int(nanoseconds / 8000)))
    return SweepWork(
      workspaceBytes: 8 * parts, nanoseconds: nanoseconds
    ) { inputs, outputs, workspace in
      nonisolated(unsafe) let x = inputs[0].elements(Element.self)
      nonisolated(unsafe) let target = inputs[1].elements(Element.self)
      nonisolated(unsafe) let sums = workspace.elements(Double.self)
      ThreadPool.run(count: parts) { part in
        var sum = 0.0
        for index in part * count / parts..<(part + 1) * count / parts {
          let difference = Double(x[index]) - Double(target[index])
          sum += difference * difference
        }
        sums[part] = sum
      }
      outputs[0].elements(Double.self)[0] = (0..<parts).reduce(0) { $0 + sums[$1] }
    }
  }
}

extension Operators.SquaredErrorAdjoint: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.checkShapes(inputs: 3, outputs: 1, alike: [0, 1, 3])
    let count = part.inputs[0].count
    return try part.floating(work(count, Float.self), work(count, Double.self))
  }

  private func work<Element: TensorElement>(_ count: Int, _ type: Element.Type) -> SweepWork {
    let nanoseconds = 0.8 * Double(count)
    return SweepWork(nanoseconds: nanoseconds, inPlace: [0]) { inputs, outputs, _ in
      nonisolated(unsafe) let x = inputs[0].elements(Element.self)
      nonisolated(unsafe) let target = inputs[1].elements(Element.self)
      nonisolated(unsafe) let result = outputs[0].elements(Element.self)
      let scale = 2 * inputs[2].elements(Double.self)[0]
      ThreadPool.run(over: count, unit: 1024, nanoseconds: nanoseconds) { range in
        for index in range {
          result[index] = Element(scale * (Double(x[index]) - Double(target[index])))
        }
      }
    }
  }
}
