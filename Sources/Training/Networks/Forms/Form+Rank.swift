import Planning

/// Extents: how a rank follows from the compression, and shapes from the rank.
extension Form {
  /// Whether the form has a rank, and so can be compressed.
  public var hasRank: Bool { !modes(.rank).isEmpty }

  /// The largest rank whose factors have at most `compression`·S·T·Kh·Kw parameters, but at least
  /// 1; all rank modes have the same extent. This one rule is ⌊P/(S+T+Kh+Kw)⌋ for CP, its square
  /// root for TR, and the root of their own polynomial for the others. 1 for a form without ranks.
  ///
  /// - Parameter compression: finite and positive.
  public func rank(of kernel: KernelShape, compression: Double) -> Int {
    guard hasRank else { return 1 }
    // A compression given in decimal is rarely exact: 0.3 of 10 parameters are 3, not 2.
    let budget = compression * Double(kernel.count) * (1 + 1e-12)
    var enough = 1
    while parameterCount(kernel, rank: 2 * enough) <= budget { enough *= 2 }
    var tooMany = 2 * enough
    while tooMany - enough > 1 {
      let middle = (enough + tooMany) / 2
      let fits = parameterCount(kernel, rank: middle) <= budget
      (enough, tooMany) = fits ? (middle, tooMany) : (enough, middle)
    }
    return enough
  }

  /// The shape of every factor.
  public func factorShapes(_ kernel: KernelShape, rank: Int) -> [[Int]] {
    let extents = extents(kernel, rank: rank)
    return factors.map { $0.map { extents[$0] ?? rank } }
  }

  /// Elements of all factors; in `Double`, for a rank that is tried may be far too large.
  func parameterCount(_ kernel: KernelShape, rank: Int) -> Double {
    factorShapes(kernel, rank: rank).reduce(0) { $0 + $1.reduce(1) { $0 * Double($1) } }
  }

  /// The extent of every mode of the factors.
  func extents(_ kernel: KernelShape, rank: Int) -> [Mode: Int] {
    var extents = fixedExtents
    let inputs = channelModes(.input)
    let outputs = channelModes(.output)
    let inputExtents = evenFactors(kernel.inputChannels, count: inputs.count)
    let outputExtents = evenFactors(kernel.outputChannels, count: outputs.count)
    for (mode, extent) in zip(inputs, inputExtents) { extents[mode] = extent }
    for (mode, extent) in zip(outputs, outputExtents) { extents[mode] = extent }
    for mode in modes(.height) { extents[mode] = kernel.height }
    for mode in modes(.width) { extents[mode] = kernel.width }
    for mode in modes(.rank) { extents[mode] = rank }
    return extents
  }
}

/// `count` factors of `number`, ascending, with the least sum, i.e. as even as its divisors allow:
/// 64 = 4·4·4, 128 = 4·4·8, 7 = 1·1·7.
func evenFactors(_ number: Int, count: Int) -> [Int] {
  func search(_ number: Int, _ count: Int, from least: Int) -> [Int]? {
    if count == 1 { return number >= least ? [number] : nil }
    var best: [Int]?
    var divisor = least
    // The smallest of `count` factors is at most the count-th root; its square bounds it enough.
    while divisor * divisor <= number {
      if number % divisor == 0,
        let rest = search(number / divisor, count - 1, from: divisor)
      {
        let candidate = [divisor] + rest
        if candidate.reduce(0, +) < best?.reduce(0, +) ?? .max { best = candidate }
      }
      divisor += 1
    }
    return best
  }
  guard count > 0 else { return [] }
  return search(number, count, from: 1) ?? Array(repeating: 1, count: count - 1) + [number]
}
