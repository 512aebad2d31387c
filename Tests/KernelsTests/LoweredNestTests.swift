import TestSupport
import Testing

@testable import Kernels

/// SplitMix64: small, seeded, the same everywhere.
struct Generator: RandomNumberGenerator {
  var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

extension Generator {
  /// Small ones: sums of their products are exact.
  mutating func integers(_ count: Int) -> [Double] {
    (0..<count).map { _ in Double(Int.random(in: -8...8, using: &self)) }
  }
}

extension ContractionNest {
  /// A random pairwise step: plain modes shared by any of the tensors, up to two convolution modes
  /// of any stride, dilation, padding and boundary, and dimensions in random order.
  static func random(using generator: inout Generator) -> ContractionNest {
    var loops: [Int] = []
    var tensors: [[Dimension]] = [[], [], []]
    for _ in 0..<Int.random(in: 0...5, using: &generator) {
      let extent = [1, 2, 3, 4, 5, 7, 8, 17].randomElement(using: &generator) ?? 1
      let carriers = Int.random(in: 1...7, using: &generator)
      for tensor in 0..<3 where carriers >> tensor & 1 == 1 {
        tensors[tensor].append(Dimension(terms: [Term(loop: loops.count)], extent: extent))
        if Int.random(in: 0..<12, using: &generator) == 0 {
          tensors[tensor].append(Dimension(terms: [Term(loop: loops.count)], extent: extent))
        }
      }
      loops.append(extent)
    }
    for _ in 0..<Int.random(in: 0...2, using: &generator) {
      let taps = Int.random(in: 1...4, using: &generator)
      if Int.random(in: 0..<4, using: &generator) == 0 {
        // Filter with filter: a full convolution.
        let other = Int.random(in: 1...4, using: &generator)
        tensors[0].append(Dimension(terms: [Term(loop: loops.count)], extent: taps))
        tensors[1].append(Dimension(terms: [Term(loop: loops.count + 1)], extent: other))
        tensors[2].append(
          Dimension(
            terms: [Term(loop: loops.count), Term(loop: loops.count + 1)], extent: taps + other - 1)
        )
        loops += [taps, other]
        continue
      }
      let feature = Int.random(in: 0...1, using: &generator)
      let extent = Int.random(in: 1...9, using: &generator)
      let result = Int.random(in: 1...9, using: &generator)
      let dilation = Int.random(in: 1...3, using: &generator)
      tensors[feature].append(
        Dimension(
          terms: [
            Term(loop: loops.count, coefficient: Int.random(in: 1...3, using: &generator)),
            Term(
              loop: loops.count + 1,
              coefficient: Bool.random(using: &generator) ? dilation : -dilation),
          ], offset: Int.random(in: -6...6, using: &generator), extent: extent,
          circular: Bool.random(using: &generator)))
      tensors[1 - feature].append(Dimension(terms: [Term(loop: loops.count + 1)], extent: taps))
      if Int.random(in: 0..<5, using: &generator) > 0 {
        tensors[2].append(Dimension(terms: [Term(loop: loops.count)], extent: result))
      }
      loops += [result, taps]
    }
    tensors = tensors.map { $0.shuffled(using: &generator) }
    return ContractionNest(loops: loops, first: tensors[0], second: tensors[1], result: tensors[2])
  }

  func run<Element: TensorElement>(
    writing role: Role, _ context: Context, _ p: [Element], _ q: [Element]
  ) -> [Element] {
    let lowered = LoweredNest(self, writing: role, context: context)
    var output = [Element](repeating: .nan, count: lowered.destinationCount)
    // What lies behind the workspace must stay.
    var workspace = [Element](repeating: .nan, count: lowered.workspaceCount + 8)
    for index in lowered.workspaceCount..<workspace.count { workspace[index] = 77 }
    output.withUnsafeMutableBufferPointer { output in
      workspace.withUnsafeMutableBufferPointer { workspace in
        p.withUnsafeBufferPointer { p in
          q.withUnsafeBufferPointer { q in
            guard let d = output.baseAddress, let p = p.baseAddress, let q = q.baseAddress else {
              return
            }
            lowered.run(into: d, p, q, workspace: workspace.baseAddress ?? d)
          }
        }
      }
    }
    #expect(workspace.suffix(8).allSatisfy { $0 == 77 })
    return output
  }
}

@Suite struct LoweredNestTests {
  /// Every role of random nests in every context against the walk over all iterations; the output starts
  /// as NaN, so that an element left unwritten shows.
  @Test(arguments: 0..<(testsAreLong ? 40 : 20))
  func randomNestsAgreeWithTheDefinition(seed: Int) {
    var generator = Generator(seed: UInt64(seed))
    for _ in 0..<50 {
      let nest = ContractionNest.random(using: &generator)
      guard nest.loops.reduce(1, *) < 200_000 else { continue }
      for role in ContractionNest.Role.allCases {
        let p = (0..<nest.count(role.sources.0)).map { _ in
          Double(Int.random(in: -8...8, using: &generator))
        }
        let q = (0..<nest.count(role.sources.1)).map { _ in
          Double(Int.random(in: -8...8, using: &generator))
        }
        let expected = nest.evaluateByDefinition(writing: role, p, q)
        for context in Context.tested {
          // Small integers: exact in both types, in any order of summation.
          #expect(
            nest.run(writing: role, context, p, q) == expected, "\(context), \(role) of \(nest)")
          #expect(
            nest.run(writing: role, context, p.map(Float.init), q.map(Float.init))
              == expected.map(Float.init), "\(context), \(role) of \(nest) in Float")
        }
      }
    }
  }

  @Test func segmentsCoverExactlyTheIndicesInBounds() {
    for circular in [false, true] {
      for coefficient in [-3, -2, -1, 0, 1, 2, 3] {
        for offset in -7...7 {
          for extent in 1...5 {
            let runs = segments(
              count: 9, coefficient: coefficient, offset: offset, extent: extent,
              circular: circular)
            var seen: [Int: Int] = [:]
            for run in runs {
              for index in run.start..<run.start + run.length { seen[index] = run.wraps }
            }
            for index in 0..<9 {
              let position = coefficient * index + offset
              let wraps = Int((Double(position) / Double(extent)).rounded(.down))
              let expected = circular || wraps == 0 ? wraps : nil
              #expect(seen[index] == expected)
            }
          }
        }
      }
    }
  }

  @Test func matrixProductsBecomeGEMM() {
    let nest = ContractionNest(rows: 64, columns: 48, depth: 32)
    for role in ContractionNest.Role.allCases {
      let lowered = LoweredNest(nest, writing: role, context: Context(path: .openblas))
      guard let strided = lowered.strided, case .gemm = strided.kernel else {
        Issue.record("\(role) is not a GEMM")
        continue
      }
      #expect(strided.levels.isEmpty && strided.overwrites)
      #expect(lowered.workspaceCount == 0)
    }
  }
}
