extension BlockedNest {
  /// The best way that is found to run a nest in blocks; `nil` where it cannot be, or has no lanes:
  /// element-wise products, sums of one tensor, adjoints with a stride and taps.
  init?(_ nest: ContractionNest, roles: [ContractionNest.Role], context: Context) {
    guard let form = GatherForm(nest, roles: roles, mayLeaveHoles: true) else { return nil }
    var least = Double.infinity
    var best: (problem: Problem, choice: Choice, reorderings: [Reordering])?
    func consider(_ form: GatherForm, _ reorderings: [Reordering]) {
      let form = form.merged()
      for cut in [nil] + Cut.candidates(form, leastProducts: context.times.leastCutProducts) {
        guard let problem = Problem(cut.map(form.cut) ?? form, context) else { return }
        let reordered = reorderings.reduce(0.0) { $0 + $1.nanoseconds }
        // The most promising first: then the bound leaves most of the others out.
        let bounded = problem.choices(cut).map { ($0, problem.leastNanoseconds($0) + reordered) }
        for (choice, bound) in bounded.sorted(by: { $0.1 < $1.1 }) {
          guard bound < least else { break }
          // The lists of offsets are made for the best one only.
          guard let draft = problem.lowered(choice, reorderings, isDraft: true),
            draft.nanoseconds < least
          else { continue }
          least = draft.nanoseconds
          best = (problem, choice, reorderings)
        }
      }
    }
    for (form, reorderings) in form.reorderedForms() { consider(form, reorderings) }
    guard let best, let lowered = best.problem.lowered(best.choice, best.reorderings) else {
      return nil
    }
    self = lowered
  }

  /// Which loops the kernel walks itself.
  struct Choice {
    var kernel = Kernel.batchReduce
    /// The source that has the lanes; the other has them too, or not, where products are element-wise.
    let source: Int
    let lanes: Int
    let columns: Int?
    let depth: Int?
    /// Whether the sources are copied even where they could stay.
    let copyingLanes: Bool
    let copyingOther: Bool
    /// The loop that is cut into tiles; `nil`: as suits the largest copy.
    var tile: Int?
    /// Whether all blocks of lanes are visited before the next index of any other loop: then the other
    /// source's part for one call stays in cache, instead of the block's.
    var lanesInside = false

    var inBothOrders: [Choice] {
      var other = self
      other.lanesInside.toggle()
      return [self, other]
    }
  }

  /// A nest in gather form with its loops sorted by what they mean.
  struct Problem {
    typealias Dimension = ContractionNest.Dimension
    let context: Context
    let times: KernelTimes
    let sums: SumLength
    let loops: [Int]
    let tensors: [[Dimension]]
    /// The strides in which the tensors are given.
    let given: [[Int]]
    /// Of every loop, which tensors have it.
    let carriers: [[Bool]]

    init?(_ form: GatherForm, _ context: Context) {
      (self.context, times) = (context, context.times)
      let elements = form.tensors[0].reduce(1.0) { $0 * Double($1.extent) }
      sums = SumLength(
        terms: form.loops.reduce(1.0) { $0 * Double($1) } / max(1, elements))
      loops = form.loops
      tensors = form.tensors
      given = form.tensors.map { dimensions in
        var strides = [Int](repeating: 0, count: dimensions.count)
        var stride = 1
        for index in dimensions.indices.reversed() {
          strides[index] = stride
          stride *= dimensions[index].extent
        }
        return strides
      }
      let tensors = tensors
      carriers = loops.indices.map { loop in
        tensors.map { $0.contains { $0.terms.contains { $0.loop == loop } } }
      }
      // What only one tensor has is summed, or repeated, by other means.
      for (loop, extent) in loops.enumerated() where extent > 1 {
        guard carriers[loop].count(where: { $0 }) >= 2 else { return nil }
      }
    }

    func kind(_ destination: Bool, _ first: Bool, _ second: Bool) -> [Int] {
      loops.indices.filter { loops[$0] > 1 && carriers[$0] == [destination, first, second] }
    }

    var summed: [Int] { kind(false, true, true) }

    /// A loop that one dimension of the tensor has, and no other.
    func isPlain(_ loop: Int, in tensor: Int) -> Bool {
      let places = tensors[tensor].filter { $0.terms.contains { $0.loop == loop } }
      return places.count == 1 && places[0].isPlain(loops)
    }

    /// The few that may be worth it: long loops, and of a cut form those that make use of it.
    func choices(_ cut: Cut? = nil) -> [Choice] {
      guard let cut else { return choices().flatMap(\.inBothOrders) + elementwiseChoices() }
      return choices().filter { choice in
        (cut.depth == nil ? choice.copyingLanes : choice.depth == cut.depth?.inner)
          && (cut.columns == nil || choice.columns == cut.columns?.inner)
      }.flatMap { choice in
        var choice = choice
        choice.tile = cut.depth?.outer
        return choice.inBothOrders
      }
    }

    private func longest(_ candidates: [Int], _ count: Int) -> [Int?] {
      let sorted = candidates.sorted { (loops[$0], $1) > (loops[$1], $0) }.prefix(count)
      return sorted.isEmpty ? [nil] : sorted.map { $0 }
    }

    private static let copies = [(true, false), (false, false), (true, true), (false, true)]

    /// Where a loop stands in all three tensors, or nothing is summed.
    private func elementwiseChoices() -> [Choice] {
      guard !kind(true, true, true).isEmpty || summed.isEmpty else { return [] }
      let written = loops.indices.filter { loops[$0] > 1 && carriers[$0][0] }
      var choices: [Choice] = []
      for lanes in longest(written, 4).compactMap({ $0 }) {
        guard let source = largest(of: (1...2).filter { carriers[lanes][$0] }) else { continue }
        for columns in longest(written.filter { $0 != lanes }, 3) {
          for depth in longest(summed, 2) {
            for (first, second) in Self.copies {
              choices.append(
                Choice(
                  kernel: .laneProducts, source: source, lanes: lanes, columns: columns,
                  depth: depth, copyingLanes: first, copyingOther: second))
            }
          }
        }
      }
      return choices
    }

    /// Of some of the tensors the one with most elements, zeros around it included: whichever of a step's
    /// operands is named first, the same one gives the lanes.
    private func largest(of some: [Int]) -> Int? {
      some.max { (paddedCount($0), $1) < (paddedCount($1), $0) }
    }

    private func choices() -> [Choice] {
      var choices: [Choice] = []
      for source in 1...2 {
        let own = source == 1 ? kind(true, true, false) : kind(true, false, true)
        let others = source == 1 ? kind(true, false, true) : kind(true, true, false)
        for lanes in longest(own, 4).compactMap({ $0 }) {
          for columns in longest(others, 3) {
            for depth in longest(summed, 3) {
              for (first, second) in Self.copies {
                choices.append(
                  Choice(
                    source: source, lanes: lanes, columns: columns, depth: depth,
                    copyingLanes: first, copyingOther: second))
              }
            }
          }
        }
      }
      return choices
    }
  }
}
