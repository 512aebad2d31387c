import CKernels
import Graph
import Kernels

extension Operators.Normalization: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    let inputs = parameterAxes == nil ? 2 : 4
    try part.checkShapes(inputs: inputs, outputs: 1, alike: [0, inputs])
    let shape = part.inputs[0].shape
    let others = shape.others(than: axes)
    try part.check(input: 1, leading: [2], like: shape, along: others)
    for input in 2..<inputs {
      try part.check(input: input, like: shape, along: parameterAxes ?? [])
    }
    let places = [Array(shape.indices), others] + (parameterAxes.map { [$0] } ?? [])
    let loops = RowLoops(shape, places.map { denseStrides(of: shape, along: $0) })
    if part.inputs[0].value.type == .float32, let layout = ChannelLayout(loops) {
      return channelWork(layout)
    }
    let moments = MomentVectors(self, sums: shape.count(along: others))
    return try part.floating(
      work(loops, moments, Float.self), work(loops, moments, Double.self))
  }

  private func channelWork(_ layout: ChannelLayout) -> SweepWork {
    let (channels, hasParameters) = (layout.channels, parameterAxes != nil)
    let nanoseconds = 0.25 * Double(layout.count)
    return SweepWork(
      workspaceBytes: ChannelVectors.bytes(channels), nanoseconds: nanoseconds, inPlace: [0]
    ) { [count, epsilon] inputs, outputs, workspace in
      nonisolated(unsafe) let vectors = ChannelVectors(
        workspace, channels, count: count, epsilon: epsilon, sums: inputs[1],
        gamma: hasParameters ? inputs[2] : nil, beta: hasParameters ? inputs[3] : nil)
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
    _ loops: RowLoops, _ moments: MomentVectors, _ type: Element.Type
  ) -> SweepWork {
    let nanoseconds = 1.5 * Double(loops.rows * loops.rowCount)
    let (rowCount, strides, hasParameters) = (
      loops.rowCount, loops.rowStrides, parameterAxes != nil
    )
    return SweepWork(
      workspaceBytes: moments.bytes, nanoseconds: nanoseconds, inPlace: [0]
    ) { inputs, outputs, workspace in
      nonisolated(unsafe) let (mean, inverse) = moments.find(inputs[1], in: workspace)
      nonisolated(unsafe) let x = inputs[0].elements(Element.self)
      nonisolated(unsafe) let y = outputs[0].elements(Element.self)
      nonisolated(unsafe) let scale = hasParameters ? inputs[2].elements(Element.self) : nil
      nonisolated(unsafe) let bias = hasParameters ? inputs[3].elements(Element.self) : nil
      loops.run(nanoseconds: nanoseconds) { at in
        // A row with one mean, as of layer normalisation.
        if strides == [1, 0, 1], let scale, let bias {
          let (own, mean, inverse) = (at[0], mean[at[1]], inverse[at[1]])
          let (scale, bias) = (scale + at[2], bias + at[2])
          for i in 0..<rowCount {
            let value = (Double(x[own + i]) - mean) * inverse
            y[own + i] = Element(value * Double(scale[i]) + Double(bias[i]))
          }
          return
        }
        for i in 0..<rowCount {
          let (own, sum) = (at[0] + i * strides[0], at[1] + i * strides[1])
          var value = (Double(x[own]) - mean[sum]) * inverse[sum]
          if let scale, let bias {
            let parameter = at[2] + i * strides[2]
            value = value * Double(scale[parameter]) + Double(bias[parameter])
          }
          y[own] = Element(value)
        }
      }
    }
  }
}

/// μ and 1/σ for each pair of sums of a normalisation, in Double, in a work's workspace.
struct MomentVectors: Sendable {
  typealias Vector = UnsafeMutablePointer<Double>

  private let count: Double
  private let epsilon: Double
  private let sums: Int

  init(_ normalization: Operators.Normalization, sums: Int) {
    count = Double(normalization.count)
    epsilon = normalization.epsilon
    self.sums = sums
  }

  var bytes: Int { 16 * sums }

  func find(
    _ moments: UnsafeRawPointer, in workspace: UnsafeMutableRawPointer
  ) -> (mean: Vector, inverse: Vector) {
    let moments = moments.elements(Double.self)
    let mean = workspace.elements(Double.self)
    let inverse = mean + sums
    for index in 0..<sums {
      let own = moments[index] / count
      // Rounding must not make a constant's variance negative; NaN stays NaN.
      let variance = moments[sums + index] / count - own * own
      mean[index] = own
      inverse[index] = 1 / ((variance < 0 ? 0 : variance) + epsilon).squareRoot()
    }
    return (mean, inverse)
  }
}
