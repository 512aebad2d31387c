import CKernels
import Graph
import Kernels

extension Operators.FixedNormalization: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.checkShapes(inputs: 5, outputs: 1, alike: [0, 5])
    let shape = part.inputs[0].shape
    for input in 1...4 { try part.check(input: input, like: shape, along: axes) }
    let places = [Array(shape.indices), axes]
    let loops = RowLoops(shape, places.map { denseStrides(of: shape, along: $0) })
    if part.inputs[0].value.type == .float32, let layout = ChannelLayout(loops) {
      return channelWork(layout)
    }
    let parameters = shape.count(along: axes)
    return try part.floating(
      work(loops, parameters, Float.self), work(loops, parameters, Double.self))
  }

  private func channelWork(_ layout: ChannelLayout) -> SweepWork {
    let channels = layout.channels
    let nanoseconds = 0.25 * Double(layout.count)
    return SweepWork(
      workspaceBytes: ChannelVectors.bytes(channels), nanoseconds: nanoseconds, inPlace: [0]
    ) { [epsilon] inputs, outputs, workspace in
      nonisolated(unsafe) let vectors = ChannelVectors(workspace, channels)
      let parameters = inputs.dropFirst().map { $0.elements(Float.self) }
      for channel in 0..<channels {
        let inverse = 1 / (Double(parameters[1][channel]) + epsilon).squareRoot()
        let scale = Double(parameters[2][channel]) * inverse
        vectors.scale[channel] = Float(scale)
        vectors.shift[channel] = Float(
          Double(parameters[3][channel]) - Double(parameters[0][channel]) * scale)
      }
      nonisolated(unsafe) let x = inputs[0].elements(Float.self)
      nonisolated(unsafe) let y = outputs[0].elements(Float.self)
      layout.eachPart(nanoseconds: nanoseconds) { rows in
        let start = rows.lowerBound * channels
        convoy_scale_shift(
          rows.count, channels, x + start, vectors.scale, vectors.shift, 0, y + start)
      }
    }
  }

  private func work<Element: TensorElement>(
    _ loops: RowLoops, _ count: Int, _ type: Element.Type
  ) -> SweepWork {
    let nanoseconds = 1.5 * Double(loops.rows * loops.rowCount)
    let (rowCount, strides) = (loops.rowCount, loops.rowStrides)
    return SweepWork(
      workspaceBytes: 8 * count, nanoseconds: nanoseconds, inPlace: [0]
    ) { [epsilon] inputs, outputs, workspace in
      nonisolated(unsafe) let scale = workspace.elements(Double.self)
      nonisolated(unsafe) let x = inputs[0].elements(Element.self)
      nonisolated(unsafe) let mean = inputs[1].elements(Element.self)
      nonisolated(unsafe) let bias = inputs[4].elements(Element.self)
      nonisolated(unsafe) let y = outputs[0].elements(Element.self)
      let (variance, gamma) = (inputs[2].elements(Element.self), inputs[3].elements(Element.self))
      for index in 0..<count {
        scale[index] = Double(gamma[index]) / (Double(variance[index]) + epsilon).squareRoot()
      }
      loops.run(nanoseconds: nanoseconds) { at in
        for i in 0..<rowCount {
          let (own, parameter) = (at[0] + i * strides[0], at[1] + i * strides[1])
          y[own] = Element(
            (Double(x[own]) - Double(mean[parameter])) * scale[parameter]
              + Double(bias[parameter]))
        }
      }
    }
  }
}
