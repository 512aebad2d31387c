/// How a box is read in pieces of bounded size and each is transposed: all dimensions reversed.
///
/// Reading likes pieces that are long in the last dimension, contiguous in the file; writing the
/// transposed elements likes those that are long in the first, contiguous in the result. A piece
/// keeps 64 positions of the first, a few cache lines, and as much as it can of the last.
struct BoxTransposition {
  /// A part of the box.
  struct Piece: Hashable {
    var box: [Range<Int>]
    /// Bytes in the result before its first element.
    var offset: Int
    /// Its extents along `dimensions`.
    var extents: [Int]
  }

  private let box: [Range<Int>]
  private let elementSize: Int
  /// The dimensions of extent above 1; the others leave every element where it is.
  private let dimensions: [Int]
  /// Along each of `dimensions`: extents of a piece, numbers of pieces, and bytes in the result from
  /// one position to the next.
  private let pieceExtents: [Int]
  private let pieceCounts: [Int]
  private let strides: [Int]

  /// Nil where the elements of the box are in the same order transposed, or are none.
  init?(_ box: [Range<Int>], byteLimit: Int, _ elementSize: Int) {
    let dimensions = box.indices.filter { box[$0].count > 1 }
    guard dimensions.count > 1, !box.contains(where: \.isEmpty) else { return nil }
    let extents = dimensions.map { box[$0].count }
    var strides: [Int] = []
    var stride = elementSize
    for extent in extents {
      strides.append(stride)
      stride *= extent
    }
    self.box = box
    self.elementSize = elementSize
    self.dimensions = dimensions
    self.strides = strides
    let pieceExtents = Self.pieceExtents(extents, elementLimit: byteLimit / elementSize)
    self.pieceExtents = pieceExtents
    pieceCounts = zip(extents, pieceExtents).map { ($0 + $1 - 1) / $1 }
  }

  /// Bytes of the largest piece.
  var pieceByteCount: Int { pieceExtents.reduce(elementSize, *) }

  /// Halves the first dimension down to 64, those between, the last, and then what is left of the
  /// first, until the piece is small enough.
  static func pieceExtents(_ extents: [Int], elementLimit: Int) -> [Int] {
    var piece = extents
    func shrink(_ dimension: Int, to least: Int) {
      while piece.reduce(1, *) > elementLimit, piece[dimension] > least {
        piece[dimension] = max(least, (piece[dimension] + 1) / 2)
      }
    }
    shrink(0, to: 64)
    for dimension in extents.indices.dropFirst() { shrink(dimension, to: 1) }
    shrink(0, to: 1)
    return piece
  }

  var firstPosition: [Int] { dimensions.map { _ in 0 } }

  /// Steps to the position of the next piece; false after the last one.
  func advance(_ position: inout [Int]) -> Bool { Formats.advance(&position, in: pieceCounts[...]) }

  func piece(at position: [Int]) -> Piece {
    var piece = Piece(box: box, offset: 0, extents: [])
    for (index, dimension) in dimensions.enumerated() {
      let start = position[index] * pieceExtents[index]
      let extent = min(pieceExtents[index], box[dimension].count - start)
      let lower = box[dimension].lowerBound + start
      piece.box[dimension] = lower..<(lower + extent)
      piece.offset += start * strides[index]
      piece.extents.append(extent)
    }
    return piece
  }

  /// Puts the elements of a piece, given in C order, where they belong in the transposed box.
  func store(_ piece: Piece, from source: UnsafeRawPointer, to result: UnsafeMutableRawPointer) {
    let result = result + piece.offset
    if elementSize == 4 {
      store(piece.extents, of: UInt32.self, from: source, to: result)
    } else {
      store(piece.extents, of: UInt64.self, from: source, to: result)
    }
  }

  /// Every matrix over the first and the last dimension is transposed by itself.
  private func store<Bits: FixedWidthInteger & BitwiseCopyable>(
    _ extents: [Int], of type: Bits.Type, from source: UnsafeRawPointer,
    to result: UnsafeMutableRawPointer
  ) {
    let last = extents.count - 1
    let between = extents[1..<last]
    let columnStride = extents.dropFirst().reduce(MemoryLayout<Bits>.size, *)
    var index = between.map { _ in 0 }
    repeat {
      var from = 0
      var to = 0
      for (position, dimension) in zip(index, between.indices) {
        from = from * extents[dimension] + position
        to += position * strides[dimension]
      }
      transpose(
        source + from * extents[last] * MemoryLayout<Bits>.size, to: result + to, of: type,
        rows: extents[last], columns: extents[0], rowStride: strides[last],
        columnStride: columnStride)
    } while Formats.advance(&index, in: between)
  }
}

/// `result[i * rowStride + j * size] = source[i * size + j * columnStride]`, all in bytes.
///
/// In square tiles, so that both the lines that are read and those that are written stay in cache.
private func transpose<Bits: FixedWidthInteger & BitwiseCopyable>(
  _ source: UnsafeRawPointer, to result: UnsafeMutableRawPointer, of type: Bits.Type,
  rows: Int, columns: Int, rowStride: Int, columnStride: Int
) {
  let tile = 16
  let size = MemoryLayout<Bits>.size
  for top in stride(from: 0, to: rows, by: tile) {
    for left in stride(from: 0, to: columns, by: tile) {
      for row in top..<min(top + tile, rows) {
        for column in left..<min(left + tile, columns) {
          let bits = source.loadUnaligned(
            fromByteOffset: row * size + column * columnStride, as: type)
          result.storeBytes(of: bits, toByteOffset: row * rowStride + column * size, as: type)
        }
      }
    }
  }
}

/// Steps to the next index, the last position fastest; false after the last one.
private func advance(_ index: inout [Int], in extents: ArraySlice<Int>) -> Bool {
  for dimension in index.indices.reversed() {
    index[dimension] += 1
    if index[dimension] < extents[extents.startIndex + dimension] { return true }
    index[dimension] = 0
  }
  return false
}
