import TestSupport
import Testing

@testable import Kernels

/// Correlations of three taps by minimal filtering against the walk over all iterations, whether or not
/// they would be chosen.
@Suite struct WinogradNestTests {
  /// y[b, i, t] = Σ x[b, i + k, s]·w[k, t, s] with one or two correlated dimensions, several modes of a
  /// kind or none, dimensions in any order, any offset, and taps in either direction.
  private static func randomNest(using generator: inout Generator) -> ContractionNest {
    var loops: [Int] = []
    var tensors: [[ContractionNest.Dimension]] = [[], [], []]
    func loop(_ extent: Int) -> Int {
      loops.append(extent)
      return loops.count - 1
    }
    func plain(_ extent: Int, _ carriers: [Int]) {
      let new = loop(extent)
      for carrier in carriers {
        tensors[carrier].append(.init(terms: [.init(loop: new)], extent: extent))
      }
    }
    for _ in 0..<Int.random(in: 1...2, using: &generator) {
      let (i, k) = (loop(Int.random(in: 1...11, using: &generator)), loop(3))
      let extent = Int.random(in: 1...12, using: &generator)
      let circular = Int.random(in: 0..<4, using: &generator) == 0
      tensors[0].append(
        .init(
          terms: [
            .init(loop: i), .init(loop: k, coefficient: Bool.random(using: &generator) ? 1 : -1),
          ], offset: Int.random(in: -4...3, using: &generator), extent: extent,
          circular: circular))
      tensors[1].append(.init(terms: [.init(loop: k)], extent: 3))
      tensors[2].append(.init(terms: [.init(loop: i)], extent: loops[i]))
    }
    for carriers in [[0, 2], [0, 1], [1, 2]] {
      for _ in 0..<Int.random(in: 0...2, using: &generator) {
        plain(Int.random(in: 1...(carriers == [0, 2] ? 3 : 20), using: &generator), carriers)
      }
    }
    return ContractionNest(
      loops: loops, first: tensors[0].shuffled(using: &generator),
      second: tensors[1].shuffled(using: &generator),
      result: tensors[2].shuffled(using: &generator))
  }

  private static func run<Element: TensorElement>(
    _ nest: WinogradNest, count: Int, _ p: [Element], _ q: [Element], adding: [Element]?
  ) -> [Element] {
    onArrays(workspaceCount: nest.workspaceCount, count: count, p, q, adding: adding) {
      _ = nest.run(into: $0, $1, $2, workspace: $3, adding: adding != nil)
    }
  }

  /// With two results to a tile every factor is a power of two: small integers stay exact.
  @Test(arguments: 0..<20)
  func everyCandidateAgreesWithTheDefinition(seed: Int) throws {
    for instructions in InstructionSet.available(turn: seed) {
      try compareCandidates(Context(instructions: instructions), seed: seed)
    }
  }

  private func compareCandidates(_ context: Context, seed: Int) throws {
    var generator = Generator(seed: UInt64(seed) ^ 0x51309)
    var checked: Set<String> = []
    var runs: Set<Int> = []
    // Whether blocks of outputs are taken in several parts, in one group and in several.
    var inParts: Set<Bool> = []
    for _ in 0..<60 {
      let nest = Self.randomNest(using: &generator)
      guard nest.loops.reduce(1, *) < 400_000 else { continue }
      for role in ContractionNest.Role.allCases {
        let roles = [role, role.sources.0, role.sources.1]
        let p = generator.integers(nest.count(roles[1]))
        let q = generator.integers(nest.count(roles[2]))
        let old = generator.integers(nest.count(role))
        let expected = nest.evaluateByDefinition(writing: role, p, q)
        let sum = zip(expected, old).map { $0 + $1 }
        // Of what a tile mixes, not of the element's own terms: those may be all outside.
        let summed = nest.loops.indices.filter { loop in
          !nest[role].contains { $0.terms.contains { $0.loop == loop } }
        }
        let bound = 64.0 * Double(summed.reduce(9) { $0 * nest.loops[$1] })
        for candidate in WinogradNest.candidates(nest, roles: roles, context: context) {
          let exact = max(candidate.rows.results, candidate.columns.results) == 2
          checked.insert("\(role) \(candidate.rows.results) \(candidate.columns.results)")
          runs.insert(candidate.layout.runs)
          if candidate.outputBlocks > candidate.layout.blocks {
            inParts.insert(candidate.hasOneGroup)
          }
          func check<Element: TensorElement>(
            _ found: [Element], _ expected: [Double], _ what: String
          ) {
            let tolerance = exact ? 0 : 8 * bound * Double(Element.ulpOfOne)
            for (found, expected) in zip(found, expected) {
              guard abs(Double(found) - expected) <= tolerance else {
                Issue.record("\(found) ≠ \(expected): \(what), \(role) of \(nest)")
                return
              }
            }
          }
          let count = expected.count
          check(Self.run(candidate, count: count, p, q, adding: nil), expected, "Double")
          check(Self.run(candidate, count: count, p, q, adding: old), sum, "adding")
          let (pFloat, qFloat) = (p.map(Float.init), q.map(Float.init))
          check(
            Self.run(candidate, count: count, pFloat, qFloat, adding: nil), expected, "Float")
        }
      }
    }
    #expect(checked.count >= 10, "\(checked.sorted())")
    // Most seeds have nests of four, too.
    #expect(runs.isSuperset(of: [1, 2]))
    // Most seeds in several groups, too.
    #expect(inParts.contains(true))
  }

