import Kernels

/// A box within two buffers: how many elements, where they begin, and how far apart they are.
/// Dimensions that lie one behind the other in both buffers are joined.
struct StridedPiece: Sendable {
  let extents: [Int]
  let fromStrides: [Int]
  let toStrides: [Int]
  let from: Int
  let to: Int

  /// - Parameters: the piece's shape, and per buffer where it begins and the buffer's shape.
  init(_ shape: [Int], from: (start: [Int], shape: [Int]), to: (start: [Int], shape: [Int])) {
    self.init(shape, from: Self.place(from), to: Self.place(to))
  }

  /// A piece that is packed at an offset.
  init(_ shape: [Int], from: (start: [Int], shape: [Int]), toOffset: Int) {
    self.init(shape, from: Self.place(from), to: (toOffset, denseStrides(of: shape)))
  }

  /// A piece that is unpacked from an offset.
  init(_ shape: [Int], fromOffset: Int, to: (start: [Int], shape: [Int])) {
    self.init(shape, from: (fromOffset, denseStrides(of: shape)), to: Self.place(to))
  }

  /// - Parameters: how many elements there are along each dimension, and per buffer where they begin and how far
  ///   apart they are.
  init(_ shape: [Int], from: (start: Int, strides: [Int]), to: (start: Int, strides: [Int])) {
    (self.from, self.to) = (from.start, to.start)
    let loops = StridedLoops(shape, [from.strides, to.strides])
    extents = loops.extents
    (fromStrides, toStrides) = (loops.strides(in: 0), loops.strides(in: 1))
  }

  private static func place(_ box: (start: [Int], shape: [Int])) -> (start: Int, strides: [Int]) {
    let strides = denseStrides(of: box.shape)
    return (zip(box.start, strides).reduce(0) { $0 + $1.0 * $1.1 }, strides)
  }

  var count: Int { extents.reduce(1, *) }

  func copy<Element: TensorElement>(
    from source: UnsafePointer<Element>, to target: UnsafeMutablePointer<Element>
  ) {
    Element.permute(
      extents: extents, to: target + to, toStrides, from: source + from, fromStrides)
  }

  func copy(from source: UnsafePointer<UInt8>, to target: UnsafeMutablePointer<UInt8>) {
    let rows = RowLoops(extents, [fromStrides, toStrides])
    let (fromStride, toStride) = (rows.rowStrides[0], rows.rowStrides[1])
    rows.forEachRow(0..<rows.rows) { at in
      let (source, target) = (source + from + at[0], target + to + at[1])
      if fromStride == 1 && toStride == 1 {
        target.update(from: source, count: rows.rowCount)
      } else {
        for index in 0..<rows.rowCount { target[index * toStride] = source[index * fromStride] }
      }
    }
  }

  func add<Element: TensorElement>(
    from source: UnsafePointer<Element>, to target: UnsafeMutablePointer<Element>
  ) {
    Element.add(extents: extents, to: target + to, toStrides, from: source + from, fromStrides)
  }
}
