extension BoundExpression {
  /// Parses an expression and binds it to the shapes of its operands, one for each.
  ///
  /// ```swift
  /// let rules = ConvRules(all: ConvRule(stride: 2, kind: .correlation))
  /// let layer = try BoundExpression(
  ///   "bshw,tshw->bthw|hw", shapes: [[8, 3, 32, 32], [16, 3, 3, 3]], rules: rules)
  /// layer.outputShape  // [8, 16, 16, 16]
  /// ```
  public init(
    _ text: String, shapes: [[Int]], rules: ConvRules = ConvRules()
  ) throws(ExpressionError) {
    try self.init(ConvEinsum(text), shapes: shapes, rules: rules)
  }

  /// Binds an expression to the shapes of its operands, one for each.
  ///
  /// Modes have equal extents wherever they stand, except convolution modes (design, section 2) and
  /// the dimensions of `...`, of which those of extent 1 broadcast. Throws an `ExpressionError` of
  /// kind `binding` that names the operand and the mode.
  public init(
    _ expression: ConvEinsum, shapes: [[Int]], rules: ConvRules = ConvRules()
  ) throws(ExpressionError) {
    var binder = ExpressionBinder(expression, shapes: shapes, rules: rules)
    self = try binder.bind()
  }
}

/// Numbers the modes of an expression and gives each its extent.
struct ExpressionBinder {
  /// Where a mode stands.
  struct Occurrence {
    let operand: Int
    let dimension: Int
    let extent: Int
  }

  let expression: ConvEinsum
  let shapes: [[Int]]
  let rules: ConvRules
  private var numbers: [Mode: Int] = [:]
  /// By number: the mode and every dimension that carries it, in order of operands.
  private var modes: [(mode: Mode, occurrences: [Occurrence])] = []

  init(_ expression: ConvEinsum, shapes: [[Int]], rules: ConvRules) {
    self.expression = expression
    self.shapes = shapes
    self.rules = rules
  }

  mutating func bind() throws(ExpressionError) -> BoundExpression {
    try checkOperands()
    try checkRules()
    var operands = numberModes()
    let output = try outputModes()
    let convolutionModes = Set(expression.convolutionModes)
    var bound: [BoundExpression.BoundMode] = []
    for (mode, occurrences) in modes {
      if convolutionModes.contains(mode) {
        let geometry = try geometry(of: mode, occurrences)
        bound.append(
          BoundExpression.BoundMode(
            mode: mode, extent: geometry.featureExtent, convolution: geometry))
      } else {
        let extent = try commonExtent(of: mode, occurrences)
        bound.append(BoundExpression.BoundMode(mode: mode, extent: extent, convolution: nil))
        // Where extents may differ, in the dimensions of an ellipsis, those of 1 broadcast.
        for place in occurrences where place.extent != extent {
          operands[place.operand][place.dimension] = nil
        }
      }
    }
    let result = BoundExpression(
      text: expression.text, shapes: shapes, modes: bound, operands: operands, output: output)
    guard isAddressable(result.outputShape) else {
      throw error(.outputTooLarge(shape: result.outputShape))
    }
    return result
  }

  func error(_ binding: ExpressionError.Binding) -> ExpressionError {
    ExpressionError(.binding(binding), text: expression.text)
  }

  func operand(_ index: Int) -> ExpressionError.Operand {
    ExpressionError.Operand(
      index: index, term: expression.operands[index].description, shape: shapes[index])
  }

  // MARK: Checks of one operand or rule

  private func checkOperands() throws(ExpressionError) {
    guard shapes.count == expression.operands.count else {
      throw error(.operandCount(expected: expression.operands.count, given: shapes.count))
    }
    for (index, (term, shape)) in zip(expression.operands, shapes).enumerated() {
      let hasEllipsis = term.ellipsis != nil
      guard hasEllipsis ? shape.count >= term.modes.count : shape.count == term.modes.count else {
        throw error(
          .dimensionCount(operand(index), expected: term.modes.count, hasEllipsis: hasEllipsis))
      }
      if let dimension = shape.firstIndex(where: { $0 < 0 }) {
        throw error(.negativeExtent(operand(index), dimension: dimension))
      }
      guard isAddressable(shape) else { throw error(.operandTooLarge(operand(index))) }
    }
  }

  /// Whether a tensor of this shape could have an address for every byte, in Double; an extent of 0
  /// counts as 1, so that no product of some of the extents overflows either.
  func isAddressable(_ shape: [Int]) -> Bool {
    var bytes = MemoryLayout<Double>.stride
    for extent in shape {
      let (product, overflow) = bytes.multipliedReportingOverflow(by: max(extent, 1))
      if overflow { return false }
      bytes = product
    }
    return true
  }

  private func checkRules() throws(ExpressionError) {
    let names = expression.convolutionModes.map(\.name)
    let known = Set(names)
    for mode in rules.byMode.keys.sorted() where !known.contains(mode) {
      throw error(
        .unknownRule(
          mode: mode, nearest: nearest(to: mode, among: names),
          convolutionModes: expression.convolutionModes))
    }
  }

  // MARK: Modes

  /// Numbers the modes in order of first appearance, those of an ellipsis in place, leftmost first;
  /// the numbers by operand and dimension.
  private mutating func numberModes() -> [[Int?]] {
    var operands: [[Int?]] = []
    for (index, (term, shape)) in zip(expression.operands, shapes).enumerated() {
      let broadcast = shape.count - term.modes.count
      let modes = expanded(term, broadcast: broadcast)
      operands.append(
        modes.enumerated().map { dimension, mode in
          let place = Occurrence(operand: index, dimension: dimension, extent: shape[dimension])
          return record(mode, at: place)
        })
    }
    return operands
  }

  private mutating func record(_ mode: Mode, at place: Occurrence) -> Int {
    if let number = numbers[mode] {
      modes[number].occurrences.append(place)
      return number
    }
    let number = modes.count
    numbers[mode] = number
    modes.append((mode, [place]))
    return number
  }

  /// The modes of a term by dimension, `broadcast` of them in the place of the ellipsis.
  private func expanded(_ term: ConvEinsum.Term, broadcast: Int) -> [Mode] {
    guard let ellipsis = term.ellipsis else { return term.modes }
    let matched = (0..<broadcast).reversed().map { Mode.broadcast($0) }
    return Array(term.modes[..<ellipsis] + matched + term.modes[ellipsis...])
  }

  private func outputModes() throws(ExpressionError) -> [Int] {
    let matched = zip(expression.operands, shapes).map { term, shape in
      shape.count - term.modes.count
    }
    let broadcast = matched.max() ?? 0
    if expression.output.ellipsis == nil, broadcast > 0,
      let index = matched.firstIndex(of: broadcast)
    {
      throw error(.ellipsisNotInOutput(operand(index), dimensions: broadcast))
    }
    return expanded(expression.output, broadcast: broadcast).compactMap { numbers[$0] }
  }

  /// The extent that all dimensions of a mode have; those of an ellipsis may also be 1.
  private func commonExtent(
    of mode: Mode, _ occurrences: [Occurrence]
  ) throws(ExpressionError) -> Int {
    guard let first = occurrences.first(where: { !mode.isBroadcast || $0.extent != 1 }) else {
      return 1
    }
    for place in occurrences where place.extent != first.extent {
      if mode.isBroadcast && place.extent == 1 { continue }
      throw error(.unequalExtents(mode, dimension(first), dimension(place)))
    }
    return first.extent
  }

  private func dimension(_ place: Occurrence) -> ExpressionError.Dimension {
    ExpressionError.Dimension(operand: operand(place.operand), dimension: place.dimension)
  }
}
