/// A nest in which the written tensor is indexed plainly: every element of it is one sum.
///
/// The adjoint of a convolution scatters: it adds g[i]·w[k] into x[i + k − 1]. With j = i + k − 1 as
/// the loop in place of i it gathers g[j − k + 1]·w[k], where g counts as 0 outside (or wraps):
/// then taps are summed as contracted modes are.
struct GatherForm {
  typealias Dimension = ContractionNest.Dimension
  typealias Term = ContractionNest.Term

  /// The extent of every loop; 1 where it was replaced.
  var loops: [Int]
  /// Destination, first and second source, without terms of loops of one index.
  var tensors: [[Dimension]]
  /// Where what is written stands in a destination that has more elements: every second pixel, say, where a
  /// convolution of one tap has a stride. The form's own destination has no holes.
  private(set) var spread: BlockedNest.Reordering?

  /// `nil` where the destination cannot be written so: with a stride and taps, or along a diagonal.
  ///
  /// - Parameter mayLeaveHoles: Whether `spread` is heeded; otherwise `nil` where there would be one.
  init?(_ nest: ContractionNest, roles: [ContractionNest.Role], mayLeaveHoles: Bool = false) {
    loops = nest.loops
    tensors = roles.map { role in nest[role].map { $0.live(nest.loops) } }
    guard !loops.contains(0), !tensors.joined().contains(where: { $0.extent == 0 }) else {
      return nil
    }
    var given = tensors[0]
    for index in given.indices where !given[index].isPlain(loops) {
      if replaceLoop(ofDestination: index) {
        given[index] = tensors[0][index]
      } else if mayLeaveHoles, let written = given[index].written(loops) {
        tensors[0][index] = written
      } else {
        return nil
      }
    }
    let used = tensors[0].flatMap { $0.terms.map(\.loop) }
    guard Set(used).count == used.count else { return nil }
    if given != tensors[0] {
      spread = BlockedNest.Reordering(spreading: tensors[0], over: given)
    }
  }

  private mutating func replaceLoop(ofDestination index: Int) -> Bool {
    let dimension = tensors[0][index]
    guard dimension.terms.count == 2 else { return false }
    for (old, tap) in [(0, 1), (1, 0)] {
      let (term, tap) = (dimension.terms[old], dimension.terms[tap])
      guard abs(term.coefficient) == 1, loops[term.loop] >= loops[tap.loop],
        let place = onlyPlace(of: term.loop, besides: index)
      else { continue }
      let source = tensors[place.tensor][place.dimension]
      guard source.isPlain(loops), !dimension.circular || source.extent == dimension.extent
      else { continue }
      // j = ±i + c·k + o, so i = ±(j − c·k − o).
      let sign = term.coefficient
      let new = loops.count
      loops.append(dimension.extent)
      loops[term.loop] = 1
      tensors[0][index] = Dimension(terms: [Term(loop: new)], extent: dimension.extent)
        .live(loops)
      tensors[place.tensor][place.dimension] = Dimension(
        terms: [
          Term(loop: new, coefficient: sign),
          Term(loop: tap.loop, coefficient: -sign * tap.coefficient),
        ], offset: -sign * dimension.offset, extent: source.extent, circular: dimension.circular
      ).live(loops)
      return true
    }
    return false
  }

  /// Where else a loop stands: `nil` if that is nowhere or in several places.
  private func onlyPlace(
    of loop: Int, besides index: Int
  ) -> (tensor: Int, dimension: Int)? {
    var places: [(tensor: Int, dimension: Int)] = []
    for (tensor, dimensions) in tensors.enumerated() {
      for (dimension, value) in dimensions.enumerated()
      where value.terms.contains(where: { $0.loop == loop })
        && !(tensor == 0 && dimension == index)
      {
        places.append((tensor, dimension))
      }
    }
    return places.count == 1 && places[0].tensor > 0 ? places[0] : nil
  }
}

extension ContractionNest.Dimension {
  /// Without the loops of one index, whose coefficients never count.
  func live(_ loops: [Int]) -> Self {
    Self(
      terms: terms.filter { loops[$0.loop] > 1 }, offset: offset, extent: extent,
      circular: circular)
  }

  /// Whether the index is a loop's own, over the whole extent.
  func isPlain(_ loops: [Int]) -> Bool {
    if terms.isEmpty { return extent == 1 && offset == 0 }
    return terms.count == 1 && terms[0].coefficient == 1 && offset == 0
      && extent == loops[terms[0].loop]
  }

