/// Long loops cut in two, so that what the inner parts walk stays in cache: the summed one, whose parts
/// become tiles, and one of the destination's, whose parts the kernel takes as columns. (Goto and
/// van de Geijn 2008.)
struct Cut {
  /// The loops that take the place of one.
  struct Parts {
    let loop: Int
    let outer: Int
    let inner: Int
    let count: Int
  }

  var depth: Parts?
  var columns: Parts?

  /// - Parameters:
  ///   - leastProducts: multiply-adds; with fewer it is not worth the search.
  ///   - depths: so many terms over 16 lanes and 8 columns fit into a first-level cache.
  ///   - columns: so many columns of them fit into a second-level cache.
  static func candidates(
    _ form: GatherForm, leastProducts: Int,
    depths: ClosedRange<Int> = 128...512,
    columns: ClosedRange<Int> = 128...640
  ) -> [Cut] {
    guard form.loops.reduce(1.0, { $0 * Double($1) }) >= Double(leastProducts) else { return [] }
    func longest(_ carriers: [Bool], _ range: ClosedRange<Int>, _ first: Int) -> Parts? {
      let loops = form.loops.indices.filter { loop in
        form.tensors.indices.allSatisfy { tensor in
          let places = form.tensors[tensor].filter { $0.terms.contains { $0.loop == loop } }
          return places.count == (carriers[tensor] ? 1 : 0)
            && places.allSatisfy { $0.isPlain(form.loops) }
        }
      }
      let middle = Double(range.lowerBound * range.upperBound).squareRoot()
      func ratio(_ count: Int) -> Double { max(Double(count) / middle, middle / Double(count)) }
      guard let loop = loops.max(by: { form.loops[$0] < form.loops[$1] }),
        form.loops[loop] > range.upperBound,
        // The divisor next to the middle, by ratio.
        let count = range.filter({ form.loops[loop] % $0 == 0 }).min(by: { a, b in
          ratio(a) < ratio(b)
        })
      else { return nil }
      return Parts(loop: loop, outer: first, inner: first + 1, count: count)
    }
    let next = form.loops.count
    let depth = longest([false, true, true], depths, next)
    let after = depth == nil ? next : next + 2
    let sides = [[true, true, false], [true, false, true]].compactMap {
      longest($0, columns, after)
    }
    return (depth == nil ? [] : [Cut(depth: depth)])
      + sides.map { Cut(depth: depth, columns: $0) }
  }
}

extension GatherForm {
  func cut(_ cut: Cut) -> GatherForm {
    var form = self
    for parts in [cut.depth, cut.columns].compactMap({ $0 }) {
      form.loops += [loops[parts.loop] / parts.count, parts.count]
      form.loops[parts.loop] = 1
      for tensor in form.tensors.indices {
        let place = form.tensors[tensor].firstIndex {
          $0.terms.contains { $0.loop == parts.loop }
        }
        guard let place else { continue }
        form.tensors[tensor].replaceSubrange(
          place...place,
          with: [parts.outer, parts.inner].map {
            Dimension(terms: [Term(loop: $0)], extent: form.loops[$0])
          })
      }
    }
    return form
  }
}
