/// Elements in row-major order, all in Double whatever their type in the graph.
struct DoubleTensor: Equatable {
  var shape: [Int]
  var elements: [Double]

  init(_ shape: [Int], filledWith number: Double = 0) {
    self.shape = shape
    elements = Array(repeating: number, count: shape.reduce(1, *))
  }

  init(_ shape: [Int], _ elements: [Double]) {
    precondition(elements.count == shape.reduce(1, *), "\(elements.count) elements of \(shape)")
    self.shape = shape
    self.elements = elements
  }

  init(scalar: Double) { self.init([], [scalar]) }

  /// The element at the index that `at` gives.
  init(_ shape: [Int], at element: ([Int]) -> Double) {
    self.init(shape)
    for (offset, index) in DoubleTensor.indices(of: shape).enumerated() {
      elements[offset] = element(index)
    }
  }

  subscript(index: [Int]) -> Double {
    get { elements[offset(index)] }
    set { elements[offset(index)] = newValue }
  }

  private func offset(_ index: [Int]) -> Int {
    precondition(index.count == shape.count, "index \(index) of \(shape)")
    var offset = 0
    for dimension in 0..<shape.count {
      precondition(
        index[dimension] >= 0 && index[dimension] < shape[dimension], "index \(index) of \(shape)")
      offset = offset * shape[dimension] + index[dimension]
    }
    return offset
  }

  var indices: [[Int]] { DoubleTensor.indices(of: shape) }

  /// All indices in row-major order.
  static func indices(of shape: [Int]) -> [[Int]] {
    var indices: [[Int]] = [[]]
    for extent in shape {
      var longer: [[Int]] = []
      longer.reserveCapacity(indices.count * extent)
      for index in indices {
        for last in 0..<extent { longer.append(index + [last]) }
      }
      indices = longer
    }
    return indices
  }

  func map(_ function: (Double) -> Double) -> DoubleTensor {
    DoubleTensor(shape, elements.map(function))
  }

  static func + (a: DoubleTensor, b: DoubleTensor) -> DoubleTensor {
    precondition(a.shape == b.shape)
    return DoubleTensor(a.shape, zip(a.elements, b.elements).map(+))
  }

  static func * (a: DoubleTensor, factor: Double) -> DoubleTensor { a.map { $0 * factor } }

  /// Σ aᵢ·bᵢ.
  func dot(_ other: DoubleTensor) -> Double {
    precondition(shape == other.shape)
    return zip(elements, other.elements).reduce(0) { $0 + $1.0 * $1.1 }
  }

  /// The largest difference, relative to the largest element where that is more than 1.
  func difference(from other: DoubleTensor) -> Double {
    guard shape == other.shape else { return .infinity }
    let scale = max(1, other.elements.reduce(0) { max($0, abs($1)) })
    return zip(elements, other.elements).reduce(0) { largest, pair in
      if pair.0 == pair.1 { return largest }
      let difference = abs(pair.0 - pair.1) / scale
      return difference.isNaN ? .infinity : max(largest, difference)
    }
  }
}

extension [Int] {
  /// The entries at these places.
  func at(_ places: [Int]) -> [Int] { places.map { self[$0] } }

  /// The entries in all other places.
  func besides(_ places: [Int]) -> [Int] { at(indices.filter { !places.contains($0) }) }

  func replacing(_ place: Int, with number: Int) -> [Int] {
    var copy = self
    copy[place] = number
    return copy
  }
}
