import Kernels
import Partitioning
import Planning

extension ContractionNest {
  /// The loops of one step of a plan: a loop per mode, two per convolution mode that joins two
  /// tensors. A step of one operand is the product with the scalar 1.
  init(_ step: Step) { self.init(StepPart(whole: step)) }

  /// The loops of a part of a step, over the boxes that the part has of each tensor.
  ///
  /// Plain modes run over the part's own indices, and so does the result's index i of a convolution,
  /// while taps k are never cut. With i = i₀ + i′ and a box of the feature that starts at index b the
  /// feature is read at `stride·i′ + tap·k + (stride·i₀ + offset − b)`. The box covers whatever the
  /// part reads of the tensor: outside it is outside the tensor, where a zero boundary reads 0; a
  /// circular boundary wraps only in a box that is the whole extent, and else has been unrolled.
  init(_ part: StepPart) {
    let step = part.step
    var loops: [Int] = []
    func addLoop(_ extent: Int) -> Int {
      loops.append(extent)
      return loops.count - 1
    }
    /// A plain mode's loop, and the first index of it.
    var plain: [Int: (loop: Int, start: Int)] = [:]
    func plainLoop(_ mode: Int, extent: Int) -> (loop: Int, start: Int) {
      if let known = plain[mode] { return known }
      let range = part.range(of: mode, extent: extent)
      let new = (addLoop(range.count), range.lowerBound)
      plain[mode] = new
      return new
    }
    func plainDimension(_ mode: Int, extent: Int, held: Range<Int>) -> Dimension {
      let (loop, start) = plainLoop(mode, extent: extent)
      return Dimension(
        terms: [Term(loop: loop)], offset: start - held.lowerBound, extent: held.count)
    }

    var convolutions: [Int: ConvolutionLoops] = [:]
    for convolution in step.convolutions {
      convolutions[convolution.mode] = ConvolutionLoops(convolution, of: part, addLoop: addLoop)
    }
    var dimensions: [[Dimension]] = [[], [], []]
    for position in step.operands.indices {
      let held = part.operands[position].ranges
      dimensions[position] = step.operandModes[position].indices.map { index in
        let extent = step.operandShapes[position][index]
        guard let mode = step.operandModes[position][index] else {
          return Dimension(terms: [], extent: extent)
        }
        return convolutions[mode]?.operand(position, extent: extent, held: held[index])
          ?? plainDimension(mode, extent: extent, held: held[index])
      }
    }
    dimensions[2] = step.resultModes.indices.map { index in
      let held = part.result.ranges[index]
      let mode = step.resultModes[index]
      return convolutions[mode]?.result(held: held)
        ?? plainDimension(mode, extent: step.resultShape[index], held: held)
    }
    self.init(loops: loops, first: dimensions[0], second: dimensions[1], result: dimensions[2])
  }
}

/// The loops of one convolution mode, and how the dimensions that carry it are indexed.
private struct ConvolutionLoops {
  typealias Dimension = ContractionNest.Dimension
  typealias Term = ContractionNest.Term

  /// Of the result's index; `nil` for two whole filters, whose indices add up to it.
  private let resultLoop: Int?
  private let resultStart: Int
  /// By operand; of the feature there is none.
  private let taps: [Int?]
  private let feature: Int?
  private let stride: Int
  private let tap: Int
  private let offset: Int
  private let circular: Bool

  init(_ convolution: StepConvolution, of part: StepPart, addLoop: (Int) -> Int) {
    let step = part.step
    let mode = convolution.mode
    let lengths = step.operands.indices.map { part.range(of: mode, inOperand: $0).count }
    let isPair = convolution.feature == nil
    guard !isPair || part.isCut(mode) else {
      resultLoop = nil
      resultStart = 0
      taps = lengths.map { addLoop($0) }
      feature = nil
      stride = 1
      tap = 1
      offset = 0
      circular = false
      return
    }
    // Of two filters the longer one is cut, and read at i − k for every tap k of the other.
    let feature = StepModes(step).entries.first { $0.mode == mode }?.feature ?? 0
    let results = part.range(of: mode, extent: convolution.resultExtent)
    resultLoop = addLoop(results.count)
    // A part of no results may start anywhere.
    resultStart = results.isEmpty ? 0 : results.lowerBound
    taps = lengths.indices.map { $0 == feature ? nil : addLoop(lengths[$0]) }
    self.feature = feature
    stride = isPair ? 1 : convolution.stride
    tap = isPair ? -1 : convolution.tap
    offset = isPair ? 0 : convolution.offset
    circular = convolution.circular
  }

  func operand(_ position: Int, extent: Int, held: Range<Int>) -> Dimension {
    if let own = taps[position] {
      return Dimension(terms: [Term(loop: own)], extent: held.count)
    }
    var terms: [Term] = []
    if let resultLoop { terms.append(Term(loop: resultLoop, coefficient: stride)) }
    if let filter = taps.lazy.compactMap({ $0 }).first {
      terms.append(Term(loop: filter, coefficient: tap))
    }
    return Dimension(
      terms: terms, offset: stride * resultStart + offset - held.lowerBound, extent: held.count,
      circular: circular && held == 0..<extent)
  }

  func result(held: Range<Int>) -> Dimension {
    guard let resultLoop else {
      return Dimension(terms: taps.compactMap { $0 }.map { Term(loop: $0) }, extent: held.count)
    }
    return Dimension(terms: [Term(loop: resultLoop)], extent: held.count)
  }
}
