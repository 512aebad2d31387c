import Kernels
import Partitioning
import Planning

extension FittedPlan {
  /// The plans that are tried for one number of ranks.
  ///
  /// How much is tried is counted, not timed, so that all ranks stop at the same plan.
  final class Attempts {
    private let expression: BoundExpression
    private var options: DistributionOptions
    private let memory: Int
    private let context: Context
    private let effort: SearchEffort
    /// The best plan without a limit, if it was found.
    private var best: DistributedPlan?
    /// Those of all tried that seemed to need less than every one before, the least last.
    private var candidates: [Candidate] = []

    /// Effort that it may take to find the best plan without a limit; something that fits; the least that
    /// would do; and how many ranks would. Together about a second.
    private static var effortForBest: Int { 90_000 }
    private static var effortToFit: Int { 60_000 }
    private static var effortForLeast: Int { 45_000 }
    private static var effortForRanks: Int { 180_000 }
    /// Of that for ranks, for one number of them.
    private static var effortPerNumber: Int { 45_000 }
    /// In so many slices, on all ranks together, modes are run through to find out whether a number of
    /// them would do: each is to be asked for what it holds.
    private static var slicesOfAllRanks: Int { 20_000 }

    init(
      _ expression: BoundExpression, options: DistributionOptions, memory: Int,
      context: Context, effort: SearchEffort = SearchEffort()
    ) {
      self.expression = expression
      self.options = options
      self.memory = memory
      self.context = context
      self.effort = effort
    }

    private var limit: Double { Double(memory) / Double(MemoryLayout<Element>.stride) }

    /// Elements that some rank holds at the end in any case: operands and result, each whole where it is to
    /// be everywhere, and else its share.
    private func share(ranks: Int) -> Double {
      func elements(
        _ shape: [Int], _ placement: DistributionOptions.Placement
      ) -> Double {
        let all = shape.reduce(1) { $0 * Double($1) }
        switch placement {
        case .free, .cut: return all / Double(ranks)
        case .replicated: return all
        case .axes(let axes):
          return axes.joined().reduce(all) { $0 / Double(options.mesh?.axes[$1] ?? 1) }
        }
      }
      return zip(expression.shapes, options.inputs ?? expression.shapes.map { _ in .free })
        .reduce(elements(expression.outputShape, options.output)) { $0 + elements($1.0, $1.1) }
    }

    /// Whether operands and result alone are too much, or one element and what it is made of.
    private func isImpossible(ranks: Int) -> Bool {
      share(ranks: ranks) > limit || limit < Double(min(expression.operands.count, 2) + 1)
    }

    /// Whether a search may take a second rather than a hundredth of one.
    private var isHeavy: Bool {
      expression.operands.count > 4 && Mesh.primeFactors(of: options.ranks).count > 2
    }

    /// Where searches are heavy, the order is fixed beforehand: that takes a tenth of the time.
    private var quickOptions: DistributionOptions {
      var quick = options
      if isHeavy && quick.optimizer == .auto { quick.optimizer = .greedy }
      return quick
    }

    /// Runs a search within an effort of its own.
    private func within<Result>(
      _ effortLimit: Int, _ body: () throws -> Result
    ) rethrows -> Result {
      let outer = effort.limit
      effort.limit = min(outer, effort.count + effortLimit)
      defer { effort.limit = outer }
      return try body()
    }

    /// A plan, if there is one and effort for it is left.
    private func plan(_ options: DistributionOptions) -> DistributedPlan? {
      guard !effort.isExhausted else { return nil }
      return try? DistributedPlan(expression, options: options, effort: effort)
    }

    /// A plan and its peak, which is exact if it fits.
    private func attempt(
      _ plan: DistributedPlan, overlap: Bool
    ) throws(ExecutionError) -> Candidate {
      effort.count += 50
      var candidate = try Candidate(
        plan, overlap: overlap, gradients: options.needsGradient, context, effort)
      if candidate.peakBytes <= memory { candidate.settle(effort) }
      if candidate.peakBytes < candidates.last?.peakBytes ?? .max { candidates.append(candidate) }
      return candidate
    }

    /// A plan as it is, if it fits with or without early communication.
    private func fitted(_ plan: DistributedPlan) throws(ExecutionError) -> FittedPlan? {
      for overlap in [true, false] {
        let attempt = try attempt(plan, overlap: overlap)
        if attempt.peakBytes <= memory { return attempt.fitted }
      }
      return nil
    }

    /// The cheapest plan that fits, of those that are tried.
    func fitted() throws -> FittedPlan? {
      guard !isImpossible(ranks: options.ranks) else { return nil }
      do {
        best = try within(Self.effortForBest) { try searched() }
      } catch is SearchEffort.Exhausted {
        // The search may take as long as it likes where it does not end in a refusal.
        let quick = try within(Self.effortForLeast) { try leastPeak(enough: memory) }
        guard quick.peakBytes <= memory else { return nil }
      }
      let found = try best ?? searched()
      best = found
      if let fitted = try fitted(found) { return fitted }
      return try within(Self.effortToFit) { try unsliced() ?? sliced() }
    }

    /// The best plan without a limit.
    private func searched() throws -> DistributedPlan {
      try DistributedPlan(
        expression, options: options, costs: KernelCosts(context), effort: effort)
    }

    /// Plans whose steps hold less and less at once.
    private func unsliced() throws(ExecutionError) -> FittedPlan? { try limited(options) }

    private func limited(_ options: DistributionOptions) throws(ExecutionError) -> FittedPlan? {
      var options = options
      // A step's own tensors must fit in any case; whatever else lives then, or is packed for
      // sending, is not known before, so the bound is tightened until it works or nothing is left.
      for share in options.slices == nil ? [1.0, 0.75, 0.55, 0.4] : [1.0, 0.6] {
        options.stepElementLimit = limit * share
        guard let plan = plan(options) else { return nil }
        if let fitted = try fitted(plan) { return fitted }
      }
      return nil
    }

