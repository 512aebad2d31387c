import Planning

/// One draw of a random expression, before it is written as text.
struct ExpressionDrawing {
  /// A term's dimension: a mode, or one that `...` stands for.
  private struct Term {
    var modes: [String] = []
    /// Where `...` stands among `modes`.
    var ellipsis: Int?
  }

  private let operands: [Term]
  /// `nil` where the output is implied.
  private let output: Term?
  private let convolutions: [RandomConvolution]
  let shapes: [[Int]]
  let rules: ConvRules
  /// Turns of the reference evaluator's nest.
  let iterations: Int

  init(limits: RandomExpression.Limits, random: inout SeededGenerator) {
    let count = random.integer(in: limits.operands)
    let convolutionCount = random.integer(in: limits.convolutionModes)
    var names = Self.names(convolutionCount + 8, random: &random)

    let convolutions = names.prefix(convolutionCount).map {
      RandomConvolution(mode: $0, operandCount: count, random: &random)
    }
    names.removeFirst(convolutionCount)

    var terms = Array(repeating: Term(), count: count)
    var extents: [String: Int] = [:]
    for mode in names.prefix(random.integer(in: 0...min(8, 2 + count))) {
      extents[mode] = random.choice([1: 3, 2: 6, 3: 6, 4: 3, 5: 2])
      for operand in Self.carriers(of: count, random: &random) {
        terms[operand].modes.append(mode)
        // The same mode again: a diagonal.
        if random.chance(0.05) { terms[operand].modes.append(mode) }
      }
    }
    if limits.emptyExtents, random.chance(0.02), let mode = extents.keys.sorted().first {
      extents[mode] = 0
    }
    for convolution in convolutions {
      for operand in convolution.extents.keys { terms[operand].modes.append(convolution.mode) }
    }
    for operand in terms.indices { terms[operand].modes.sort() }
    for operand in terms.indices { terms[operand].modes.shuffle(using: &random) }

    var shapes = terms.enumerated().map { operand, term in
      term.modes.map { mode in
        extents[mode] ?? convolutions.first { $0.mode == mode }?.extents[operand] ?? 1
      }
    }
    let broadcast = Self.broadcast(&terms, &shapes, random: &random)
    operands = terms
    output = Self.output(
      terms, convolutions: convolutions.map(\.mode), extents: extents.keys.sorted(),
      random: &random)
    self.convolutions = convolutions
    self.shapes = shapes
    iterations =
      extents.values.reduce(1, *) * convolutions.reduce(1) { $0 * $1.iterations } * broadcast
    rules = Self.rules(convolutions, random: &random)
  }

  /// Different names of modes, mostly single letters.
  private static func names(_ count: Int, random: inout SeededGenerator) -> [String] {
    let letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".map(String.init)
    let long = ["r0", "r1", "r2", "s1", "s2", "row", "Row", "x_y"]
    let useLong = random.chance(0.3)
    return Array(
      (letters + (useLong ? long + long : [])).shuffled(using: &random).uniqued
        .prefix(count))
  }

  /// The operands that carry a mode: one (the mode is summed there, or kept), a pair (contracted),
  /// or more (a batch or hyper mode).
  private static func carriers(of count: Int, random: inout SeededGenerator) -> [Int] {
    let wanted = random.choice([1: 4, 2: 8, 3: 3, count: 2])
    return random.subset(of: Array(0..<count), count: min(wanted, count))
  }

  /// Sometimes puts `...` into some operands, for up to two dimensions, some of extent 1.
  ///
  /// - Returns: The product of the extents of the dimensions that `...` stands for.
  private static func broadcast(
    _ operands: inout [Term], _ shapes: inout [[Int]], random: inout SeededGenerator
  ) -> Int {
    guard random.chance(0.15) else { return 1 }
    let extents = [random.integer(in: 1...3), random.integer(in: 1...3)]
    var reached = [1, 1]
    let always = random.integer(in: 0...operands.count - 1)
    for operand in operands.indices where operand == always || random.chance(0.5) {
      let place = random.integer(in: 0...operands[operand].modes.count)
      let dimensions = extents.suffix(random.integer(in: 0...2))
        .map { random.chance(0.3) ? 1 : $0 }
      operands[operand].ellipsis = place
      shapes[operand].insert(contentsOf: dimensions, at: place)
      for (back, extent) in dimensions.reversed().enumerated() {
        reached[back] = max(reached[back], extent)
      }
    }
    return reached.reduce(1, *)
  }

  private static func output(
    _ operands: [Term], convolutions: [String], extents: [String], random: inout SeededGenerator
  ) -> Term? {
    if random.chance(0.12) { return nil }
    let carried = Set(operands.flatMap(\.modes))
    var modes = extents.filter { carried.contains($0) && random.chance(0.55) }
    modes += convolutions.filter { _ in random.chance(0.8) }
    modes.shuffle(using: &random)
    let broadcasts = operands.contains { $0.ellipsis != nil }
    return Term(
      modes: modes, ellipsis: broadcasts ? random.integer(in: 0...modes.count) : nil)
  }

  /// Each mode's rule by its name, or the last one's for all that have none.
  private static func rules(
    _ convolutions: [RandomConvolution], random: inout SeededGenerator
  ) -> ConvRules {
    var rules = ConvRules(
      byMode: Dictionary(uniqueKeysWithValues: convolutions.map { ($0.mode, $0.rule) }))
    if let last = convolutions.last, random.chance(0.4) {
      rules.byMode[last.mode] = nil
      rules.all = last.rule
    }
    return rules
  }

  /// The expression in one of the ways it can be written.
  func text(random: inout SeededGenerator) -> String {
    var text = operands.map { written($0, random: &random) }
      .joined(separator: random.chance(0.2) ? ", " : ",")
    if let output {
      text += (random.chance(0.2) ? " -> " : "->") + written(output, random: &random)
    }
    if !convolutions.isEmpty {
      let modes = convolutions.map { written($0.mode, random: &random) }
      text += "|" + modes.joined(separator: random.chance(0.3) ? "," : "")
    }
    return text
  }

  private func written(_ term: Term, random: inout SeededGenerator) -> String {
    var items = term.modes.map { written($0, random: &random) }
    if let place = term.ellipsis { items.insert("...", at: place) }
    return items.joined()
  }

  /// A single letter may stand in parentheses too.
  private func written(_ mode: String, random: inout SeededGenerator) -> String {
    mode.count > 1 || random.chance(0.03) ? "(\(mode))" : mode
  }
}

extension [String] {
  /// Each once, where it first stands.
  fileprivate var uniqued: [String] {
    var seen: Set<String> = []
    return filter { seen.insert($0).inserted }
  }
}
