extension BlockedNest {
  /// The best way that is found to run a nest in blocks; `nil` where it cannot be, or has no lanes:
  /// element-wise products, sums of one tensor, adjoints with a stride.
  init?(_ nest: ContractionNest, roles: [ContractionNest.Role]) {
    guard let form = GatherForm(nest, roles: roles) else { return nil }
    var least = Double.infinity
    var best: (problem: Problem, choice: Choice, reordering: Reordering?)?
    func consider(_ form: GatherForm, _ reordering: Reordering?) {
      guard let problem = Problem(form.merged()) else { return }
      for choice in problem.choices() {
        // The lists of offsets are made for the best one only.
        guard let draft = problem.lowered(choice, reordering, isDraft: true),
          draft.nanoseconds < least
        else { continue }
        least = draft.nanoseconds
        best = (problem, choice, reordering)
      }
    }
    consider(form, nil)
    // Where one tensor follows the others loops merge: that may be worth a copy.
    for tensor in 0..<3 {
      guard let order = form.order(of: tensor) else { continue }
      consider(
        form.reordered(tensor, order),
        Reordering(tensor: tensor, dimensions: form.tensors[tensor], order: order))
    }
    guard let best, let lowered = best.problem.lowered(best.choice, best.reordering) else {
      return nil
    }
    self = lowered
  }

  /// Which loops the kernel walks itself.
  struct Choice {
    let source: Int
    let lanes: Int
    let columns: Int?
    let depth: Int?
    /// Whether the sources are copied even where they could stay.
    let copyingLanes: Bool
    let copyingOther: Bool
  }

  /// A nest in gather form with its loops sorted by what they mean.
  struct Problem {
    typealias Dimension = ContractionNest.Dimension
    let loops: [Int]
    let tensors: [[Dimension]]
    /// The strides in which the tensors are given.
    let given: [[Int]]
    /// Of every loop, which tensors have it.
    let carriers: [[Bool]]

    init?(_ form: GatherForm) {
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

    /// The few that may be worth it: long loops.
    func choices() -> [Choice] {
      func longest(_ candidates: [Int], _ count: Int) -> [Int?] {
        let sorted = candidates.sorted { (loops[$0], $1) > (loops[$1], $0) }.prefix(count)
        return sorted.isEmpty ? [nil] : sorted.map { $0 }
      }
      var choices: [Choice] = []
      for source in 1...2 {
        let own = source == 1 ? kind(true, true, false) : kind(true, false, true)
        let others = source == 1 ? kind(true, false, true) : kind(true, true, false)
        for lanes in longest(own, 4).compactMap({ $0 }) {
          for columns in longest(others, 3) {
            for depth in longest(summed, 3) {
              for (first, second) in [
                (true, false), (false, false), (true, true), (false, true),
              ] {
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
