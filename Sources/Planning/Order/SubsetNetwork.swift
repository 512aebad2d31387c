/// An expression as the optimal search sees it: sets of operands are the bits of a word, sets of
/// modes a few words, and the cost of a step is a handful of table look-ups.
///
/// Plain modes that the same operands carry, and that are all in the output or all not, are one
/// *bundle* whose extent is their product. A convolution mode that only the feature carries counts
/// as plain, with extent n.
struct SubsetNetwork: Sendable {
  /// Operands are the bits of a `UInt64`.
  static let maximumOperands = 64

  struct Bundle: Hashable, Sendable {
    let carriers: UInt64
    let isInOutput: Bool
  }

  struct Convolution: Sendable {
    let carriers: UInt64
    let feature: UInt64
    let isInOutput: Bool
    let featureExtent: Double
    let paddedExtent: Double
    let outputExtent: Double
    let dilation: Double
  }

  let operandCount: Int
  let bundles: [Bundle]
  /// Words that hold one bit for every bundle, at least 1.
  let wordCount: Int
  let convolutions: [Convolution]
  /// Of every convolution mode and operand K_j − 1, 0 where that is no filter.
  private let taps: [[Double]]
  /// The operands that need a gradient.
  let gradients: UInt64
  /// The product of the extents of bundles 8b ..< 8b + 8 whose bits are set in the byte v, at
  /// 256·b + v.
  private let products: [Double]
  /// `leastRead` of the operands, dearest first.
  private var leaves: [(operand: UInt64, cost: Double)] = []
  /// No step costs less than this.
  private var leastStep = 0.0

  var everything: UInt64 { .max >> UInt64(Self.maximumOperands - operandCount) }

  /// What it takes to compute the cost of a step (`SearchBudget`).
  var stepWork: Int { 4 + 2 * bundles.count / 8 + 4 * convolutions.count }
  /// What it takes to compute the modes of a value.
  var valueWork: Int { 8 * bundles.count + 4 * convolutions.count * operandCount + 32 }

  init(_ network: NetworkModes) {
    operandCount = network.leaves.count
    var carriers = [UInt64](repeating: 0, count: network.modes.count)
    var features = carriers
    var gradients: UInt64 = 0
    var modeTaps = [[Double]](
      repeating: Array(repeating: 0, count: operandCount), count: network.modes.count)
    for (operand, leaf) in network.leaves.enumerated() {
      if leaf.needsGradient { gradients |= 1 << UInt64(operand) }
      for entry in leaf.entries {
        carriers[entry.mode] |= 1 << UInt64(operand)
        if entry.holdsFeature { features[entry.mode] |= 1 << UInt64(operand) }
        modeTaps[entry.mode][operand] = Double(entry.taps)
      }
    }
    self.gradients = gradients

    var bundles: [Bundle] = []
    var extents: [Double] = []
    var numbers: [Bundle: Int] = [:]
    var convolutions: [Convolution] = []
    var taps: [[Double]] = []
    for (mode, rule) in network.modes.enumerated() where carriers[mode] != 0 {
      if let convolution = rule.convolution {
        convolutions.append(
          Convolution(
            carriers: carriers[mode], feature: features[mode],
            isInOutput: rule.isInOutput, featureExtent: Double(convolution.featureExtent),
            paddedExtent: Double(convolution.paddedExtent),
            outputExtent: Double(convolution.outputExtent),
            dilation: Double(convolution.dilation)))
        taps.append(modeTaps[mode])
        continue
      }
      let bundle = Bundle(carriers: carriers[mode], isInOutput: rule.isInOutput)
      if let number = numbers[bundle] {
        extents[number] = saturatingProduct(extents[number], rule.extent)
      } else {
        numbers[bundle] = bundles.count
        bundles.append(bundle)
        extents.append(Double(rule.extent))
      }
    }
    self.bundles = bundles
    self.convolutions = convolutions
    self.taps = taps
    wordCount = max(1, (bundles.count + 63) / 64)
    products = Self.products(of: extents)

    if !network.hasPositiveExtents { return }
    leaves = (0..<operandCount).map { operand in
      let bit: UInt64 = 1 << UInt64(operand)
      return (bit, leastRead(bit))
    }
    leaves.sort { ($1.cost, $0.operand) < ($0.cost, $1.operand) }
    leastStep = zip(bundles, extents).reduce(1) { least, bundle in
      bundle.0.carriers == everything ? least * bundle.1 : least
    }
  }
}

// MARK: Values

extension SubsetNetwork {
  private static func products(of extents: [Double]) -> [Double] {
    let byteCount = (extents.count + 7) / 8
    var products = [Double](repeating: 1, count: 256 * byteCount)
    for (number, extent) in extents.enumerated() {
      for byte in 0..<256 where byte >> (number % 8) & 1 == 1 {
        let place = 256 * (number / 8) + byte
        products[place] = min(products[place] * extent, .greatestFiniteMagnitude)
      }
    }
    return products
  }

  /// The bundles that the value of `subset` has, in word `word`.
  func bundles(of subset: UInt64, word: Int) -> UInt64 {
    let isLeaf = subset & (subset - 1) == 0
    var bits: UInt64 = 0
    for number in (64 * word)..<min(64 * word + 64, max(bundles.count, 64 * word)) {
      let bundle = bundles[number]
      let isCarried = bundle.carriers & subset != 0
      if isCarried && (isLeaf || bundle.isInOutput || bundle.carriers & ~subset != 0) {
        bits |= 1 << UInt64(number % 64)
      }
    }
    return bits
  }

