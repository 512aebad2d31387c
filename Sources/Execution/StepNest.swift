import Kernels
import Planning

extension ContractionNest {
  /// The loops of one step of a plan: a loop per mode, two per convolution mode that joins two
  /// tensors. A step of one operand is the product with the scalar 1.
  init(_ step: Step) {
    var loops: [Int] = []
    var dimensions: [[Dimension]] = [[], [], []]
    /// Loop of each plain mode.
    var loopOfMode: [Int: Int] = [:]
    /// Of each convolution mode: the loops of the result's index and of each operand's own.
    var convolutionLoops: [Int: (result: Int, filters: [Int])] = [:]
    func addLoop(_ extent: Int) -> Int {
      loops.append(extent)
      return loops.count - 1
    }
    func extent(_ mode: Int, _ operand: Int) -> Int {
      step.operandModes[operand].firstIndex(of: mode).map { step.operandShapes[operand][$0] } ?? 1
    }
    for convolution in step.convolutions {
      let mode = convolution.mode
      if let feature = convolution.feature {
        let result = addLoop(convolution.resultExtent)
        let filter = step.operands.count == 2 ? addLoop(extent(mode, 1 - feature)) : result
        convolutionLoops[mode] = (result, feature == 0 ? [result, filter] : [filter, result])
      } else {
        let filters = [addLoop(extent(mode, 0)), addLoop(extent(mode, 1))]
        convolutionLoops[mode] = (-1, filters)
      }
    }
    let tensors = zip(step.operandModes, step.operandShapes).map { ($0, $1) }
    for (position, (modes, shape)) in tensors.enumerated() {
      dimensions[position] = zip(modes, shape).map { mode, extent in
        guard let mode else { return Dimension(terms: [], extent: extent) }
        guard let convolution = step.convolutions.first(where: { $0.mode == mode }),
          let own = convolutionLoops[mode]
        else {
          let loop = loopOfMode[mode] ?? addLoop(extent)
          loopOfMode[mode] = loop
          return Dimension(terms: [Term(loop: loop)], extent: extent)
        }
        guard convolution.feature == position else {
          return Dimension(terms: [Term(loop: own.filters[position])], extent: extent)
        }
        var terms = [Term(loop: own.result, coefficient: convolution.stride)]
        if tensors.count == 2 {
          terms.append(Term(loop: own.filters[1 - position], coefficient: convolution.tap))
        }
        return Dimension(
          terms: terms, offset: convolution.offset, extent: extent,
          circular: convolution.circular)
      }
    }
    dimensions[2] = zip(step.resultModes, step.resultShape).map { mode, extent in
      if let own = convolutionLoops[mode] {
        let terms =
          own.result >= 0 ? [Term(loop: own.result)] : own.filters.map { Term(loop: $0) }
        return Dimension(terms: terms, extent: extent)
      }
      let loop = loopOfMode[mode] ?? addLoop(extent)
      loopOfMode[mode] = loop
      return Dimension(terms: [Term(loop: loop)], extent: extent)
    }
    self.init(loops: loops, first: dimensions[0], second: dimensions[1], result: dimensions[2])
  }
}
