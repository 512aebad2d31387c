import Kernels

/// A box within two buffers: how many elements, where they begin, and how far apart they are.
/// Dimensions that lie one behind the other in both buffers are joined.
struct StridedPiece: Sendable {
  private(set) var extents: [Int] = []
  private(set) var fromStrides: [Int] = []
  private(set) var toStrides: [Int] = []
  let from: Int
  let to: Int

  /// - Parameters: the piece's shape, and per buffer where it begins and the buffer's shape.
  init(_ shape: [Int], from: (start: [Int], shape: [Int]), to: (start: [Int], shape: [Int])) {
    let fromSteps = StridedLoops.rowMajorSteps(from.shape)
    let toSteps = StridedLoops.rowMajorSteps(to.shape)
    self.from = zip(from.start, fromSteps).reduce(0) { $0 + $1.0 * $1.1 }
    self.to = zip(to.start, toSteps).reduce(0) { $0 + $1.0 * $1.1 }
    join(shape, fromSteps, toSteps)
  }

  /// A piece that is packed, or unpacked, at an offset.
  init(_ shape: [Int], from: (start: [Int], shape: [Int]), toOffset: Int) {
    let fromSteps = StridedLoops.rowMajorSteps(from.shape)
    self.from = zip(from.start, fromSteps).reduce(0) { $0 + $1.0 * $1.1 }
    to = toOffset
    join(shape, fromSteps, StridedLoops.rowMajorSteps(shape))
  }

  init(_ shape: [Int], fromOffset: Int, to: (start: [Int], shape: [Int])) {
    let toSteps = StridedLoops.rowMajorSteps(to.shape)
    from = fromOffset
    self.to = zip(to.start, toSteps).reduce(0) { $0 + $1.0 * $1.1 }
    join(shape, StridedLoops.rowMajorSteps(shape), toSteps)
  }

  /// - Parameters: how many elements there are along each dimension, and per buffer where they begin and how far
  ///   apart they are.
  init(_ shape: [Int], from: (start: Int, steps: [Int]), to: (start: Int, steps: [Int])) {
    (self.from, self.to) = (from.start, to.start)
    join(shape, from.steps, to.steps)
  }

  var count: Int { extents.reduce(1, *) }

  private mutating func join(_ shape: [Int], _ fromSteps: [Int], _ toSteps: [Int]) {
    for (dimension, extent) in shape.enumerated() where extent != 1 {
      if let last = extents.indices.last, fromStrides[last] == extent * fromSteps[dimension],
        toStrides[last] == extent * toSteps[dimension]
      {
        extents[last] *= extent
        fromStrides[last] = fromSteps[dimension]
        toStrides[last] = toSteps[dimension]
      } else {
        extents.append(extent)
        fromStrides.append(fromSteps[dimension])
        toStrides.append(toSteps[dimension])
      }
    }
  }

  func copy<Element: TensorElement>(
    from source: UnsafePointer<Element>, to target: UnsafeMutablePointer<Element>
  ) {
    Element.permute(
      extents: extents, to: target + to, toStrides, from: source + from, fromStrides)
  }

  func copy(from source: UnsafePointer<UInt8>, to target: UnsafeMutablePointer<UInt8>) {
    guard let last = extents.indices.last else {
      target[to] = source[from]
      return
    }
    let (fromStep, toStep) = (fromStrides[last], toStrides[last])
    let outer = Array(extents[..<last])
    let read = StridedLoops(extents: outer, steps: Array(fromStrides[..<last]))
    let written = StridedLoops(extents: outer, steps: Array(toStrides[..<last]))
    for row in 0..<read.count {
      let (source, target) = (
        source + from + read.place(of: row), target + to + written.place(of: row)
      )
      if fromStep == 1 && toStep == 1 {
        target.update(from: source, count: extents[last])
      } else {
        for index in 0..<extents[last] { target[index * toStep] = source[index * fromStep] }
      }
    }
  }

  func add<Element: TensorElement>(
    from source: UnsafePointer<Element>, to target: UnsafeMutablePointer<Element>
  ) {
    Element.add(extents: extents, to: target + to, toStrides, from: source + from, fromStrides)
  }
}
