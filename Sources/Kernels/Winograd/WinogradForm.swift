/// A nest that correlates with three taps along one or two dimensions, one index at a time: what minimal
/// filtering (Winograd, Toom-Cook) can run with fewer products.
///
/// With data x, results y and taps w it is y[b, i, t] = Σ x[b, i + k − 1, s]·w[k, t, s] for any number of
/// modes b, s and t, or the adjoint that writes the taps; the adjoint that writes the data is of the
/// first kind too once it gathers (`GatherForm`).
struct WinogradForm {
  typealias Dimension = ContractionNest.Dimension

  /// What stands along rows or columns of a tile.
  struct Axis {
    /// Of the data, the results and the taps; `taps` is `nil` where nothing is correlated.
    var data: Int
    var result: Int
    var tap: Int?
    /// Whether data are read at i − k.
    var isReversed: Bool
    /// Of the data, where i = k = 0 is read.
    var offset: Int
  }

  /// The position among destination, first and second source.
  let data: Int
  let results: Int
  let taps: Int
  /// Outer first.
  var axes: [Axis]
  /// Dimensions that two tensors share: of data and results, of data and taps, of results and taps.
  var samples: [(data: Int, results: Int)] = []
  var inputs: [(data: Int, taps: Int)] = []
  var outputs: [(results: Int, taps: Int)] = []

  /// `nil` where the nest is not of this form.
  init?(_ form: GatherForm) {
    let (loops, tensors) = (form.loops, form.tensors)
    func isCorrelated(_ dimension: Dimension) -> Bool { !dimension.isPlain(loops) }
    guard let data = (1...2).first(where: { tensors[$0].contains(where: isCorrelated) }),
      !tensors[0].contains(where: isCorrelated), !tensors[3 - data].contains(where: isCorrelated)
    else { return nil }
    let other = 3 - data
    func place(of loop: Int, in tensor: Int) -> Int? {
      tensors[tensor].firstIndex { $0.terms.contains { $0.loop == loop } }
    }
    func axes(results: Int, taps: Int) -> [Axis]? {
      var axes: [Axis] = []
      for (index, dimension) in tensors[data].enumerated() where isCorrelated(dimension) {
        guard dimension.terms.count == 2,
          let position = dimension.terms.first(where: {
            place(of: $0.loop, in: results) != nil && place(of: $0.loop, in: taps) == nil
          }), position.coefficient == 1,
          let tap = dimension.terms.first(where: {
            place(of: $0.loop, in: taps) != nil && place(of: $0.loop, in: results) == nil
          }), abs(tap.coefficient) == 1, loops[tap.loop] == 3,
          let result = place(of: position.loop, in: results),
          let tapPlace = place(of: tap.loop, in: taps)
        else { return nil }
        axes.append(
          Axis(
            data: index, result: result, tap: tapPlace, isReversed: tap.coefficient < 0,
            offset: dimension.offset - (tap.coefficient < 0 ? 2 : 0)))
      }
      return axes
    }
    if let axes = axes(results: 0, taps: other) {
      (results, taps, self.axes) = (0, other, axes)
    } else if let axes = axes(results: other, taps: 0) {
      (results, taps, self.axes) = (other, 0, axes)
    } else {
      return nil
    }
    self.data = data
    guard self.axes.count <= 2, sortPlainLoops(form) else { return nil }
    if self.axes.count == 1 { addAxis(form) }
  }

  /// Every other loop stands once in two of the tensors.
  private mutating func sortPlainLoops(_ form: GatherForm) -> Bool {
    for loop in form.loops.indices where form.loops[loop] > 1 {
      let places = (0..<3).map { tensor in
        form.tensors[tensor].indices.filter { index in
          form.tensors[tensor][index].terms.contains { $0.loop == loop }
        }
      }
      guard places.allSatisfy({ $0.count <= 1 }) else { return false }
      let (x, y, w) = (places[data].first, places[results].first, places[taps].first)
      if axes.contains(where: { axis in axis.data == x && x != nil }) { continue }
      switch (x, y, w) {
      case (let x?, let y?, nil): samples.append((x, y))
      case (let x?, nil, let w?): inputs.append((x, w))
      case (nil, let y?, let w?): outputs.append((y, w))
      default: return false
      }
    }
    samples.sort { $0.data < $1.data }
    // As they stand in the larger tensor, which is then copied in its own order.
    let elements = form.tensors.map { $0.reduce(1) { $0 * $1.extent } }
    let inputsByTaps = elements[taps] > elements[data]
    let outputsByTaps = elements[taps] > elements[results]
    inputs.sort { inputsByTaps ? $0.taps < $1.taps : $0.data < $1.data }
    outputs.sort { outputsByTaps ? $0.taps < $1.taps : $0.results < $1.results }
    return true
  }

  /// Beside one correlated dimension, another of the data's is walked along the other side of the tiles:
  /// the innermost, so that what lies together is copied together.
  private mutating func addAxis(_ form: GatherForm) {
    guard let last = samples.popLast() else { return }
    let axis = Axis(
      data: last.data, result: last.results, tap: nil, isReversed: false, offset: 0)
    axes.append(axis)
    axes.sort { $0.data < $1.data }
  }
}
