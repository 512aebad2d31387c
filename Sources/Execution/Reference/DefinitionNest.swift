import Kernels
import Planning

/// The loops of an expression, and how each of them moves through the expression's terms.
///
/// Terms are the operands in order and, last, the result. A *cursor* is a number that every turn of
/// a loop increases by that loop's step: first the offset in each term, then the feature's position
/// on each convolution mode, which may lie outside the feature and therefore is not part of an
/// offset until it has been checked.
struct DefinitionNest: Sendable {
  struct Loop: Sendable {
    let extent: Int
    /// By cursor.
    var steps: [Int]
  }

  /// The position at which a convolution mode reads its feature.
  struct Position: Sendable {
    let feature: Int
    let featureExtent: Int
    /// Elements between neighbours on this mode in the feature.
    let featureStride: Int
    let circular: Bool
  }

  let termCount: Int
  private(set) var loops: [Loop] = []
  private(set) var positions: [Position] = []
  /// The cursors when all loops stand at 0.
  private(set) var start: [Int]

  init(_ expression: BoundExpression) {
    let termShapes = expression.shapes + [expression.outputShape]
    let termModes = expression.operands + [expression.output.map(Optional.some)]
    let termStrides = zip(termModes, termShapes).map(Self.modeStrides)
    let result = expression.operands.count
    let convolutionCount = expression.modes.count { $0.convolution != nil }
    termCount = termShapes.count
    start = Array(repeating: 0, count: termCount + convolutionCount)
    let still = start

    for (mode, bound) in expression.modes.enumerated() {
      let strides = termStrides.map { $0[mode] ?? 0 }
      guard let convolution = bound.convolution else {
        loops.append(Loop(extent: bound.extent, steps: strides + still[termCount...]))
        continue
      }
      // Correlation reads the feature at i·s − lo + Σ_j d·k_j, convolution at i·s − lo + E − Σ_j d·k_j.
      let position = termCount + positions.count
      let flipped = convolution.kind == .convolution
      start[position] = (flipped ? convolution.reach : 0) - convolution.low
      positions.append(
        Position(
          feature: convolution.feature, featureExtent: convolution.featureExtent,
          featureStride: strides[convolution.feature],
          circular: convolution.boundary == .circular))

      var output = Loop(extent: convolution.outputExtent, steps: still)
      output.steps[result] = strides[result]
      output.steps[position] = convolution.stride
      loops.append(output)
      for filter in convolution.filters {
        var taps = Loop(extent: filter.extent, steps: still)
        taps.steps[filter.operand] = strides[filter.operand]
        taps.steps[position] = flipped ? -convolution.dilation : convolution.dilation
        loops.append(taps)
      }
    }
  }

  /// By mode, the elements between neighbours in a term. A mode that stands twice takes the
  /// diagonal: its strides add up. A dimension without a mode has extent 1 and never moves.
  private static func modeStrides(modes: [Int?], shape: [Int]) -> [Int: Int] {
    var strides: [Int: Int] = [:]
    var stride = 1
    for (mode, extent) in zip(modes, shape).reversed() {
      if let mode { strides[mode, default: 0] += stride }
      stride *= extent
    }
    return strides
  }

  /// Runs the nest: at every turn the product of all terms but one is added to that one.
  ///
  /// - Parameters:
  ///   - destination: The term that is summed.
  ///   - shape: Its shape.
  ///   - terms: By term; `nil` for the destination alone.
  func sum(into destination: Int, shape: [Int], _ terms: [Tensor<Double>?]) -> Tensor<Double> {
    var values: [Double] = []
    var bases: [Int] = []
    for term in terms {
      bases.append(values.count)
      values += term?.elements ?? Array(repeating: 0, count: shape.reduce(1, *))
    }
    if !loops.contains(where: { $0.extent == 0 }) {
      var run = Run(nest: self, destination: destination, values: values, bases: bases)
      run.turn(loop: 0)
      values = run.values
    }
    let end = destination + 1 < bases.count ? bases[destination + 1] : values.count
    return Tensor(shape: shape, elements: values[bases[destination]..<end])
  }
}

/// A nest under way.
private struct Run {
  let extents: [Int]
  /// The steps of all cursors, loop after loop: in one array, for speed.
  let steps: [Int]
  let positions: [DefinitionNest.Position]
  let termCount: Int
  let destination: Int
  /// The elements of all terms, one term after the other.
  var values: [Double]
  /// Offsets are indices into `values`.
  var cursors: [Int]
  /// The cursors of the terms with the features' positions added.
  var offsets: [Int]

  init(nest: DefinitionNest, destination: Int, values: [Double], bases: [Int]) {
    extents = nest.loops.map(\.extent)
    steps = nest.loops.flatMap(\.steps)
    positions = nest.positions
    termCount = nest.termCount
    self.destination = destination
    self.values = values
    cursors = nest.start
    for (term, base) in bases.enumerated() { cursors[term] += base }
    offsets = Array(cursors[..<termCount])
  }

  mutating func turn(loop: Int) {
    guard loop < extents.count else { return accumulate() }
    for _ in 0..<extents[loop] {
      turn(loop: loop + 1)
      move(loop: loop, times: 1)
    }
    move(loop: loop, times: -extents[loop])
  }

  private mutating func move(loop: Int, times: Int) {
    for cursor in cursors.indices {
      cursors[cursor] += times * steps[loop * cursors.count + cursor]
    }
  }

  private mutating func accumulate() {
    for term in 0..<termCount { offsets[term] = cursors[term] }
    for (number, position) in positions.enumerated() {
      var index = cursors[termCount + number]
      if position.circular {
        index %= position.featureExtent
        if index < 0 { index += position.featureExtent }
      } else if index < 0 || index >= position.featureExtent {
        return  // The feature is 0 here: there is nothing to add, to whichever term.
      }
      offsets[position.feature] += index * position.featureStride
    }
    var product = 1.0
    for term in 0..<termCount where term != destination { product *= values[offsets[term]] }
    values[offsets[destination]] += product
  }
}