  /// The indices that one loop, or none, walks forwards within the extent, as a dimension of their own; `nil`
  /// where there are others.
  fileprivate func written(_ loops: [Int]) -> Self? {
    let (step, count) = (terms.first?.coefficient ?? 1, terms.first.map { loops[$0.loop] } ?? 1)
    guard terms.count <= 1, step > 0, offset >= 0, offset + step * (count - 1) < extent else {
      return nil
    }
    return Self(terms: terms.map { .init(loop: $0.loop) }, extent: count)
  }
}

extension GatherForm {
  /// The dimensions of one tensor in the order of the others' (what it shares with the larger one
  /// first, in that one's order), its taps last: then modes that stand together elsewhere stand
  /// together here too. `nil` where they do already.
  func order(of tensor: Int) -> [Int]? {
    func count(_ tensor: Int) -> Int { tensors[tensor].reduce(1) { $0 * $1.extent } }
    let others = (0..<3).filter { $0 != tensor }.sorted { count($0) > count($1) }
    func rank(_ dimension: Dimension) -> (Int, Int) {
      guard dimension.isPlain(loops), let loop = dimension.terms.first?.loop else {
        return (others.count + 1, 0)
      }
      for (place, other) in others.enumerated() {
        let position = tensors[other].firstIndex {
          $0.isPlain(loops) && $0.terms.first?.loop == loop
        }
        if let position { return (place, position) }
      }
      return (others.count, 0)
    }
    let dimensions = tensors[tensor]
    let ranks = dimensions.map(rank)
    let order = dimensions.indices.sorted {
      (ranks[$0].0, ranks[$0].1, $0) < (ranks[$1].0, ranks[$1].1, $1)
    }
    return order == Array(dimensions.indices) ? nil : order
  }

  /// This form, and with one or two tensors that follow the others' order, or one that repeats itself:
  /// where loops merge, that may be worth a copy.
  func reorderedForms() -> [(form: GatherForm, reorderings: [BlockedNest.Reordering])] {
    var forms: [(form: GatherForm, reorderings: [BlockedNest.Reordering])] = [(self, [])]
    func add(_ tensor: Int, to known: (form: GatherForm, reorderings: [BlockedNest.Reordering])) {
      guard let order = known.form.order(of: tensor) else { return }
      let copy = BlockedNest.Reordering(
        tensor: tensor, dimensions: known.form.tensors[tensor], order: order)
      forms.append((known.form.reordered(tensor, order), known.reorderings + [copy]))
    }
    for tensor in 0..<3 { add(tensor, to: forms[0]) }
    // Repeated sums would have to be added up before they are spread.
    forms += repeatedForms().filter { spread == nil || $0.reorderings[0].tensor != 0 }
    // A second one that follows the first, where there is much to gain.
    if loops.reduce(1.0, { $0 * Double($1) }) >= 0x1p24 {
      for known in forms.dropFirst() where !known.reorderings[0].repeats {
        for tensor in 0..<3 where known.reorderings[0].tensor != tensor { add(tensor, to: known) }
      }
    }
    guard let spread else { return forms }
    return forms.map { form, reorderings in
      let ordered = reorderings.first { $0.tensor == 0 }.map(spread.ordered(as:))
      return (form, reorderings.filter { $0.tensor != 0 } + [ordered ?? spread])
    }
  }

  /// This form with one tensor's dimensions in another order.
  func reordered(_ tensor: Int, _ order: [Int]) -> GatherForm {
    var form = self
    form.tensors[tensor] = order.map { tensors[tensor][$0] }
    return form
  }

  /// This form with one tensor repeated along a loop that only the other two have, so that products
  /// element by element get long lanes; the copies of a destination are added up.
  ///
  /// Where another loop stands plainly right after it, and in the third tensor too, both are joined: the
  /// channels and the pixels of a row, say, and the taps of every channel are repeated for each pixel. The
  /// outer loop may stand beside taps: x[w + k − 1, r] is x′[m + R·k − R] with m = R·w + r, for
  /// 0 ≤ r < R makes no difference to what is outside, or where it wraps.
  private func repeatedForms() -> [(form: GatherForm, reorderings: [BlockedNest.Reordering])] {
    let inAll = loops.indices.filter { loop in
      loops[loop] > 1
        && tensors.allSatisfy { $0.contains { $0.terms.contains { $0.loop == loop } } }
    }
    guard !inAll.isEmpty else { return [] }
    // Sums of a destination, one for each index of the loop.
    let ends = tensors.map(\.count)
    var forms = [repeated(0, before: ends, joining: nil)]
    for loop in inAll {
      let places = tensors.map { dimensions in
        dimensions.indices.filter { at in dimensions[at].terms.contains { $0.loop == loop } }
      }
      let isPlain = tensors.indices.allSatisfy {
        places[$0].count == 1 && tensors[$0][places[$0][0]].isPlain(loops)
      }
      guard isPlain else { continue }
      for tensor in 0..<3 {
        forms.append(repeated(tensor, before: places.map { $0[0] }, joining: loop))
      }
    }
    return forms.compactMap { $0 }
  }

