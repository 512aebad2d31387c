import CKernels
import Graph
import Kernels

extension Operators.MomentSums: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.checkShapes(inputs: 1, outputs: 1)
    let shape = part.inputs[0].shape
    let others = shape.others(than: axes)
    guard part.outputs[0].shape == [2] + others.map({ shape[$0] }) else { throw part.misfit }
    let strides = [Array(shape.indices), others].map { denseStrides(of: shape, along: $0) }
    let loops = RowLoops(shape, strides)
    let count = shape.count(along: others)
    if part.inputs[0].value.type == .float32, let layout = ChannelLayout(loops) {
      return channelWork(layout)
    }
    return try part.floating(
      work(loops, sums: count, Float.self), work(loops, sums: count, Double.self))
  }

  private func channelWork(_ layout: ChannelLayout) -> SweepWork {
    let channels = layout.channels
    let sums = ChannelSums(
      layout, nanosecondsPerElement: 0.15, scratch: convoy_channel_scratch(channels))
    return SweepWork(
      workspaceBytes: sums.bytes, nanoseconds: 0.15 * Double(layout.count)
    ) { inputs, outputs, workspace in
      nonisolated(unsafe) let x = inputs[0].elements(Float.self)
      sums.run(workspace, sums: outputs[0].elements(Double.self)) {
        convoy_channel_moments(
          $0.count, channels, x + $0.lowerBound * channels, $1, $1 + channels, $2)
      }
    }
  }

  private func work<Element: TensorElement>(
    _ loops: RowLoops, sums count: Int, _ type: Element.Type
  ) -> SweepWork {
    let nanoseconds = 1.0 * Double(loops.rows * loops.rowCount)
    let (rowCount, stride) = (loops.rowCount, loops.rowStrides[1])
    return SweepWork(nanoseconds: nanoseconds) { inputs, outputs, _ in
      nonisolated(unsafe) let x = inputs[0].elements(Element.self)
      nonisolated(unsafe) let sums = outputs[0].elements(Double.self)
      sums.update(repeating: 0, count: 2 * count)
      loops.runSumming(into: 1, nanoseconds: nanoseconds) { at in
        let row = x + at[0]
        let (sum, squares) = (sums + at[1], sums + at[1] + count)
        if stride == 0 {
          var (total, square) = (0.0, 0.0)
          for i in 0..<rowCount {
            let value = Double(row[i * loops.rowStrides[0]])
            total += value
            square += value * value
          }
          sum[0] += total
          squares[0] += square
        } else {
          for i in 0..<rowCount {
            let value = Double(row[i])
            sum[i * stride] += value
            squares[i * stride] += value * value
          }
        }
      }
    }
  }
}

extension Operators.RunningMoments: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.checkShapes(inputs: 3, outputs: 2, alike: [0, 1, 3, 4])
    let shape = part.inputs[0].shape
    try part.check(input: 2, leading: [2], like: shape, along: Array(shape.indices))
    let channels = part.inputs[0].count
    return try part.floating(work(channels, Float.self), work(channels, Double.self))
  }

  private func work<Element: TensorElement>(
    _ channels: Int, _ type: Element.Type
  ) -> SweepWork {
    let (momentum, count) = (momentum, Double(count))
    return SweepWork(nanoseconds: 10 * Double(channels), inPlace: [0, 1]) { inputs, outputs, _ in
      let (mean, variance) = (inputs[0].elements(Element.self), inputs[1].elements(Element.self))
      let sums = inputs[2].elements(Double.self)
      let newMean = outputs[0].elements(Element.self)
      let newVariance = outputs[1].elements(Element.self)
      let unbiased = count > 1 ? count / (count - 1) : 1
      for channel in 0..<channels {
        let batchMean = sums[channel] / count
        // Rounding must not make a constant channel's variance negative; NaN stays NaN.
        let spread = sums[channels + channel] / count - batchMean * batchMean
        let batchVariance = (spread < 0 ? 0 : spread) * unbiased
        newMean[channel] = Element(
          (1 - momentum) * Double(mean[channel]) + momentum * batchMean)
        newVariance[channel] = Element(
          (1 - momentum) * Double(variance[channel]) + momentum * batchVariance)
      }
    }
  }
}