  /// Product of the extents of the bundles in `bits`.
  @inline(__always)
  func product(_ bits: UInt64, word: Int) -> Double {
    var product = 1.0
    var rest = bits
    var table = word * 8 * 256
    while rest != 0 {
      product *= products[table + Int(rest & 255)]
      rest >>= 8
      table += 256
    }
    return product
  }

  /// Elements of the value of `subset` but for its convolution modes.
  func plainElements(_ subset: UInt64) -> Double {
    (0..<wordCount).reduce(1) { $0 * product(bundles(of: subset, word: $1), word: $1) }
  }

  /// Tracked extent of convolution mode `number` in the value of `subset`; 1 where it has none.
  func extent(ofConvolution number: Int, in subset: UInt64) -> Double {
    let convolution = convolutions[number]
    let held = convolution.carriers & subset
    if held == 0 || (held == convolution.carriers && !convolution.isInOutput) { return 1 }
    if held == convolution.feature { return convolution.featureExtent }
    if held == convolution.carriers { return convolution.outputExtent }
    var sum = 0.0
    for operand in 0..<operandCount where held >> UInt64(operand) & 1 == 1 {
      sum += taps[number][operand]
    }
    return held & convolution.feature == 0
      ? max(0, sum + 1) : max(0, convolution.paddedExtent - convolution.dilation * sum)
  }

  /// What a convolution mode multiplies the cost of a step by. `x` and `y` are the tracked extents
  /// in the two values, 1 where they lack the mode.
  @inline(__always)
  func factor(
    _ convolution: Convolution, _ a: UInt64, _ x: Double, _ b: UInt64, _ y: Double
  ) -> Double {
    let inA = a & convolution.carriers
    let inB = b & convolution.carriers
    if inA == 0 || inB == 0 || (inA | inB) & convolution.feature == 0 { return x * y }
    let isFeatureA = inA & convolution.feature != 0
    let filter = isFeatureA ? y : x
    if inA | inB == convolution.carriers { return convolution.outputExtent * filter }
    // The extent before this step, padded: that of the feature alone does not count its padding.
    let before =
      (isFeatureA ? inA : inB) == convolution.feature
      ? convolution.paddedExtent : isFeatureA ? x : y
    return max(0, before - convolution.dilation * (filter - 1)) * filter
  }

  /// Elements of the value of `subset`.
  func elements(_ subset: UInt64) -> Double {
    convolutions.indices.reduce(plainElements(subset)) {
      $0 * extent(ofConvolution: $1, in: subset)
    }
  }

  /// 1 + [a needs a gradient] + [b needs one].
  @inline(__always)
  func trainingFactor(_ a: UInt64, _ b: UInt64) -> Double {
    1 + (a & gradients != 0 ? 1 : 0) + (b & gradients != 0 ? 1 : 0)
  }
}

// MARK: Lower bounds

extension SubsetNetwork {
  /// w(S): no step that reads the value of S costs less.
  ///
  /// Proof. The step counts every mode of the value. A plain mode counts its extent. A convolution
  /// mode that the other value lacks counts its tracked extent e. One that it has counts
  /// - e·K′ with K′ ≥ 1 if both are filters;
  /// - n_out·e with n_out ≥ n ≥ 1 if S holds filters only;
  /// - n_out·K′ ≥ n if S holds the feature. Here n_out ≥ n, because n_out is n or, before the last
  ///   filter, at least N + low + high − E, and n = ⌊(N + low + high − E − 1)/s⌋ + 1 is no more.
  ///
  /// So a factor is at least e, or min(e, n) if S holds the feature: a stride can make reading a
  /// value cheaper than its number of elements. The training factor is at least 1 + [S needs a
  /// gradient].
  func leastRead(_ subset: UInt64) -> Double {
    var cost = plainElements(subset) * trainingFactor(subset, 0)
    for (number, convolution) in convolutions.enumerated() {
      let extent = extent(ofConvolution: number, in: subset)
      let holdsFeature = convolution.feature & subset != 0
      cost *= holdsFeature ? min(extent, convolution.outputExtent) : extent
    }
    return cost
  }

  /// No order that makes the value of `subset` costs less in its steps outside `subset`.
  ///
  /// Proof. Let V be that value and the operands outside S, r + 1 values, which r more steps join.
  /// Each value of V is read by exactly one of these steps, and a step reads two values. Sort V by
  /// falling w: v₁, v₂, …. For every k the values v₁ … v_{2k−1} are read by at least k steps, each
  /// at w(v_{2k−1}) or more: so the k-th dearest step costs at least w(v_{2k−1}), and w(v₁) + w(v₃)
  /// + … bounds the ⌈(r + 1)/2⌉ dearest. Each of the others costs at least the product of the
  /// extents of the plain modes that all operands carry, for every value before the result has
  /// those. (Where some n or K is 0 the bound of `leastRead` fails, and this one is 0.)
  func leastRest(_ subset: UInt64) -> Double {
    let steps = operandCount - subset.nonzeroBitCount
    if steps == 0 || leaves.isEmpty { return 0 }
    var bound = Double(steps - (steps + 2) / 2) * leastStep
    var own: Double? = leastRead(subset)
    var position = 0
    for leaf in leaves where leaf.operand & subset == 0 {
      if let cost = own, cost >= leaf.cost {
        if position % 2 == 0 { bound += cost }
        position += 1
        own = nil
      }
      if position % 2 == 0 { bound += leaf.cost }
      position += 1
    }
    if let cost = own, position % 2 == 0 { bound += cost }
    return bound
  }
}
