import CKernels
import Graph
import Kernels

extension Operators.MaxPool: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.checkShapes(inputs: 1, outputs: 1)
    guard let loops = PoolLoops(windows, whole: part.inputs[0].box, pooled: part.outputs[0].box)
    else { throw part.misfit }
    if part.inputs[0].value.type == .float32, let pool = loops.plain {
      return SweepWork(nanoseconds: pool.nanoseconds) { inputs, outputs, _ in
        nonisolated(unsafe) let x = inputs[0].elements(Float.self)
        nonisolated(unsafe) let y = outputs[0].elements(Float.self)
        pool.eachPart { convoy_max_pool($0, x + $1, y + $2, nil) }
      }
    }
    return try part.floating(work(loops), work(loops, Double.self))
  }

  private func work(_ loops: PoolLoops) -> SweepWork {
    let channels = loops.channels
    return SweepWork(nanoseconds: loops.nanoseconds) { inputs, outputs, _ in
      nonisolated(unsafe) let x = inputs[0].elements(Float.self)
      nonisolated(unsafe) let result = outputs[0].elements(Float.self)
      loops.run { output, taps in
        convoy_max_of_taps(taps.count, taps.baseAddress, channels, x, result + output)
      }
    }
  }

  private func work<Element: TensorElement>(_ loops: PoolLoops, _ type: Element.Type) -> SweepWork {
    let channels = loops.channels
    return SweepWork(nanoseconds: loops.nanoseconds) { inputs, outputs, _ in
      nonisolated(unsafe) let x = inputs[0].elements(Element.self)
      nonisolated(unsafe) let result = outputs[0].elements(Element.self)
      loops.run { output, taps in
        let y = result + output
        for channel in 0..<channels { y[channel] = -.infinity }
        for tap in taps {
          let candidate = x + tap
          for channel in 0..<channels {
            let value = candidate[channel]
            // The first NaN wins, as in PyTorch.
            let isBetter = value > y[channel] || value != value && y[channel] == y[channel]
            y[channel] = isBetter ? value : y[channel]
          }
        }
      }
    }
  }
}

extension Operators.MaxPoolAdjoint: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.checkShapes(inputs: 3, outputs: 1, alike: [0, 3])
    try part.checkShapes(inputs: 3, outputs: 1, alike: [1, 2])
    guard let loops = PoolLoops(windows, whole: part.inputs[0].box, pooled: part.inputs[1].box)
    else { throw part.misfit }
    if part.inputs[0].value.type == .float32, let pool = loops.plain {
      return SweepWork(nanoseconds: 1.5 * pool.nanoseconds) { inputs, outputs, _ in
        nonisolated(unsafe) let x = inputs[0].elements(Float.self)
        nonisolated(unsafe) let gradient = inputs[2].elements(Float.self)
        nonisolated(unsafe) let result = outputs[0].elements(Float.self)
        pool.eachPart { convoy_max_pool_adjoint($0, x + $1, gradient + $2, result + $1) }
      }
    }
    return try part.floating(work(loops), work(loops, Double.self))
  }

  private func work(_ loops: PoolLoops) -> SweepWork {
    let (channels, count) = (loops.channels, loops.inputCount)
    return SweepWork(nanoseconds: 2 * loops.nanoseconds) { inputs, outputs, _ in
      nonisolated(unsafe) let x = inputs[0].elements(Float.self)
      nonisolated(unsafe) let y = inputs[1].elements(Float.self)
      nonisolated(unsafe) let gradient = inputs[2].elements(Float.self)
      nonisolated(unsafe) let result = outputs[0].elements(Float.self)
      result.update(repeating: 0, count: count)
      loops.runScattering { output, taps in
        convoy_max_of_taps_adjoint(
          taps.count, taps.baseAddress, channels, x, y + output, gradient + output, result)
      }
    }
  }

  private func work<Element: TensorElement>(_ loops: PoolLoops, _ type: Element.Type) -> SweepWork {
    let (channels, count) = (loops.channels, loops.inputCount)
    return SweepWork(nanoseconds: 2 * loops.nanoseconds) { inputs, outputs, _ in
      nonisolated(unsafe) let x = inputs[0].elements(Element.self)
      nonisolated(unsafe) let pooled = inputs[1].elements(Element.self)
      nonisolated(unsafe) let pooledGradient = inputs[2].elements(Element.self)
      nonisolated(unsafe) let result = outputs[0].elements(Element.self)
      result.update(repeating: 0, count: count)
      loops.runScattering { output, taps in
        let (y, gradient) = (pooled + output, pooledGradient + output)
        for channel in 0..<channels {
          let largest = y[channel]
          let winner = taps.first {
            x[$0 + channel] == largest || x[$0 + channel].isNaN && largest.isNaN
          }
          if let winner { result[winner + channel] += gradient[channel] }
        }
      }
    }
  }
}
