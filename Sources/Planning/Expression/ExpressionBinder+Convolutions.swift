extension ExpressionBinder {
  /// The geometry of a convolution mode (design, section 2): which operand is the feature, how far
  /// the filters reach, and the padding in numbers. Its output extent is at least 1.
  func geometry(
    of mode: Mode, _ occurrences: [Occurrence]
  ) throws(ExpressionError) -> ConvolutionGeometry {
    let rule = rules[mode]
    try check(rule, of: mode)
    if let empty = occurrences.first(where: { $0.extent < 1 }) {
      throw error(.emptyConvolutionMode(mode, operand(empty.operand)))
    }
    let feature = try feature(of: mode, occurrences, rule)
    let filters = occurrences.filter { $0.operand != feature.operand }.map {
      ConvolutionGeometry.Filter(operand: $0.operand, extent: $0.extent)
    }
    guard let reach = reach(of: filters, dilation: rule.dilation) else {
      throw error(.extentTooLarge(mode))
    }
    let (low, high) = padding(of: rule, reach: reach)
    guard let padded = sum([feature.extent, low, high]) else {
      throw error(.extentTooLarge(mode))
    }
    // The padded feature is never made, but kernels count offsets into it.
    var paddedShape = shapes[feature.operand]
    paddedShape[feature.dimension] = padded
    guard isAddressable(paddedShape) else { throw error(.extentTooLarge(mode)) }
    // Not by the output extent: division rounds towards 0, so that n would be 1 here too.
    guard padded > reach else {
      throw error(
        .noOutput(
          mode, featureExtent: feature.extent, low: low, high: high,
          filterExtents: filters.map(\.extent), dilation: rule.dilation))
    }
    return ConvolutionGeometry(
      feature: feature.operand, featureExtent: feature.extent, filters: filters,
      stride: rule.stride, dilation: rule.dilation, low: low, high: high, kind: rule.kind,
      boundary: rule.boundary)
  }

  private func check(_ rule: ConvRule, of mode: Mode) throws(ExpressionError) {
    var numbers: [(ConvRule.Setting, Int)] = [(.stride, rule.stride), (.dilation, rule.dilation)]
    if case .explicit(let low, let high) = rule.padding {
      numbers += [(.padding, low), (.padding, high)]
    }
    for (setting, value) in numbers where value < setting.minimum {
      throw error(.belowMinimum(mode, setting, value))
    }
    if rule.wrapsWithoutCircle { throw error(.wrapNeedsCircular(mode)) }
  }

  /// The operand that the rule names, or the first of the largest extent; a convolution mode stands in
  /// at least one operand.
  private func feature(
    of mode: Mode, _ occurrences: [Occurrence], _ rule: ConvRule
  ) throws(ExpressionError) -> Occurrence {
    var feature = occurrences[0]
    for place in occurrences where place.extent > feature.extent { feature = place }
    guard let named = rule.feature, named != feature.operand else { return feature }
    guard let place = occurrences.first(where: { $0.operand == named }) else {
      let carriers = occurrences.map(\.operand)
      throw error(.featureWithoutMode(mode, feature: named, carriers: carriers))
    }
    return place
  }

  /// `E = Σ_j d(K_j − 1)`; `nil` if it overflows.
  private func reach(of filters: [ConvolutionGeometry.Filter], dilation: Int) -> Int? {
    var terms: [Int] = []
    for filter in filters {
      let (term, overflow) = dilation.multipliedReportingOverflow(by: filter.extent - 1)
      if overflow { return nil }
      terms.append(term)
    }
    return sum(terms)
  }

  /// Padding before and after.
  ///
  /// `same` is as PyTorch's for a correlation and as numpy's for a convolution; `wrap` anchors the
  /// output at index 0 of the feature.
  private func padding(of rule: ConvRule, reach: Int) -> (low: Int, high: Int) {
    let isCorrelation = rule.kind == .correlation
    switch rule.padding ?? (rule.boundary == .circular ? .wrap : .same) {
    case .same:
      let (less, more) = (reach / 2, reach - reach / 2)
      return isCorrelation ? (less, more) : (more, less)
    case .valid: return (0, 0)
    case .full: return (reach, reach)
    case .wrap: return isCorrelation ? (0, reach) : (reach, 0)
    case .explicit(let low, let high): return (low, high)
    }
  }

  private func sum(_ terms: [Int]) -> Int? {
    var total = 0
    for term in terms {
      let (sum, overflow) = total.addingReportingOverflow(term)
      if overflow { return nil }
      total = sum
    }
    return total
  }
}
