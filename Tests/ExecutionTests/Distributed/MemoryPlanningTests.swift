import Execution
import Kernels
import Partitioning
import Planning
import TestSupport
import Testing

/// Plans within a limit of memory: what they promise, measured; and what a refusal says, tried.
@Suite struct MemoryPlanningTests {
  /// A product of two to four matrices, for some ranks.
  struct Chain: CustomStringConvertible {
    let extents: [Int]
    var options: DistributionOptions

    init(_ extents: [Int], ranks: Int, _ objective: Objective = .bytes) {
      self.extents = extents
      options = DistributionOptions(ranks: ranks, objective: objective)
    }

    init(seed: UInt64) {
      var random = SeededGenerator(seed: seed)
      let count = random.choice([2: 3, 3: 2, 4: 1])
      extents = (0...count).map { _ in
        random.integer(in: random.chance(0.2) ? 1...4 : 8...40)
      }
      options = DistributionOptions(
        ranks: random.integer(in: 1...6), objective: random.chance(0.5) ? .bytes : .time)
    }

    var description: String {
      "\(extents.map(String.init).joined(separator: "×")) on \(options.ranks) for "
        + options.objective.rawValue
    }

    func bound() throws -> BoundExpression {
      let last = extents.count - 1
      return try BoundExpression(
        (0..<last).map { "(m\($0))(m\($0 + 1))" }.joined(separator: ",") + "->(m0)(m\(last))",
        shapes: (0..<last).map { [extents[$0], extents[$0 + 1]] })
    }

    func fitted(memory: Int?, ranks: Int? = nil) throws -> FittedPlan<Float> {
      var options = options
      options.ranks = ranks ?? options.ranks
      return try FittedPlan<Float>(bound(), options: options, memory: memory)
    }

    /// The refusal of a limit; `nil` where something fits.
    func refusal(memory: Int, ranks: Int? = nil) throws -> Refusal? {
      do {
        _ = try fitted(memory: memory, ranks: ranks)
        return nil
      } catch let error as ExecutionError {
        guard let refusal = Refusal(error) else { throw error }
        return refusal
      }
    }

    /// Bytes of operands and result, which somebody has to hold at the end.
    var sharedBytes: Int {
      let last = extents.count - 1
      return 4
        * (0..<last).reduce(extents[0] * extents[last]) {
          $0 + extents[$1] * extents[$1 + 1]
        }
    }
  }

  struct Refusal {
    let needed: Int
    let memory: Int
    let ranks: Int
    let tensor: String
    let sufficientRanks: Int?

    init?(_ error: ExecutionError) {
      guard
        case .notEnoughMemoryPerRank(
          _, let needed, let memory, let ranks, let tensor, let sufficientRanks) = error
      else { return nil }
      (self.needed, self.memory, self.ranks) = (needed, memory, ranks)
      (self.tensor, self.sufficientRanks) = (tensor, sufficientRanks)
    }
  }

  /// Runs it, and compares what every rank received and held with what was predicted.
  private static func check(_ fitted: FittedPlan<Float>, _ chain: Chain, seed: UInt64) throws {
    let bound = try chain.bound()
    // Sums of up to 40³ products of up to 4 such numbers are exact in Float.
    let operands: [Tensor<Double>] = TensorData.smallIntegers.tensors(bound.shapes, seed: seed)
    let expected = Self.product(operands)
    let schedule = try RunSchedule(fitted.plan, overlap: fitted.overlap)
    let results = try runForward(schedule, operands.map { $0.converted(to: Float.self) })
    let (whole, isConsistent) = fitted.plan.output.assembled(results.map(\.box))
    #expect(isConsistent)
    #expect(mismatch(whole, expected) == nil, "\(chain)")
    #expect(results.map(\.peakBytes).max() == fitted.peakBytes, "\(chain)")
    for (rank, result) in results.enumerated() {
      #expect(result.peakBytes == schedule.peakBytes(rank: rank, elementBytes: 4), "\(chain)")
      #expect(result.receivedBytes == 4 * fitted.plan.receivedElements(by: rank), "\(chain)")
    }
  }