  /// Wide layers on small images: taps are packed and transformed for a few blocks of outputs and some inputs at a
  /// time, and their boxes begin and end inside the modes that inputs and outputs are made of.
  @Test(arguments: ContractionNest.Role.allCases, InstructionSet.available)
  func fewTilesTakeTapsInPieces(
    role: ContractionNest.Role, instructions: InstructionSet
  ) throws {
    func plain(_ loop: Int, _ extent: Int) -> ContractionNest.Dimension {
      .init(terms: [.init(loop: loop)], extent: extent)
    }
    func read(_ i: Int, _ k: Int) -> ContractionNest.Dimension {
      .init(terms: [.init(loop: i), .init(loop: k)], offset: -1, extent: 4)
    }
    // Two samples, 11 · 14 inputs, 7 · 10 outputs, 4 × 4 results, 3 × 3 taps.
    let nest = ContractionNest(
      loops: [2, 11, 14, 7, 10, 4, 4, 3, 3],
      first: [plain(0, 2), plain(1, 11), plain(2, 14), read(5, 7), read(6, 8)],
      second: [plain(4, 10), plain(2, 14), plain(7, 3), plain(8, 3), plain(3, 7), plain(1, 11)],
      result: [plain(0, 2), plain(3, 7), plain(4, 10), plain(5, 4), plain(6, 4)])
    let roles = [role, role.sources.0, role.sources.1]
    var generator = Generator(seed: 0x7a95)
    let p = generator.integers(nest.count(roles[1]))
    let q = generator.integers(nest.count(roles[2]))
    let old = generator.integers(nest.count(role))
    let expected = nest.evaluateByDefinition(writing: role, p, q)
    // Of 2 × 2 results, whose factors are powers of two: sums are exact.
    let candidates = WinogradNest.candidates(
      nest, roles: roles, context: Context(instructions: instructions)
    ).filter { $0.rows.results == 2 }
    let candidate = try #require(candidates.first { $0.hasOneGroup })
    // For either adjoint other modes are inputs and outputs: 154 and 70, or 70 and 154.
    #expect(candidate.layout.packedBlocks < candidate.outputBlocks)
    #expect(candidate.layout.inputsAtOnce == min(candidate.inputs, 128))
    #expect(candidate.layout.parts > 1)
    for adding in [nil, old] {
      let found = Self.run(candidate, count: expected.count, p, q, adding: adding)
      #expect(found == zip(expected, adding ?? expected.map { _ in 0 }).map { $0 + $1 })
    }
  }

  @Test func chosenWhereItIsFaster() {
    // bshw,tshw->bthw|hw with 64 channels at 32 × 32, and a strided one, which is not of the form.
    func convolution(stride: Int) -> ContractionNest {
      func dimension(_ loop: Int, _ extent: Int) -> ContractionNest.Dimension {
        .init(terms: [.init(loop: loop)], extent: extent)
      }
      func read(_ i: Int, _ k: Int) -> ContractionNest.Dimension {
        .init(
          terms: [.init(loop: i, coefficient: stride), .init(loop: k)], offset: -1,
          extent: 32 * stride)
      }
      return ContractionNest(
        loops: [8, 64, 64, 32, 32, 3, 3],
        first: [dimension(0, 8), dimension(1, 64), read(3, 5), read(4, 6)],
        second: [dimension(2, 64), dimension(1, 64), dimension(5, 3), dimension(6, 3)],
        result: [dimension(0, 8), dimension(2, 64), dimension(3, 32), dimension(4, 32)])
    }
    for role in ContractionNest.Role.allCases {
      let kernel = LoweredNest(convolution(stride: 1), writing: role, context: Context(path: .fast))
      #expect(kernel.winograd?.points == 36)
      #expect(
        LoweredNest(convolution(stride: 2), writing: role, context: Context(path: .fast)).winograd
          == nil)
      #expect(
        LoweredNest(convolution(stride: 1), writing: role, context: Context(path: .direct)).winograd
          == nil)
    }
  }
}