    /// Modes that may be run through in slices: plain ones, of no diagonal.
    private var sliceableModes: [Int] {
      expression.modes.indices.filter { mode in
        expression.modes[mode].convolution == nil && expression.modes[mode].extent > 1
          && expression.operands.allSatisfy { $0.filter { $0 == mode }.count <= 1 }
      }
    }

    private func sliced() throws(ExecutionError) -> FittedPlan? {
      var count = 2
      let modes = sliceableModes
      let longest = modes.map { expression.modes[$0].extent }.max() ?? 0
      while count <= longest && !effort.isExhausted {
        var best: FittedPlan?
        for mode in modes where expression.modes[mode].extent >= count {
          var options = quickOptions
          options.slices = .init(mode: mode, count: count)
          // A mode that no slice can do without is left alone.
          guard let fitted = (try? limited(options)) ?? nil else { continue }
          if best.map({ fitted.plan.search.cost < $0.plan.search.cost }) ?? true { best = fitted }
        }
        if let best { return best }
        count *= 2
      }
      return nil
    }

    /// The plan with the least peak that is found.
    ///
    /// From the best known downwards: what one step holds is bounded below the least peak
    /// so far, without slices and with each mode in …, 8, 4, 2 slices, for as long as that yields
    /// a plan that needs less.
    func leastPeak() throws -> FittedPlan {
      var least = try within(Self.effortForLeast) { try leastPeak(enough: 0) }
      // What seemed least may need more than what seemed to need a little more.
      while true {
        let known = least.peakBytes
        least.settle(effort)
        if least.peakBytes == known { return least.fitted }
        candidates.removeLast()
        let place = candidates.firstIndex { $0.peakBytes < least.peakBytes } ?? candidates.endIndex
        candidates.insert(least, at: place)
        least = candidates.last ?? least
      }
    }

    /// - Parameters:
    ///   - enough: a peak at which to stop.
    ///   - mostSlices: in no more are modes run through.
    private func leastPeak(enough: Int, mostSlices: Int = .max) throws -> Candidate {
      var least: Candidate
      if let known = candidates.last {
        least = known
      } else {
        // One plan there must be, whatever it takes.
        let first = try DistributedPlan(
          expression, options: quickOptions, effort: SearchEffort())
        least = try attempt(first, overlap: false)
      }
      func descend(_ slices: DistributionOptions.Slices?) {
        var options = quickOptions
        // All ranks are to hold their share: for time, some may be left out.
        options.objective = .bytes
        options.slices = slices
        let shares = [0.75, 0.9, 0.97]
        var share = 0
        while share < shares.count && least.peakBytes > enough {
          options.stepElementLimit =
            Double(least.peakBytes) / Double(MemoryLayout<Element>.stride) * shares[share]
          guard !effort.isExhausted else { return }
          if let plan = plan(options), let attempt = try? attempt(plan, overlap: false),
            attempt.peakBytes < least.peakBytes
          {
            least = attempt
            share = 0
          } else {
            share += 1
          }
        }
      }
      descend(nil)
      // The finest cuts of all modes first: they need least, should the effort not suffice for all.
      let modes = sliceableModes.map { ($0, expression.modes[$0].extent) }
      let longest = modes.map { $0.1 }.max() ?? 1
      var part = 1
      while part <= longest {
        for (mode, extent) in modes {
          let count = (1 << (Int.bitWidth - 1 - extent.leadingZeroBitCount)) / part
          if count >= 2 && count <= mostSlices { descend(.init(mode: mode, count: count)) }
        }
        part *= 2
      }
      return least
    }

    /// The smallest number of ranks for which something fits, sought up to the most that can be planned for,
    /// or as far as the effort goes.
    ///
    /// Where one number does, a larger one need not: how it factors counts too. So the numbers are
    /// tried one by one from the least that could hold operands and result; after 32 of them (one where
    /// searches are long) in steps of an eighth, of which the last is then gone through.
    func sufficientRanks() -> Int? {
      let most = DistributionOptions.mostRanks
      // Of a given mesh there is but one number.
      guard options.mesh == nil, !isImpossible(ranks: most) else { return nil }
      return within(Self.effortForRanks) {
        // The least number that is not impossible: more ranks share what is shared.
        var (tooFew, possible) = (options.ranks, most)
        while tooFew + 1 < possible {
          let middle = (tooFew + possible) / 2
          if isImpossible(ranks: middle) { tooFew = middle } else { possible = middle }
        }
        var (step, tried) = (1, 0)
        while tooFew + step <= most && !effort.isExhausted {
          let ranks = tooFew + step
          if fits(ranks) { return (tooFew + 1..<ranks).first(where: fits) ?? ranks }
          tooFew = ranks
          tried += 1
          step = tried < (isHeavy ? 1 : 32) ? 1 : max(1, ranks / 8)
        }
        return nil
      }
    }

    private func fits(_ ranks: Int) -> Bool {
      var options = options
      options.ranks = ranks
      let attempts = Attempts(
        expression, options: options, memory: memory, context: context, effort: effort)
      attempts.options = attempts.quickOptions
      return within(Self.effortPerNumber) {
        guard !attempts.isImpossible(ranks: ranks), let plan = attempts.plan(attempts.options)
        else { return false }
        do {
          return try attempts.fitted(plan) ?? attempts.unsliced() != nil
            || attempts.leastPeak(enough: memory, mostSlices: Self.slicesOfAllRanks / ranks)
              .peakBytes <= memory
        } catch {
          return false
        }
      }
    }
  }
}
