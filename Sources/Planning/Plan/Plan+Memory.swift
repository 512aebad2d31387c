extension Plan {
  /// The most elements that live at once: operands, intermediates and the result, without what the
  /// kernels need besides. An intermediate is released after the step that reads it.
  ///
  /// Exact below 2⁵³, and finite for plans that no machine could run.
  public var peakElements: Double {
    // Held far below the largest number, so that no sum becomes infinite and no difference NaN.
    let limit = 1e300
    func elements(_ shape: [Int]) -> Double {
      min(shape.reduce(1) { saturatingProduct($0, $1) }, limit)
    }
    let count = expression.shapes.count
    var live = expression.shapes.reduce(0) { $0 + elements($1) }
    var peak = live
    for step in steps {
      live += elements(step.resultShape)
      peak = max(peak, live)
      for operand in step.operands where operand >= count {
        live -= elements(steps[operand - count].resultShape)
      }
    }
    return min(peak, limit)
  }

  /// The first step with so many filter taps, or rows of taps where it convolves several modes, that
  /// listing them would itself exhaust memory: more than 2²¹. `nil`: there is none.
  public var firstStepOfTooManyTaps: Step? {
    steps.first { step in
      let taps = step.convolutions.map { convolution in
        let filters = zip(step.operandModes, step.operandShapes).enumerated()
          .filter { $0.offset != convolution.feature }
          .compactMap { entry in
            entry.element.0.firstIndex(of: convolution.mode).map { entry.element.1[$0] }
          }
        let taps = Double(filters.min() ?? 1)
        return step.convolutions.count > 1 ? taps * Double(convolution.resultExtent) : taps
      }
      return (taps.max() ?? 0) > 0x1p21
    }
  }

  /// The first shape, of operands and intermediates, with more elements than can be addressed: more
  /// than 2⁴⁸, which leaves room to add up the bytes of all tensors of a plan. `nil`: there is none.
  public var firstUnaddressableShape: [Int]? {
    (expression.shapes + steps.map(\.resultShape)).first { !Self.isAddressable($0) }
  }

  package static func isAddressable(_ shape: [Int]) -> Bool {
    shape.reduce(1.0) { $0 * Double(max($1, 1)) } <= 0x1p48
  }
}