  /// - Parameters:
  ///   - tensor: the one that is repeated.
  ///   - places: of the dimensions in front of which the loop stands, or is put.
  ///   - inner: the loop there.
  private func repeated(
    _ tensor: Int, before places: [Int], joining inner: Int?
  ) -> (form: GatherForm, reorderings: [BlockedNest.Reordering])? {
    let others = tensors.indices.filter { $0 != tensor }
    guard others.allSatisfy({ places[$0] > 0 }) else { return nil }
    func dimension(_ other: Int) -> Dimension { tensors[other][places[other] - 1] }
    func occurrences(_ loop: Int, in tensor: Int) -> Int {
      tensors[tensor].count { $0.terms.contains { $0.loop == loop } }
    }
    let shared = dimension(others[0]).terms.map(\.loop).filter { loop in
      occurrences(loop, in: tensor) == 0
        && others.allSatisfy { other in
          occurrences(loop, in: other) == 1
            && dimension(other).terms.contains { $0.loop == loop && $0.coefficient == 1 }
        }
    }
    let count = tensors[tensor].reduce(1) { $0 * $1.extent }
    guard let outer = shared.first, count * loops[outer] <= BlockedNest.Reordering.mostRepeated
    else { return nil }
    var form = self
    let new = loops.count
    let extent = inner.map { loops[$0] } ?? 1
    form.loops.append(loops[outer] * extent)
    form.loops[outer] = 1
    if let inner { form.loops[inner] = 1 }
    let joined = inner == nil ? 0 : 1
    for other in others {
      let old = dimension(other)
      let terms = old.terms.map {
        $0.loop == outer
          ? Term(loop: new) : Term(loop: $0.loop, coefficient: $0.coefficient * extent)
      }
      form.tensors[other].replaceSubrange(
        places[other] - 1..<places[other] + joined,
        with: [
          Dimension(
            terms: terms, offset: old.offset * extent, extent: old.extent * extent,
            circular: old.circular)
        ])
    }
    let place = places[tensor]
    form.tensors[tensor].replaceSubrange(
      place..<place + joined,
      with: [Dimension(terms: [Term(loop: new)], extent: loops[outer] * extent)])
    let copy = BlockedNest.Reordering(
      tensor: tensor, dimensions: tensors[tensor], repeating: loops[outer], from: place)
    return (form, [copy])
  }

  /// This form with loops joined that stand next to each other, in the same order, wherever they
  /// stand: the kernel walks them as one.
  func merged() -> GatherForm {
    var form = self
    while form.mergeOnce() {}
    return form
  }

  private mutating func mergeOnce() -> Bool {
    // A dimension of one index says nothing, and would stand between others.
    let loops = loops
    for tensor in tensors.indices {
      tensors[tensor].removeAll { $0.terms.isEmpty && $0.isPlain(loops) }
    }
    for dimensions in tensors {
      for (outer, inner) in zip(dimensions, dimensions.dropFirst()) {
        guard outer.isPlain(loops), inner.isPlain(loops), let x = outer.terms.first?.loop,
          let y = inner.terms.first?.loop, x != y, areTogether(x, y)
        else { continue }
        let new = loops.count
        let extent = loops[x] * loops[y]
        self.loops.append(extent)
        for tensor in tensors.indices {
          guard let place = tensors[tensor].firstIndex(where: { $0.terms.first?.loop == x })
          else { continue }
          tensors[tensor][place] = Dimension(terms: [Term(loop: new)], extent: extent)
          tensors[tensor].remove(at: place + 1)
        }
        self.loops[x] = 1
        self.loops[y] = 1
        return true
      }
    }
    return false
  }

  /// Whether the loops stand only plainly, and y always right after x.
  private func areTogether(_ x: Int, _ y: Int) -> Bool {
    tensors.allSatisfy { dimensions in
      let xs = dimensions.indices.filter { at in
        dimensions[at].terms.contains { $0.loop == x }
      }
      let ys = dimensions.indices.filter { at in
        dimensions[at].terms.contains { $0.loop == y }
      }
      if xs.isEmpty && ys.isEmpty { return true }
      return xs.count == 1 && ys == [xs[0] + 1] && dimensions[xs[0]].isPlain(loops)
        && dimensions[ys[0]].isPlain(loops)
    }
  }
}
