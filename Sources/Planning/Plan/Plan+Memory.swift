extension Plan {
  /// The most elements that live at once: operands, intermediates and the result, without what the
  /// kernels need besides. An intermediate is released after the step that reads it.
  ///
  /// Exact below 2⁵³, and finite for plans that no machine could run.
  public var peakElements: Double {
    func elements(_ shape: [Int]) -> Double {
      shape.reduce(1) { saturatingProduct($0, $1) }
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
    return peak
  }

  /// Whether every intermediate has few enough elements to be addressed at all.
  public var isAddressable: Bool { steps.allSatisfy(\.isAddressable) }
}

extension Step {
  /// Whether the result has at most 2⁴⁸ elements, which leaves room to add up the bytes of all
  /// tensors of a plan.
  public var isAddressable: Bool {
    resultShape.reduce(1.0) { $0 * Double(max($1, 1)) } <= 0x1p48
  }
}