  /// The product of a chain of matrices, one after the other: the evaluator of the definition would
  /// run over all modes at once.
  private static func product(_ matrices: [Tensor<Double>]) -> Tensor<Double> {
    matrices.dropFirst().reduce(matrices[0]) { left, right in
      let (rows, inner, columns) = (left.shape[0], left.shape[1], right.shape[1])
      var elements = [Double](repeating: 0, count: rows * columns)
      left.withElements { left in
        right.withElements { right in
          for row in 0..<rows {
            for index in 0..<inner {
              let factor = left[row * inner + index]
              for column in 0..<columns {
                elements[row * columns + column] += factor * right[index * columns + column]
              }
            }
          }
        }
      }
      return Tensor(shape: [rows, columns], elements: elements)
    }
  }

  /// The number of ranks that a refusal names is enough, and one fewer is not; where it names none, one more
  /// rank is not.
  private static func check(_ refusal: Refusal, _ chain: Chain, memory: Int) throws {
    #expect(refusal.memory == memory)
    #expect(refusal.ranks == chain.options.ranks)
    #expect(refusal.needed > memory)
    #expect(!refusal.tensor.isEmpty)
    guard let enough = refusal.sufficientRanks else {
      #expect(
        try chain.refusal(memory: memory, ranks: chain.options.ranks + 1) != nil, "\(chain)")
      return
    }
    #expect(enough > chain.options.ranks)
    #expect(try chain.fitted(memory: memory, ranks: enough).peakBytes <= memory, "\(chain)")
    if enough - 1 > chain.options.ranks {
      #expect(try chain.refusal(memory: memory, ranks: enough - 1) != nil, "\(chain)")
    }
  }

  @Test(arguments: 0..<60) func whatFitsIsRightAndTheRestIsRefused(seed: UInt64) throws {
    let chain = Chain(seed: seed)
    var random = SeededGenerator(seed: seed ^ 0x5eed)
    let free = try chain.fitted(memory: nil)
    let least = chain.sharedBytes / chain.options.ranks
    let memory = random.integer(in: least * 9 / 10...max(least * 2, free.peakBytes * 21 / 20))
    do {
      let fitted = try chain.fitted(memory: memory)
      #expect(fitted.peakBytes <= memory, "\(chain)")
      // Some rank holds no less than its share.
      #expect(fitted.peakBytes * chain.options.ranks >= chain.sharedBytes, "\(chain)")
      if memory >= free.peakBytes {
        #expect(fitted.plan == free.plan && fitted.overlap, "\(chain)")
      } else {
        #expect(fitted.plan.search.cost >= free.plan.search.cost, "\(chain)")
      }
      try Self.check(fitted, chain, seed: seed)
    } catch let error as ExecutionError {
      try Self.check(#require(Refusal(error), "\(error)"), chain, memory: memory)
    }
  }

  /// Less and less memory: first what is best, then plans that cost no less, at last a refusal.
  @Test(arguments: [
    Chain([48, 48, 48], ranks: 4), Chain([30, 50, 20, 40], ranks: 3),
    Chain([40, 8, 40, 8], ranks: 6, .time), Chain([33, 7, 21], ranks: 2),
  ])
  func lessMemoryIsUsedUntilNothingFits(chain: Chain) throws {
    let free = try chain.fitted(memory: nil)
    #expect(try chain.fitted(memory: free.peakBytes).plan == free.plan)
    var memory = free.peakBytes
    var fits = 0
    while let fitted = try? chain.fitted(memory: memory) {
      #expect(fitted.peakBytes <= memory)
      try Self.check(fitted, chain, seed: 3)
      fits += 1
      memory = min(fitted.peakBytes - 1, memory * 19 / 20)
    }
    #expect(fits >= 2)
    let refusal = try #require(try chain.refusal(memory: memory))
    try Self.check(refusal, chain, memory: memory)
    // Who is given what was asked for, can run.
    #expect(try chain.fitted(memory: refusal.needed).peakBytes <= refusal.needed)
    #expect(try chain.refusal(memory: 1) != nil)
  }

  /// However little there is, the refusal says what is true: with as much as it asks for, and on as
  /// many ranks as it names, something fits. (On 6 and 8 ranks four times too much was asked for
  /// once, and no number of ranks was found.)
  @Test(arguments: [2, 6, 8, 12, 14]) func refusalsAreTrue(ranks: Int) throws {
    let chain = Chain([40, 8, 40, 8], ranks: ranks, .time)
    let refusal = try #require(try chain.refusal(memory: 400))
    #expect(try chain.fitted(memory: refusal.needed).peakBytes <= refusal.needed)
    // Operands and result are shared out; what is needed beyond is at most as much again.
    #expect(refusal.needed < 2 * chain.sharedBytes / ranks + 100)
    #expect(refusal.sufficientRanks == 16)
    #expect(try chain.fitted(memory: 400, ranks: 16).peakBytes <= 400)
  }

  /// Operands and result take 4.1 times the limit, and the boxes of a step without slices 1.1 times.
  @Test func slicesLetALargerProductFit() throws {
    let chain = Chain([60, 60, 60], ranks: 4)
    let memory = chain.sharedBytes / 4 * 29 / 20
    let fitted = try chain.fitted(memory: memory)
    #expect(chain.sharedBytes > 2 * memory)
    #expect(fitted.plan.mesh.sliceCount > 1)
    #expect(fitted.peakBytes <= memory)
    try Self.check(fitted, chain, seed: 5)
  }

  /// Of plans in hundreds of slices only some slices are asked for what they hold, until one is chosen:
  /// what is promised then, refused or not, is what the rank that holds most does hold.
  @Test(.timeLimit(.minutes(1))) func ofManySlicesThePeakIsExact() throws {
    for extents in [[1024, 1024, 1024], [700, 1001, 900]] {
      let chain = Chain(extents, ranks: 8)
      let refusal = try #require(try chain.refusal(memory: chain.sharedBytes / 12))
      let fitted = try chain.fitted(memory: refusal.needed)
      #expect(fitted.plan.mesh.sliceCount > 8)
      let schedule = try RunSchedule(fitted.plan, overlap: fitted.overlap)
      let peaks = (0..<8).map { schedule.peakBytes(rank: $0, elementBytes: 4) }
      #expect(peaks.max() == fitted.peakBytes, "\(chain)")
      #expect(fitted.peakBytes == refusal.needed, "\(chain)")
      let ranks = try #require(refusal.sufficientRanks)
      #expect(try chain.fitted(memory: refusal.memory, ranks: ranks).peakBytes <= refusal.memory)
    }
  }

  /// Of the modes that do for the least number of slices the cheapest is run through, not the first.
  @Test(arguments: [
    (Chain([96, 24, 60], ranks: 4), 29), (Chain([24, 60, 96], ranks: 4), 29),
    (Chain([60, 96, 24], ranks: 4, .time), 29), (Chain([60, 60, 60], ranks: 4), 29),
  ])
  func theCheapestModeIsSliced(chain: Chain, twentieths: Int) throws {
    let memory = chain.sharedBytes / 4 * twentieths / 20
    let fitted = try chain.fitted(memory: memory)
    let bound = try chain.bound()
    let count = fitted.plan.mesh.sliceCount
    try #require(count > 1)
    // The least number of slices, each mode on its own; the same tightening of what a step may hold.
    var costs: [Int: Double] = [:]
    for mode in bound.modes.indices {
      for share in [1, 0.6] where costs[mode] == nil {
        var options = chain.options
        options.slices = .init(mode: mode, count: count)
        options.stepElementLimit = Double(memory) / 4 * share
        guard let plan = try? DistributedPlan(bound, options: options) else { continue }
        for overlap in [true, false] {
          guard let schedule = try? RunSchedule(plan, overlap: overlap) else { continue }
          let peak = (0..<plan.ranks).map { schedule.peakBytes(rank: $0, elementBytes: 4) }.max()
          if let peak, peak <= memory { costs[mode] = plan.search.cost }
        }
      }
    }
    #expect(fitted.plan.search.cost == costs.values.min(), "\(chain): \(costs)")
  }

  /// Some of these have a first mode that is dearer than another.
  @Test func theFirstModeIsNotAlwaysTheCheapest() throws {
    let sliced = try [[96, 60, 24], [96, 24, 60], [60, 96, 24], [60, 24, 96]].map { extents in
      let chain = Chain(extents, ranks: 4)
      return try chain.fitted(memory: chain.sharedBytes / 4 * 29 / 20).plan.slicedMode
    }
    #expect(sliced.contains { $0 != nil && $0 != 0 }, "\(sliced)")
  }

  /// What operands and result alone make impossible, and what takes long searches, is refused with a bound on
  /// the work: many times more than a minute were taken for each of these once.
  @Test(.timeLimit(.minutes(1))) func refusalsAreQuick() throws {
    let product = try BoundExpression("ab,bc->ac", shapes: [[8, 8], [8, 8]])
    let volume = try BoundExpression(
      "bsxyz,txyz,ts->btxyz|xyz",
      shapes: [[2, 3, 6, 7, 7], [4, 3, 2, 3], [4, 3]])
    for (bound, ranks) in [(product, 2), (volume, 5)] {
      var options = DistributionOptions(ranks: ranks)
      for output in [DistributionOptions.Placement.replicated, .free] {
        options.output = output
        let peak = try FittedPlan<Float>(bound, options: options, memory: nil).peakBytes
        for memory in [0.3, 0.01].map({ Int($0 * Double(peak)) }) {
          let fitted: FittedPlan<Float>
          do {
            fitted = try FittedPlan<Float>(bound, options: options, memory: memory)
          } catch let error as ExecutionError {
            let refusal = try #require(Refusal(error), "\(error)")
            #expect(refusal.needed > memory)
            // A result that is to be everywhere is no smaller on more ranks.
            let result = 4 * bound.outputShape.reduce(1, *)
            if output == .replicated && result > memory {
              #expect(refusal.sufficientRanks == nil)
            }
            continue
          }
          #expect(fitted.peakBytes <= memory)
          #expect(memory > peak / 4 && output == .free)
        }
      }
    }
  }

  /// For time one rank is best, for messages would take longer than the work. But one rank cannot
  /// hold it all, though it could hold any step.
  @Test func ranksThatNeedNotWorkHelpToHold() throws {
    let chain = Chain(Array(repeating: 12, count: 6), ranks: 4, .time)
    #expect(try chain.fitted(memory: nil).plan.mesh.ranks == 1)
    let memory = chain.sharedBytes / 2
    let fitted = try chain.fitted(memory: memory)
    #expect(fitted.peakBytes <= memory)
    try Self.check(fitted, chain, seed: 7)
  }

  /// One rank cannot do with less than operands and result.
  @Test func aRankAloneNeedsItAll() throws {
    let chain = Chain([16, 16, 16], ranks: 1)
    #expect(try chain.fitted(memory: chain.sharedBytes * 2).plan.ranks == 1)
    let refusal = try #require(try chain.refusal(memory: chain.sharedBytes - 1))
    #expect(refusal.needed >= chain.sharedBytes)
    #expect(refusal.ranks == 1)
    #expect(
      refusal.tensor == "operand 0 of shape [16, 16], of which a rank holds [16, 16]")
    #expect(refusal.sufficientRanks == 2)
  }

  /// The slices of an operand are small; what the rank holds of it all the time is not.
  @Test func theRefusalNamesWhatTakesMost() throws {
    let chain = Chain([64, 64, 4], ranks: 4)
    let refusal = try #require(try chain.refusal(memory: 4 * 64 * 64 / 4))
    let shape = try #require(
      refusal.tensor.firstMatch(of: #/^operand 0 of shape \[64, 64\], .* holds \[(\d+), (\d+)\]$/#),
      "\(refusal.tensor)")
    #expect((Int(shape.1) ?? 0) * (Int(shape.2) ?? 0) >= 64 * 64 / 4)
  }

  @Test func wordsForARefusal() {
    func text(_ sufficientRanks: Int?, ranks: Int) -> String {
      "\(ExecutionError.notEnoughMemoryPerRank(expression: "ij->i", needed: 120, memory: 100, ranks: ranks, tensor: "operand 0", sufficientRanks: sufficientRanks))"
    }
    #expect(
      text(7, ranks: 3)
        == "cannot contract 'ij->i' on 3 ranks with 100 bytes each: the plan that needs least needs "
        + "120, 20 too many; most of it is operand 0; 7 ranks would do")
    #expect(text(nil, ranks: 1).hasPrefix("cannot contract 'ij->i' on 1 rank with 100 bytes each"))
    #expect(
      text(nil, ranks: 1).hasSuffix(
        "; no number of ranks was found that would do: allow more memory"))
  }

  @Test func whatCannotBeAddressedIsRefused() throws {
    let bound = try BoundExpression("i,j->ij", shapes: [[1 << 25], [1 << 25]])
    for memory in [nil, 1 << 30] {
      let error = #expect(throws: (any Error).self) {
        try FittedPlan<Float>(bound, options: .init(ranks: 4), memory: memory)
      }
      #expect("\(try #require(error))".hasPrefix("cannot distribute 'i,j->ij'"))
    }
  }
}
