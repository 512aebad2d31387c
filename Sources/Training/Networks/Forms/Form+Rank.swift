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
    let budget = compression * Double(kernel.count) * Double(groups) * (1 + 1e-12)
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

  /// The largest compression there is a point in: ranks grow no further than ten dense kernels.
  static let compressionLimit = 10.0

  /// The rank of a layer.
  ///
  /// - Throws: `NetworkError`, if the compression is out of range, or the form is larger than the
  ///   dense kernel even at rank 1.
  func rank(ofLayer layer: String, _ kernel: KernelShape, compression: Double) throws(NetworkError)
    -> Int
  {
    guard hasRank else { return 1 }
    guard compression > 0, compression <= Self.compressionLimit else {
      throw .compressionOutOfRange(
        layer: layer, form: name, compression: compression, limit: Self.compressionLimit)
    }
    // A compressed layer larger than what it compresses is a mistake, unless asked for.
    let least = parameterCount(kernel, rank: 1)
    guard least <= max(1, compression) * Double(kernel.count) * Double(groups) else {
      throw .formLargerThanDense(
        layer: layer, form: name, inputChannels: kernel.inputChannels,
        outputChannels: kernel.outputChannels, kernel: kernel.extents, compression: compression,
        parameters: Int(least), denseParameters: kernel.count * groups)
    }
    return rank(of: kernel, compression: compression)
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
    var extents: [Mode: Int] = [:]
    for mode in modes(.rank) { extents[mode] = rank }
    for (mode, extent) in zip(inputModes, inputExtents(kernel)) { extents[mode] = extent }
    for (mode, extent) in zip(outputModes, outputExtents(kernel)) { extents[mode] = extent }
    for (mode, extent) in zip(spaceModes, kernel.extents) { extents[mode] = extent }
    return extents.merging(fixedExtents) { $1 }
  }

  /// The extents of the input's channel modes, whose product is S.
  func inputExtents(_ kernel: KernelShape) -> [Int] {
    channelExtents(inputModes, kernel.inputChannels)
  }

  /// The extents of the output's channel modes, whose product is T.
  func outputExtents(_ kernel: KernelShape) -> [Int] {
    channelExtents(outputModes, kernel.outputChannels)
  }

  private func channelExtents(_ modes: [Mode], _ channels: Int) -> [Int] {
    zip(modes, evenFactors(channels, count: modes.count)).map { fixedExtents[$0] ?? $1 }
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
