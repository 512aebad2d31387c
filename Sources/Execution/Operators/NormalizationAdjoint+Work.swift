import CKernels
import Graph
import Kernels

extension Operators.NormalizationSums: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    try part.checkShapes(inputs: isWeighted ? 4 : 3, outputs: 1, alike: [0, 2])
    let shape = part.inputs[0].shape
    let others = shape.others(than: normalization.axes)
    let kept = shape.others(than: axes)
    try part.check(input: 1, leading: [2], like: shape, along: others)
    let scaleAxes = isWeighted ? normalization.parameterAxes ?? [] : []
    if isWeighted { try part.check(input: 3, like: shape, along: scaleAxes) }
    guard part.outputs[0].shape == [2] + kept.map({ shape[$0] }) else { throw part.misfit }
    let places = [Array(shape.indices), others, kept] + (isWeighted ? [scaleAxes] : [])
    let loops = RowLoops(shape, places.map { denseStrides(of: shape, along: $0) })
    if part.inputs[0].value.type == .float32, !isWeighted, let layout = ChannelLayout(loops) {
      return FusedNormalization(normalization, layout).sums(gate: .open)
    }
    let moments = MomentVectors(normalization, sums: shape.count(along: others))
    let sums = shape.count(along: kept)
    return try part.floating(
      work(loops, moments, sums, Float.self), work(loops, moments, sums, Double.self))
  }

  private func work<Element: TensorElement>(
    _ loops: RowLoops, _ moments: MomentVectors, _ count: Int, _ type: Element.Type
  ) -> SweepWork {
    let nanoseconds = 2 * Double(loops.rows * loops.rowCount)
    let (rowCount, strides, isWeighted) = (loops.rowCount, loops.rowStrides, isWeighted)
    return SweepWork(
      workspaceBytes: moments.bytes, nanoseconds: nanoseconds
    ) { inputs, outputs, workspace in
      nonisolated(unsafe) let (mean, inverse) = moments.find(inputs[1], in: workspace)
      nonisolated(unsafe) let x = inputs[0].elements(Element.self)
      nonisolated(unsafe) let gradient = inputs[2].elements(Element.self)
      nonisolated(unsafe) let scale = isWeighted ? inputs[3].elements(Element.self) : nil
      nonisolated(unsafe) let sums = outputs[0].elements(Double.self)
      sums.update(repeating: 0, count: 2 * count)
      loops.runSumming(into: 2, nanoseconds: nanoseconds) { at in
        func term(_ i: Int) -> (Double, Double) {
          let (own, sum) = (at[0] + i * strides[0], at[1] + i * strides[1])
          var weight = Double(gradient[own])
          if let scale { weight *= Double(scale[at[3] + i * strides[3]]) }
          return (weight, weight * (Double(x[own]) - mean[sum]) * inverse[sum])
        }
        let (sum, products) = (sums + at[2], sums + at[2] + count)
        if strides[2] == 0 {
          var (total, product) = (0.0, 0.0)
          for i in 0..<rowCount {
            let terms = term(i)
            total += terms.0
            product += terms.1
          }
          sum[0] += total
          products[0] += product
        } else {
          for i in 0..<rowCount {
            let terms = term(i)
            sum[i * strides[2]] += terms.0
            products[i * strides[2]] += terms.1
          }
        }
      }
    }
  }
}

extension Operators.NormalizationAdjoint: RunnableOperator {
  func work(of part: NodePart, _ context: Context) throws(ExecutionError) -> any OperatorWork {
    let parameterAxes = normalization.parameterAxes
    let inputs = parameterAxes == nil ? 4 : 5
    try part.checkShapes(inputs: inputs, outputs: 1, alike: [0, 2, inputs])
    let shape = part.inputs[0].shape
    let others = shape.others(than: normalization.axes)
    for input in [1, 3] {
      try part.check(input: input, leading: [2], like: shape, along: others)
    }
    if let parameterAxes { try part.check(input: 4, like: shape, along: parameterAxes) }
    let places = [Array(shape.indices), others] + (parameterAxes.map { [$0] } ?? [])
    let loops = RowLoops(shape, places.map { denseStrides(of: shape, along: $0) })
    let isPlain = parameterAxes == nil || !sumsAreWeighted
    if part.inputs[0].value.type == .float32, isPlain, let layout = ChannelLayout(loops) {
      return FusedNormalization(normalization, layout).adjoint(gate: .open)
    }
    let moments = MomentVectors(normalization, sums: shape.count(along: others))
    let sums = shape.count(along: others)
    return try part.floating(
      work(loops, moments, sums, Float.self), work(loops, moments, sums, Double.self))
  }

  private func work<Element: TensorElement>(
    _ loops: RowLoops, _ moments: MomentVectors, _ count: Int, _ type: Element.Type
  ) -> SweepWork {
    let nanoseconds = 2 * Double(loops.rows * loops.rowCount)
    let (rowCount, strides, sumsAreWeighted) = (loops.rowCount, loops.rowStrides, sumsAreWeighted)
    let (n, hasScale) = (Double(normalization.count), normalization.parameterAxes != nil)
    return SweepWork(
      workspaceBytes: moments.bytes, nanoseconds: nanoseconds, inPlace: [2]
    ) { inputs, outputs, workspace in
      nonisolated(unsafe) let (mean, inverse) = moments.find(inputs[1], in: workspace)
      nonisolated(unsafe) let x = inputs[0].elements(Element.self)
      nonisolated(unsafe) let gradient = inputs[2].elements(Element.self)
      nonisolated(unsafe) let sums = inputs[3].elements(Double.self)
      nonisolated(unsafe) let scale = hasScale ? inputs[4].elements(Element.self) : nil
      nonisolated(unsafe) let result = outputs[0].elements(Element.self)
      loops.run(nanoseconds: nanoseconds) { at in
        for i in 0..<rowCount {
          let (own, sum) = (at[0] + i * strides[0], at[1] + i * strides[1])
          let normalized = (Double(x[own]) - mean[sum]) * inverse[sum]
          let scale = scale.map { Double($0[at[2] + i * strides[2]]) } ?? 1
          let common = (sums[sum] + normalized * sums[count + sum]) / n
          let direct = Double(gradient[own]) * scale
          result[own] = Element(
            (direct - common * (sumsAreWeighted ? 1 : scale)) * inverse[sum])
        }
      }
    }
  }
}
