/// What the modes of an expression look like from within: how many operands carry each, and what
/// its extent becomes as they are contracted.
struct NetworkModes: Sendable {
  struct ModeRule: Sendable {
    /// Extent of a plain mode; n of a convolution mode that only the feature carries, because
    /// padding and stride are applied when that operand is prepared.
    let extent: Int
    /// `nil` also where a convolution mode has no filters.
    let convolution: ConvolutionGeometry?
    /// Number of operands that carry the mode.
    let carriers: Int
    let isInOutput: Bool
  }

  let modes: [ModeRule]
  /// The values 0 ..< n: the operands, or what takes their place once a network is simplified.
  let leaves: [ValueGeometry]

  /// `needsGradient` nil: steps are weighted by 1, that is by their forward cost alone.
  init(_ expression: BoundExpression, needsGradient: [Bool]? = nil) {
    var carriers = [Int](repeating: 0, count: expression.modes.count)
    let distinct = expression.operands.map { Set($0.compactMap { $0 }).sorted() }
    for mode in distinct.joined() { carriers[mode] += 1 }
    let output = Set(expression.output)
    modes = expression.modes.indices.map { mode in
      let convolution = expression.modes[mode].convolution
      let hasFilters = convolution?.filters.isEmpty == false
      return ModeRule(
        extent: expression.outputExtent(mode), convolution: hasFilters ? convolution : nil,
        carriers: carriers[mode], isInOutput: output.contains(mode))
    }
    leaves = distinct.indices.map { operand in
      let entries = distinct[operand].map { mode in
        let convolution = expression.modes[mode].convolution
        let holdsFeature = convolution?.feature == operand
        return ValueGeometry.Entry(
          mode: mode, carriers: 1, holdsFeature: holdsFeature,
          taps: convolution == nil || holdsFeature
            ? 0 : expression.extent(mode, inOperand: operand) - 1)
      }
      return ValueGeometry(entries: entries, needsGradient: needsGradient?[operand] ?? false)
    }
  }
}

/// The modes of one value — an operand, or the contraction of a set S of operands — and what their
/// tracked extents depend on. Equal sets give equal geometries, whatever the order.
///
/// A mode survives in S if it is in the output or in an operand outside S; an operand as given has
/// all its modes. A convolution mode with feature extent N and filters K_j has in S the extent
///
/// | S holds | extent |
/// | --- | --- |
/// | the feature only | N |
/// | the feature and some filters | N + low + high − Σ_{j∈S} d(K_j − 1) |
/// | the feature and all filters | n |
/// | filters only | Σ_{j∈S}(K_j − 1) + 1 |
struct ValueGeometry: Hashable, Sendable {
  struct Entry: Hashable, Sendable {
    let mode: Int
    /// Operands of S that carry the mode.
    let carriers: Int
    /// Whether S holds the mode's feature.
    let holdsFeature: Bool
    /// Σ_{j∈S}(K_j − 1) over the filters in S.
    let taps: Int
  }

  /// By mode, ascending.
  let entries: [Entry]
  /// Whether any operand of S needs a gradient.
  let needsGradient: Bool
}

extension NetworkModes {
  /// Of some values instead of the operands.
  init(modes: [ModeRule], leaves: [ValueGeometry]) {
    self.modes = modes
    self.leaves = leaves
  }

  /// Whether every convolution mode has taps, and room for them.
  var hasPositiveExtents: Bool {
    modes.compactMap(\.convolution).allSatisfy {
      $0.paddedExtent > $0.reach && $0.filters.allSatisfy { $0.extent > 0 }
    }
  }

  /// Tracked extent of one mode of a value.
  func extent(_ entry: ValueGeometry.Entry) -> Int {
    let rule = modes[entry.mode]
    guard let convolution = rule.convolution else { return rule.extent }
    if !entry.holdsFeature { return max(0, entry.taps + 1) }
    if entry.carriers == 1 { return convolution.featureExtent }
    if entry.carriers == rule.carriers { return convolution.outputExtent }
    return max(0, convolution.paddedExtent - convolution.dilation * entry.taps)
  }

  /// Number of elements of a value.
  func elements(_ value: ValueGeometry) -> Double {
    value.entries.reduce(1) { saturatingProduct($0, extent($1)) }
  }

