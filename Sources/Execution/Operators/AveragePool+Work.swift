import CKernels
import Graph
import Kernels

extension Operators.AveragePool: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.checkShapes(inputs: 1, outputs: 1)
    guard let loops = PoolLoops(windows, whole: part.inputs[0].box, pooled: part.outputs[0].box)
    else { throw part.misfit }
    if part.inputs[0].value.type == .float32, let pool = loops.plain {
      return SweepWork(nanoseconds: pool.nanoseconds) { inputs, outputs, _ in
        nonisolated(unsafe) let x = inputs[0].elements(Float.self)
        nonisolated(unsafe) let y = outputs[0].elements(Float.self)
        pool.eachPart { convoy_average_pool($0, x + $1, y + $2) }
      }
    }
    return try part.floating(work(loops, Float.self), work(loops, Double.self))
  }

  private func work<Element: TensorElement>(_ loops: PoolLoops, _ type: Element.Type) -> SweepWork {
    let (channels, divided) = (loops.channels, countsPadding ? loops.windowCount : nil)
    return SweepWork(nanoseconds: loops.nanoseconds) { inputs, outputs, _ in
      nonisolated(unsafe) let x = inputs[0].elements(Element.self)
      nonisolated(unsafe) let result = outputs[0].elements(Element.self)
      loops.run { output, taps in
        let y = result + output
        for channel in 0..<channels { y[channel] = 0 }
        for tap in taps {
          let seen = x + tap
          for channel in 0..<channels { y[channel] += seen[channel] }
        }
        let divisor = Element(divided ?? taps.count)
        for channel in 0..<channels { y[channel] /= divisor }
      }
    }
  }
}

extension Operators.AveragePoolAdjoint: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.checkShapes(inputs: 1, outputs: 1)
    guard
      let loops = PoolLoops(
        pool.windows, whole: part.outputs[0].box, pooled: part.inputs[0].box)
    else { throw part.misfit }
    if part.inputs[0].value.type == .float32, let pool = loops.plain {
      return SweepWork(nanoseconds: 1.5 * pool.nanoseconds) { inputs, outputs, _ in
        nonisolated(unsafe) let gradient = inputs[0].elements(Float.self)
        nonisolated(unsafe) let result = outputs[0].elements(Float.self)
        pool.eachPart { convoy_average_pool_backward($0, gradient + $2, result + $1) }
      }
    }
    return try part.floating(work(loops, Float.self), work(loops, Double.self))
  }

  private func work<Element: TensorElement>(_ loops: PoolLoops, _ type: Element.Type) -> SweepWork {
    let (channels, count) = (loops.channels, loops.inputCount)
    let divided = pool.countsPadding ? loops.windowCount : nil
    return SweepWork(nanoseconds: 2 * loops.nanoseconds) { inputs, outputs, _ in
      nonisolated(unsafe) let pooledGradient = inputs[0].elements(Element.self)
      nonisolated(unsafe) let result = outputs[0].elements(Element.self)
      result.update(repeating: 0, count: count)
      loops.runScattering { output, taps in
        let gradient = pooledGradient + output
        let divisor = Element(divided ?? taps.count)
        for tap in taps {
          let seen = result + tap
          for channel in 0..<channels { seen[channel] += gradient[channel] / divisor }
        }
      }
    }
  }
}
