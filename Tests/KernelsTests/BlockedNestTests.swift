import TestSupport
import Testing

@testable import Kernels

/// Nests in blocks against the walk over all iterations, whether or not they would be chosen.
@Suite struct BlockedNestTests {
  private static func run<Element: TensorElement>(
    _ blocked: BlockedNest, count: Int, _ p: [Element], _ q: [Element], adding: [Element]?
  ) -> [Element] {
    onArrays(workspaceCount: blocked.workspaceCount, count: count, p, q, adding: adding) {
      blocked.run(into: $0, $1, $2, workspace: $3, adding: adding != nil)
    }
  }

  /// Every way to run each role of random nests, the best and all others.
  @Test(arguments: 0..<30)
  func everyChoiceAgreesWithTheDefinition(seed: Int) throws {
    for instructions in InstructionSet.available(turn: seed) {
      try compareChoices(Context(instructions: instructions), seed: seed)
    }
  }

  private func compareChoices(_ context: Context, seed: Int) throws {
    var generator = Generator(seed: UInt64(seed) ^ 0xB10C)
    var checked = 0
    for _ in 0..<40 {
      let nest = ContractionNest.random(using: &generator)
      guard nest.loops.reduce(1, *) < 50_000 else { continue }
      for role in ContractionNest.Role.allCases {
        let roles = [role, role.sources.0, role.sources.1]
        guard let form = GatherForm(nest, roles: roles, mayLeaveHoles: true) else { continue }
        let p = generator.integers(nest.count(roles[1]))
        let q = generator.integers(nest.count(roles[2]))
        let old = generator.integers(nest.count(role))
        let expected = nest.evaluateByDefinition(writing: role, p, q)
        let sum = zip(expected, old).map { $0 + $1 }
        for (form, reorderings) in form.reorderedForms() {
          let merged = form.merged()
          // Cuts at a few divisors, for those of long loops would never be tried here.
          for cut in [nil] + Cut.candidates(merged, leastProducts: 1, depths: 2...4, columns: 2...5)
          {
            guard let problem = BlockedNest.Problem(cut.map(merged.cut) ?? merged, context) else {
              continue
            }
            // A few of them at random: there are hundreds.
            for choice in problem.choices(cut).shuffled(using: &generator).prefix(3) {
              guard let blocked = problem.lowered(choice, reorderings) else { continue }
              checked += 1
              let count = expected.count
              #expect(
                Self.run(blocked, count: count, p, q, adding: nil) == expected,
                "\(choice), \(role) of \(nest)")
              #expect(
                Self.run(blocked, count: count, p, q, adding: old) == sum,
                "\(choice), adding, \(role) of \(nest)")
              #expect(
                Self.run(blocked, count: count, p.map(Float.init), q.map(Float.init), adding: nil)
                  == expected.map(Float.init), "\(choice) in Float, \(role) of \(nest)")
            }
          }
        }
      }
    }
    #expect(checked > 0)
  }

  /// y[b, i, j, t] = Σ x[b, h·i + o, 2·j, s]·w[s, t]: the gradient of x has zeros where nothing is read.
  @Test(arguments: [1, 2, 3], [0, 1])
  func aStrideWithoutTapsLeavesHoles(step: Int, offset: Int) throws {
    func plain(_ loop: Int, _ extent: Int) -> ContractionNest.Dimension {
      .init(terms: [.init(loop: loop)], extent: extent)
    }
    // Loops: b, i, j, s, t.
    let nest = ContractionNest(
      loops: [3, 4, 5, 6, 17],
      first: [
        plain(0, 3),
        .init(terms: [.init(loop: 1, coefficient: step)], offset: offset, extent: 3 * step + 3),
        .init(terms: [.init(loop: 2, coefficient: 2)], extent: 9), plain(3, 6),
      ],
      second: [plain(3, 6), plain(4, 17)],
      result: [plain(0, 3), plain(1, 4), plain(2, 5), plain(4, 17)])
    let roles: [ContractionNest.Role] = [.first, .result, .second]
    #expect(GatherForm(nest, roles: roles) == nil)
    let form = try #require(GatherForm(nest, roles: roles, mayLeaveHoles: true))
    var generator = Generator(seed: 3)
    let (p, q) = (
      generator.integers(nest.count(.result)), generator.integers(nest.count(.second))
    )
    let old = generator.integers(nest.count(.first))
    let expected = nest.evaluateByDefinition(writing: .first, p, q)
    var checked = 0
    for (form, reorderings) in form.reorderedForms() {
      let problem = try #require(BlockedNest.Problem(form.merged(), .process))
      for choice in problem.choices() {
        guard let blocked = problem.lowered(choice, reorderings) else { continue }
        checked += 1
        let count = expected.count
        #expect(Self.run(blocked, count: count, p, q, adding: nil) == expected, "\(choice)")
        #expect(
          Self.run(blocked, count: count, p, q, adding: old) == zip(expected, old).map { $0 + $1 },
          "\(choice), adding")
      }
    }
    #expect(checked > 0)
  }

  /// Of the strided convolutions of one tap that residual networks have, the gradient is made in blocks too.
  @Test func aStrideWithoutTapsIsWorthBlocks() {
    let nest = Self.strided(batch: 4, channels: 64, extent: 16)
    #expect(LoweredNest(nest, writing: .first).blocked != nil)
  }

  /// y[b, i, j, t] = Σ x[b, 2·i, 2·j, s]·w[t, s], with as many t as s.
  private static func strided(batch: Int, channels: Int, extent: Int) -> ContractionNest {
    func plain(_ loop: Int, _ extent: Int) -> ContractionNest.Dimension {
      .init(terms: [.init(loop: loop)], extent: extent)
    }
    func every(_ loop: Int) -> ContractionNest.Dimension {
      .init(terms: [.init(loop: loop, coefficient: 2)], extent: 2 * extent)
    }
    return ContractionNest(
      loops: [batch, extent, extent, channels, channels],
      first: [plain(0, batch), every(1), every(2), plain(3, channels)],
      second: [plain(4, channels), plain(3, channels)],
      result: [plain(0, batch), plain(1, extent), plain(2, extent), plain(4, channels)])
  }

  /// y[b, i, j, r] = Σ x[b, i + k − 1, j + d·l − 1, r]·w[k, l, r], or with r after b.
  private static func depthwise(
    channelsLast: Bool, channels: Int, dilation: Int, circular: Bool
  ) -> ContractionNest {
    // Loops: b, r, i, j, k, l.
    func plain(_ loop: Int, _ extent: Int) -> ContractionNest.Dimension {
      .init(terms: [.init(loop: loop)], extent: extent)
    }
    let rows = ContractionNest.Dimension(
      terms: [.init(loop: 2), .init(loop: 4)], offset: -1, extent: 5, circular: circular)
    let columns = ContractionNest.Dimension(
      terms: [.init(loop: 3), .init(loop: 5, coefficient: dilation)], offset: -1, extent: 6,
      circular: circular)
    let (b, r) = (plain(0, 3), plain(1, channels))
    let (taps, pixels) = ([plain(4, 3), plain(5, 2)], [plain(2, 5), plain(3, 6)])
    return ContractionNest(
      loops: [3, channels, 5, 6, 3, 2],
      first: channelsLast ? [b, rows, columns, r] : [b, r, rows, columns],
      second: channelsLast ? taps + [r] : [r] + taps,
      result: channelsLast ? [b] + pixels + [r] : [b, r] + pixels)
  }

  /// Tensors that are repeated so that few channels get long lanes, and gradients of taps as sums of
  /// lanes that are added up: every way to run them.
  @Test(arguments: InstructionSet.available, [1, 2])
  func repeatedTensors(instructions: InstructionSet, dilation: Int) throws {
    for channelsLast in [true, false] {
      try repeatedTensors(Context(instructions: instructions), channelsLast, dilation)
    }
  }

  private func repeatedTensors(_ context: Context, _ channelsLast: Bool, _ dilation: Int) throws {
    var generator = Generator(seed: 7)
    var repeated: Set<Int> = []
    for role in ContractionNest.Role.allCases {
      for circular in [false, true] {
        let nest = Self.depthwise(
          channelsLast: channelsLast, channels: 5, dilation: dilation, circular: circular)
        let roles = [role, role.sources.0, role.sources.1]
        let (p, q) = (
          generator.integers(nest.count(roles[1])), generator.integers(nest.count(roles[2]))
        )
        let old = generator.integers(nest.count(role))
        let expected = nest.evaluateByDefinition(writing: role, p, q)
        let sum = zip(expected, old).map { $0 + $1 }
        let form = try #require(GatherForm(nest, roles: roles))
        for (form, reorderings) in form.reorderedForms() where reorderings.first?.repeats == true {
          let problem = try #require(BlockedNest.Problem(form.merged(), context))
          for choice in problem.choices() {
            guard let blocked = problem.lowered(choice, reorderings) else { continue }
            repeated.insert(reorderings[0].tensor)
            let count = expected.count
            #expect(
              Self.run(blocked, count: count, p, q, adding: nil) == expected, "\(choice), \(role)")
            #expect(
              Self.run(blocked, count: count, p, q, adding: old) == sum,
              "\(choice), adding, \(role)")
          }
        }
      }
    }
    // The gradient of the taps, and the taps.
    #expect(repeated == [0, 2])
  }

  /// y[b, t, i, j] = Σ x[b, s, i + k − 1, j + l − 1]·w[t, s, k, l].
  static func convolution(
    batch: Int, channels: Int, extent: Int, stride: Int = 1
  ) -> ContractionNest {
    let result = (extent - 1) / stride + 1
    // Loops: b, t, s, i, j, k, l.
    func plain(_ loop: Int, _ extent: Int) -> ContractionNest.Dimension {
      .init(terms: [.init(loop: loop)], extent: extent)
    }
    func feature(_ loop: Int, _ tap: Int) -> ContractionNest.Dimension {
      .init(
        terms: [.init(loop: loop, coefficient: stride), .init(loop: tap)], offset: -1,
        extent: extent)
    }
    return ContractionNest(
      loops: [batch, channels, channels, result, result, 3, 3],
      first: [plain(0, batch), plain(2, channels), feature(3, 5), feature(4, 6)],
      second: [plain(1, channels), plain(2, channels), plain(5, 3), plain(6, 3)],
      result: [plain(0, batch), plain(1, channels), plain(3, result), plain(4, result)])
  }

  /// A convolution and both adjoints run in blocks; with a stride the adjoint of the feature
  /// scatters, and does not.
  @Test func convolutionsRunInBlocks() {
    for role in ContractionNest.Role.allCases {
      let roles = [role, role.sources.0, role.sources.1]
      let nest = Self.convolution(batch: 32, channels: 64, extent: 32)
      let blocked = LoweredNest(nest, writing: role, context: Context(path: .direct)).blocked
      #expect(blocked != nil, "\(role)")
      let strided = Self.convolution(batch: 2, channels: 4, extent: 9, stride: 2)
      #expect(
        (BlockedNest(strided, roles: roles, context: Context()) == nil) == (role == .first),
        "\(role)")
    }
  }
}