  /// Elements of the contraction of two values.
  func elements(joining a: ValueGeometry, _ b: ValueGeometry) -> Double {
    var elements = 1.0
    forEachMode(of: a, b) { entry, _, _ in
      if survives(entry) { elements = saturatingProduct(elements, extent(entry)) }
    }
    return elements
  }

  /// The contraction of two values.
  func join(_ a: ValueGeometry, _ b: ValueGeometry) -> ValueGeometry {
    var entries: [ValueGeometry.Entry] = []
    entries.reserveCapacity(a.entries.count + b.entries.count)
    forEachMode(of: a, b) { entry, _, _ in if survives(entry) { entries.append(entry) } }
    return ValueGeometry(entries: entries, needsGradient: a.needsGradient || b.needsGradient)
  }

  /// Multiply-adds of contracting two values: the product over their distinct modes of the extent,
  /// where a convolution mode of both counts n_out·K (feature and filter) or K₁·K₂ (two filters).
  func macs(_ a: ValueGeometry, _ b: ValueGeometry) -> Double {
    var macs = 1.0
    forEachMode(of: a, b) { entry, inA, inB in
      if let inA, let inB, modes[entry.mode].convolution != nil {
        let slides = inA.holdsFeature ? entry : inB.holdsFeature ? entry : inA
        macs = saturatingProduct(macs, extent(slides))
        macs = saturatingProduct(macs, extent(inB.holdsFeature ? inA : inB))
      } else {
        macs = saturatingProduct(macs, extent(entry))
      }
    }
    return macs
  }

  /// The count of arXiv 2401.03384: a convolution mode of both counts the product of the extents
  /// that go in.
  func paperMacs(_ a: ValueGeometry, _ b: ValueGeometry) -> Double {
    var macs = 1.0
    forEachMode(of: a, b) { entry, inA, inB in
      if let inA, let inB, modes[entry.mode].convolution != nil {
        macs = saturatingProduct(saturatingProduct(macs, extent(inA)), extent(inB))
      } else {
        macs = saturatingProduct(macs, extent(entry))
      }
    }
    return macs
  }

  /// What the searches minimise: macs × (1 + [a needs a gradient] + [b needs one]).
  func weightedMacs(_ a: ValueGeometry, _ b: ValueGeometry) -> Double {
    macs(a, b) * trainingFactor(a, b)
  }

  func trainingFactor(_ a: ValueGeometry, _ b: ValueGeometry) -> Double {
    1 + (a.needsGradient ? 1 : 0) + (b.needsGradient ? 1 : 0)
  }

  private func survives(_ entry: ValueGeometry.Entry) -> Bool {
    let rule = modes[entry.mode]
    return rule.isInOutput || entry.carriers < rule.carriers
  }

  /// Calls `body` for every distinct mode of two values, ascending, with the mode's entry in their
  /// contraction (as if it survived) and in each of them.
  @inline(__always)
  private func forEachMode(
    of a: ValueGeometry, _ b: ValueGeometry,
    _ body: (ValueGeometry.Entry, ValueGeometry.Entry?, ValueGeometry.Entry?) -> Void
  ) {
    var i = 0
    var j = 0
    while i < a.entries.count || j < b.entries.count {
      let x = i < a.entries.count ? a.entries[i] : nil
      let y = j < b.entries.count ? b.entries[j] : nil
      if let x, y.map({ x.mode < $0.mode }) ?? true {
        body(x, x, nil)
        i += 1
      } else if let y, x.map({ y.mode < $0.mode }) ?? true {
        body(y, nil, y)
        j += 1
      } else if let x, let y {
        let both = ValueGeometry.Entry(
          mode: x.mode, carriers: x.carriers + y.carriers,
          holdsFeature: x.holdsFeature || y.holdsFeature, taps: x.taps + y.taps)
        body(both, x, y)
        i += 1
        j += 1
      }
    }
  }
}

/// `product · extent`, held at the largest finite number, so that 0 · ∞ never makes NaN and a plan
/// can be encoded as JSON.
func saturatingProduct(_ product: Double, _ extent: Int) -> Double {
  min(product * Double(extent), .greatestFiniteMagnitude)
}
