import Kernels
import Partitioning
import Planning

extension FittedPlan {
  /// The plans that are tried for one number of ranks.
  ///
  /// How many is counted, not timed, so that all ranks stop at the same one.
  struct Attempts {
    private let expression: BoundExpression
    private var options: DistributionOptions
    private let memory: Int?
    private let context: Context
    /// Searches that may still be made to fit the limit.
    private var budget: Int

    init(
      _ expression: BoundExpression, options: DistributionOptions, memory: Int?,
      context: Context, budget: Int = 160
    ) {
      self.expression = expression
      self.options = options
      self.memory = memory
      self.context = context
      self.budget = budget
    }

    /// What every rank holds of the operands in any case, in elements.
    private var operandShare: Double {
      expression.shapes.reduce(0) { $0 + $1.reduce(1) { $0 * Double($1) } }
        / Double(options.ranks)
    }

    /// What a search counts: many operands on many ranks take longer to plan for.
    private var weight: Int { isHeavy ? 8 : 1 }

    /// Whether there is time for a few searches only.
    private var isLarge: Bool { expression.operands.count > 4 }

    /// Whether a search takes a second rather than a hundredth of one.
    private var isHeavy: Bool {
      isLarge && Mesh.primeFactors(of: options.ranks).count > 2
    }

    /// Where searches are heavy, the order is fixed beforehand: that takes a tenth of the time.
    private var quickOptions: DistributionOptions {
      var quick = options
      if isHeavy && quick.optimizer == .auto { quick.optimizer = .greedy }
      return quick
    }

    private var limit: Double {
      Double(memory ?? .max) / Double(MemoryLayout<Element>.stride)
    }

    /// A plan as it is, if it fits with or without early communication.
    func fitted(_ plan: DistributedPlan) throws(ExecutionError) -> FittedPlan? {
      for overlap in [true, false] {
        let attempt = try FittedPlan(
          plan, overlap: overlap, gradients: options.needsGradient, context)
        if let memory, attempt.peakBytes <= memory { return attempt }
      }
      return nil
    }

    /// Plans whose steps hold less and less at once.
    mutating func unsliced() throws(ExecutionError) -> FittedPlan? { try limited(options) }

    private mutating func limited(
      _ options: DistributionOptions
    ) throws(ExecutionError) -> FittedPlan? {
      var options = options
      // A step's own tensors must fit in any case; whatever else lives then, or is packed for
      // sending, is not known before, so the bound is tightened until it works or nothing is left.
      for share in options.slices == nil ? [1.0, 0.75, 0.55, 0.4] : [1.0, 0.6] {
        options.stepElementLimit = limit * share
        budget -= weight
        guard budget >= 0, let plan = try? DistributedPlan(expression, options: options) else {
          return nil
        }
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

    mutating func sliced() throws(ExecutionError) -> FittedPlan? {
      // No slicing helps where the operands alone are too much.
      guard operandShare <= limit else { return nil }
      var count = 2
      let modes = sliceableModes
      let longest = modes.map { expression.modes[$0].extent }.max() ?? 0
      while count <= longest && budget > 0 {
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

    /// The plan with the least peak that is found; it does not depend on the limit.
    ///
    /// From the plan without a limit downwards: what one step holds is bounded below the least peak
    /// so far, without slices and with each mode in …, 8, 4, 2 slices, for as long as that yields
    /// a plan that needs less.
    ///
    /// - Parameter enough: a peak at which to stop.
    func leastPeak(
      of best: DistributedPlan, enough: Int = 0
    ) throws(ExecutionError) -> FittedPlan {
      var least = try FittedPlan(best, overlap: false, gradients: options.needsGradient, context)
      var searches = isHeavy ? 8 : isLarge ? 20 : 100
      func descend(_ slices: DistributionOptions.Slices?) {
        var options = quickOptions
        // All ranks are to hold their share: for time, some may be left out.
        options.objective = .bytes
        options.slices = slices
        let shares = [0.75, 0.9, 0.97]
        var share = 0
        while share < shares.count && searches > 0 && least.peakBytes > enough {
          searches -= 1
          options.stepElementLimit =
            Double(least.peakBytes) / Double(MemoryLayout<Element>.stride) * shares[share]
          if let plan = try? DistributedPlan(expression, options: options),
            let attempt = try? FittedPlan(
              plan, overlap: false, gradients: options.needsGradient, context),
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
      for mode in sliceableModes {
        let extent = expression.modes[mode].extent
        var count = 1 << (Int.bitWidth - 1 - extent.leadingZeroBitCount)
        // Where there is time for a few only, those that cut finest.
        while count >= (isLarge ? extent / 2 + 1 : 2) {
          descend(.init(mode: mode, count: count))
          count /= 2
        }
      }
      return least
    }

    /// The smallest number of ranks for which something fits, sought up to 65,536, or as far as the
    /// budget goes.
    ///
    /// Where one number does, a larger one need not: how it factors counts too. So the numbers are
    /// tried one by one from the least that could hold operands and result; after 32 of them (one where
    /// searches are long) in steps of an eighth, of which the last is then gone through.
    func sufficientRanks() -> Int? {
      // Who computes an element holds it, and one of each of its sources.
      guard let memory, limit >= Double(min(expression.operands.count, 2) + 1) else { return nil }
      var budget = 64
      func fits(_ ranks: Int) -> Bool {
        guard budget > 0 else { return false }
        var options = options
        options.ranks = ranks
        var attempts = Attempts(
          expression, options: options, memory: memory, context: context, budget: 40)
        attempts.options = attempts.quickOptions
        budget -= attempts.weight + ranks / 16
        guard let plan = try? DistributedPlan(expression, options: attempts.options) else {
          return false
        }
        do {
          return try attempts.fitted(plan) ?? attempts.unsliced() != nil
            || attempts.leastPeak(of: plan, enough: memory).peakBytes <= memory
            || isLarge && attempts.sliced() != nil
        } catch {
          return false
        }
      }
      let output = expression.outputShape.reduce(1) { $0 * Double($1) }
      // Operands and result share the memory in any case.
      let floor = (operandShare * Double(options.ranks) + output) / limit
      var tooFew = max(options.ranks, floor < 65_536 ? Int(floor.rounded(.up)) - 1 : 65_536)
      var (step, tried) = (1, 0)
      while tooFew + step <= 65_536 && budget > 0 {
        let ranks = tooFew + step
        if fits(ranks) { return (tooFew + 1..<ranks).first(where: fits) ?? ranks }
        tooFew = ranks
        tried += 1
        step = tried < (isHeavy ? 1 : 32) ? 1 : max(1, ranks / 8)
      }
      return nil
    }
  }
}
