import Graph
import Kernels

extension Operators.Transpose: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.check(inputs: 1)
    return try CopyWork(
      part,
      [CopyWork.Source(input: 0, axes: permutation, offsets: permutation.map { _ in 0 })])
  }
}

extension Operators.Concatenate: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.check(inputs: max(1, part.inputs.count))
    var sources: [CopyWork.Source] = []
    var start = 0
    for (number, input) in part.inputs.enumerated() {
      guard input.value.axes.indices.contains(axis) else { throw part.misfit }
      sources.append(
        CopyWork.Source(
          input: number, dimensions: input.value.axes.count, axis: axis, offset: -start))
      start += input.value.shape[axis]
    }
    return try CopyWork(part, sources)
  }
}

extension Operators.Slice: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.check(inputs: 1)
    return try CopyWork(
      part,
      [
        CopyWork.Source(
          input: 0, dimensions: part.inputs[0].shape.count, axis: axis, offset: lower)
      ])
  }
}

extension Operators.Pad: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.check(inputs: 1)
    return try CopyWork(
      part,
      [
        CopyWork.Source(input: 0, dimensions: part.inputs[0].shape.count, axis: axis, offset: -low)
      ])
  }
}
