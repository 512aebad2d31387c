import Graph
import Kernels

extension Operators.Reshape: RunnableOperator {
  /// Where the first dimension of a run of equal numbers of elements is cut, on both sides, elements are still in the
  /// same order.
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.check(inputs: 1)
    return try CopyWork(sameOrder: part)
  }
}
